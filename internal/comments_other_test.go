package internal_test

import (
	"go/ast"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// otherCode are files of other languages.
var otherCode = regexp.MustCompile(`\.(js|mjs|css|html|sql|sh|ya?ml)$|/(Makefile|Dockerfile|\.gitignore|run|find|\.ci/\w+)$`)

// The forms of a comment: on separate lines, or behind code. Behind code, spaces around the mark
// distinguish a comment from a part of a word or an address.
var (
	scripts    = regexp.MustCompile(`(?m)(^[ \t]*#[^!].*\n)+|[ \t]#[ \t].*$`)
	blocks     = regexp.MustCompile(`(?m)(^[ \t]*//.*\n)+|[ \t]//[ \t].*$|(?s)/\*.*?\*/`)
	markup     = regexp.MustCompile(`(?s)<!--.*?-->|/\*.*?\*/`) // also {{/* of templates */}}
	statements = regexp.MustCompile(`(?m)(^[ \t]*--.*\n)+|[ \t]--[ \t].*$`)
	marks      = regexp.MustCompile(`(?m)^[ \t]*(#|//|--|<!--|(\{\{-? ?)?/?\*+/?)`)
	endMarks   = regexp.MustCompile(`(\*/( ?-?\}\})?|-->)$`)
)

// formOf returns the form of the comments in a file.
func formOf(path string) *regexp.Regexp {
	switch filepath.Ext(path) {
	case ".js", ".mjs", ".css":
		return blocks
	case ".html":
		return markup
	case ".sql":
		return statements
	}
	return scripts
}

func otherComments(path, source string) []textOf {
	return commentsIn(formOf(path), source, func(at int) string { return path + ":" + strconv.Itoa(1+strings.Count(source[:at], "\n")) })
}

// commentsIn returns the comments of a form, without their marks.
func commentsIn(form *regexp.Regexp, source string, position func(offset int) string) (all []textOf) {
	for _, at := range form.FindAllStringIndex(source, -1) {
		text := endMarks.ReplaceAllString(marks.ReplaceAllString(source[at[0]:at[1]], ""), "")
		all = append(all, textOf{position(at[0]), text})
	}
	return all
}

// program matches a literal with statements of a database or with a script of Redis.
var program = regexp.MustCompile(`CREATE TABLE|INSERT INTO|SELECT |redis\.call`)

// literalComments returns the comments inside of the string literals of a Go file: of templates,
// pages and statements.
func literalComments(set *token.FileSet, file *ast.File) (all []textOf) {
	ast.Inspect(file, func(n ast.Node) bool {
		if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING && strings.HasPrefix(literal.Value, "`") {
			position := func(offset int) string { return set.Position(literal.Pos() + token.Pos(offset)).String() }
			all = append(all, commentsIn(inLiterals, literal.Value, position)...)
			if program.MatchString(literal.Value) {
				all = append(all, commentsIn(statements, literal.Value, position)...)
			}
		}
		return true
	})
	return all
}

// inLiterals are the comments of templates and pages. Patterns such as "GET /*" are not comments.
var inLiterals = regexp.MustCompile(`(?s)<!--.*?-->|\{\{-? ?/\*.*?\*/ ?-?\}\}`)
