package page

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestWriteEscapes(t *testing.T) {
	w := httptest.NewRecorder()
	New(`{{.}}`, `<p title="{{.}}">{{.}}</p>`).Write(w, http.StatusOK, `"><script>alert(1)</script>`)
	if strings.Contains(w.Body.String(), "<script>") {
		t.Error(w.Body)
	}
}

// TestStyleIsTheOneOfThePolicy: the policy has the hash of the style sheet. A browser ignores one
// with another hash.
func TestStyleIsTheOneOfThePolicy(t *testing.T) {
	w := httptest.NewRecorder()
	New(`Title`, `Body`).Write(w, http.StatusOK, nil)
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	sheet, _, _ := strings.Cut(rest, "</style>")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+hash(sheet)+"'") {
		t.Errorf("the policy %s does not name the style sheet", csp)
	}
}

// TestState: a result is shown by its text, its icon and its color. An unknown result is shown as
// a failure.
func TestState(t *testing.T) {
	for result, want := range map[string][2]string{
		"valid": {"state valid", " valid</span>"}, "not applicable": {"state none", " not applicable</span>"},
		"not checked": {"state none", " not checked</span>"},
		"skipped":     {"state skipped", " skipped</span>"}, "failed": {"state failed", " failed</span>"}, `<b>"`: {"state failed", " failed</span>"},
	} {
		got := string(stateMark(result))
		if !strings.Contains(got, want[0]) || !strings.HasSuffix(got, want[1]) || !strings.Contains(got, "<svg") {
			t.Errorf("%q: %s", result, got)
		}
	}
}

func TestSite(t *testing.T) {
	w := httptest.NewRecorder()
	Site{Name: "The album", Kind: "API", Party: API}.Page(`Title`, `Body{{define "account"}}<i>{{.}}</i>{{end}}`).Write(w, http.StatusOK, "alice")
	for _, want := range []string{`<header class="bar api">`, "The album", "<i>alice</i>", `href="data:image/svg`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %q:\n%s", want, w.Body)
		}
	}
	w = httptest.NewRecorder()
	New(`Title`, `Body`).Write(w, http.StatusOK, nil)
	if strings.Contains(w.Body.String(), "<header") {
		t.Errorf("a site without a name has a bar:\n%s", w.Body)
	}
}

func TestIcon(t *testing.T) {
	w := httptest.NewRecorder()
	App.Icon().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/favicon.ico", nil))
	if w.Header().Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(w.Body.String(), "<svg") {
		t.Errorf("%v %s", w.Header(), w.Body)
	}
}
