package internal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPages: every block of Go on a page is part of a compiled file, line by line.
func TestPages(t *testing.T) {
	code := allCode(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal("no pages", err)
	}
	for _, page := range append(pages, "../README.md") {
		for _, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(read(t, page), -1) {
			if !strings.Contains(code, flat(block[1])) {
				t.Errorf("%s shows code that is not compiled anywhere:\n%s", page, block[1])
			}
		}
	}
}

// TestLinks: every link to a file of the repository has a target, and its anchor is a heading there.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(#[^)]*)?\)`)
	for _, page := range allPages(t) {
		for _, l := range link.FindAllStringSubmatch(withoutCode(read(t, page)), -1) {
			target := filepath.Join(filepath.Dir(page), l[1])
			if l[1] == "" {
				target = page
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", page, err)
			} else if l[2] != "" && !slices.Contains(anchors(read(t, target)), l[2]) {
				t.Errorf("%s links to %s%s, which has no such heading", page, l[1], l[2])
			}
		}
	}
}

// withoutCode removes the code of a page.
func withoutCode(page string) string {
	return spans.ReplaceAllString(fences.ReplaceAllString(page, ""), "code")
}

// anchors returns the headings of a page as links name them.
func anchors(page string) (out []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(page, -1) {
		name := regexp.MustCompile(`[^\w -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		out = append(out, "#"+strings.ReplaceAll(name, " ", "-"))
	}
	return out
}

func read(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// allCode returns every Go file of the repository without indentation.
func allCode(t *testing.T) string {
	var b strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		raw, err := os.ReadFile(path)
		b.WriteString(flat(string(raw)) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// flat removes the indentation.
func flat(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	return strings.Join(lines, "\n")
}

// maxWords is the length of a sentence. Authors aim at 25.
const maxWords = 30

// avoided are expressions that are hard to read for readers who are not native speakers.
var avoided = regexp.MustCompile(`(?i)\b(can(not| not)? be had|could not be had|nobody of (yours|ours)|is none|whoever|of its own` +
	`|stands?|brings?|takes|is told|(is|are) left empty|by (its|their) name` +
	`|change[sd]? hands|the same one|all the same|exclude each other|belongs? together)\b|^So (is|are|do|does|has|have)\b`)

// TestPlainEnglish: no sentence of a page is too long, and no page has an expression to avoid.
func TestPlainEnglish(t *testing.T) {
	for _, page := range allPages(t) {
		for _, fault := range unclear(read(t, page)) {
			t.Errorf("%s: %s", page, fault)
		}
	}
}

// TestUnclear: the check of the pages finds each kind of fault, and accepts the rest.
func TestUnclear(t *testing.T) {
	long := strings.Repeat("word ", maxWords+1)
	for _, test := range []struct {
		text   string
		faults int
	}{
		{"The server sends a code. The client checks it.", 0},
		{long + ".", 1},
		{"- " + long + "\n- " + long, 2},
		{strings.Repeat("two words. ", maxWords), 0},
		{strings.Repeat("a line\n", maxWords) + "goes on", 1},
		{"# " + long, 1},
		{"| " + long + " |", 0},
		{"```\n" + long + "\n```\nwords", 0},
		{"Text:\n\n    " + long, 0},
		{"`" + long + "` is code", 0},
		{"Whoever asks is told.", 2},
		{"The metadata cannot be had.", 1},
		{"| what is left empty |", 1},
		{"`stands` is code", 0},
		{"An address changes hands.", 1},
		{"A token without act is rejected. So is an expired one.", 1},
		{"So a token without act is rejected.", 0},
		{"Two programs use the same one all the same.", 2},
		{"These flags exclude each other. Those belong together.", 2},
		{"The programs use the same address.", 0},
	} {
		if got := unclear(test.text); len(got) != test.faults {
			t.Errorf("%q: %q, expected %d faults", test.text, got, test.faults)
		}
	}
}

// allPages are the Markdown files of the repository.
func allPages(t *testing.T) (pages []string) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "node_modules") {
			return fs.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			pages = append(pages, path)
		}
		return err
	})
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages: %v", len(pages), err)
	}
	return pages
}

// unclear returns the faults of a page's text. Blocks of code are not checked. Cells of
// tables may be long.
func unclear(page string) (faults []string) {
	for _, p := range paragraphs(page) {
		for _, s := range sentences(p) {
			if n := len(strings.Fields(s)); n > maxWords && !strings.HasPrefix(p, "|") {
				faults = append(faults, fmt.Sprintf("a sentence has %d words, at most %d are allowed: %s", n, maxWords, s))
			}
			for _, expression := range avoided.FindAllString(s, -1) {
				faults = append(faults, fmt.Sprintf("write something plainer than %q: %s", expression, s))
			}
		}
	}
	return faults
}

var (
	fences   = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	indented = regexp.MustCompile(`(?m)^\n(    .*\n?)+`)
	spans    = regexp.MustCompile("`[^`]+`")
	links    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
	ends     = regexp.MustCompile(`[.!?][)"*]*\s+`)
	starts   = regexp.MustCompile(`^(#+ |\||[-*] |\d+\. )`)
)

// paragraphs returns the paragraphs, list items, headings and rows of tables. A span of code counts
// as one word, and a link as its text.
func paragraphs(page string) (out []string) {
	page = indented.ReplaceAllString(fences.ReplaceAllString(page, "\n"), "\n")
	fresh := true
	for line := range strings.Lines(links.ReplaceAllString(spans.ReplaceAllString(page, "code"), "$1")) {
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			fresh = true
			continue
		case fresh || starts.MatchString(line):
			out = append(out, line)
		default:
			out[len(out)-1] += " " + line
		}
		fresh = strings.HasPrefix(line, "#")
	}
	return out
}

// sentences splits a paragraph.
func sentences(paragraph string) []string {
	text := strings.TrimSpace(strings.TrimPrefix(paragraph, starts.FindString(paragraph)))
	return strings.FieldsFunc(ends.ReplaceAllString(text, "\n"), func(r rune) bool { return r == '\n' })
}
