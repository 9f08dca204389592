package internal_test

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// ignoredContext finds a handler that ignores whether the request has a user or a token.
var ignoredContext = regexp.MustCompile(`, _ :?= (?:login|rs)\.FromContext\(`)

// copiedCode reports whether readers copy the code of a file: it is a page, a program or an example.
func copiedCode(path string) bool {
	name := filepath.Base(path)
	switch {
	case strings.HasSuffix(name, ".md"), strings.HasPrefix(name, "howto_"), strings.HasSuffix(name, "example_test.go"):
		return true
	case strings.HasPrefix(filepath.ToSlash(path), "../examples/"):
		return filepath.Ext(name) == ".go"
	}
	return filepath.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go")
}

// TestFromContextChecked: a handler checks what FromContext returns. Without the check, a route that is
// mounted outside of the middleware panics.
func TestFromContextChecked(t *testing.T) {
	checked := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && notComments[d.Name()]:
			return fs.SkipDir
		case d.IsDir() || !copiedCode(path):
			return nil
		}
		text := read(t, path)
		checked += strings.Count(text, ".FromContext(")
		for n, line := range strings.Split(text, "\n") {
			if ignoredContext.MatchString(line) {
				t.Errorf("%s:%d: check ok: %s", path, n+1, strings.TrimSpace(line))
			}
		}
		return nil
	})
	if err != nil || checked < 20 {
		t.Error(checked, err)
	}
}
