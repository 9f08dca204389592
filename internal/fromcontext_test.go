package internal_test

import (
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
	eachFile(t, notComments, func(path string) {
		if !copiedCode(path) {
			return
		}
		text := read(t, path)
		checked += strings.Count(text, ".FromContext(")
		for n, line := range strings.Split(text, "\n") {
			if ignoredContext.MatchString(line) {
				t.Errorf("%s:%d: check ok: %s", path, n+1, strings.TrimSpace(line))
			}
		}
	})
	if checked < 20 {
		t.Errorf("only %d calls were found", checked)
	}
}
