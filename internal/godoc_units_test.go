package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// namesUnit finds what a number counts.
var namesUnit = regexp.MustCompile(`\b(bytes|seconds|nanoseconds|number of|how many|HTTP status|1 to 14|attempts|tokens|keys|of the current set|as in \[)`)

// TestUnits: the comment of each exported field that is a number says what it counts. The
// comment of a duration that is encoded as JSON does too, because the type is then lost.
func TestUnits(t *testing.T) {
	checked := 0
	for _, dir := range exportedDirs(t) {
		names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if spec, ok := n.(*ast.TypeSpec); ok && spec.Name.IsExported() {
					checked += checkUnits(t, name, spec)
				}
				return true
			})
		}
	}
	if checked < 30 {
		t.Errorf("only %d fields were found", checked)
	}
}

func checkUnits(t *testing.T, file string, spec *ast.TypeSpec) (checked int) {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return 0
	}
	group := ""
	for _, f := range structure.Fields.List {
		if f.Doc != nil {
			group = f.Doc.Text()
		}
		if len(f.Names) == 0 || !f.Names[0].IsExported() || !isNumber(types.ExprString(f.Type), f.Tag != nil) {
			continue
		}
		checked++
		if comment := onOneLine(group + " " + f.Comment.Text()); !namesUnit.MatchString(comment) {
			t.Errorf("%s: %s.%s: say what the number counts, such as bytes: %s", file, spec.Name.Name, f.Names[0].Name, comment)
		}
	}
	return checked
}

func isNumber(kind string, encoded bool) bool {
	kind = strings.TrimPrefix(kind, "*")
	return kind == "int" || kind == "int64" || kind == "uint64" || kind == "float64" || encoded && kind == "time.Duration"
}
