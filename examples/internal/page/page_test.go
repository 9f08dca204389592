package page

import (
	"errors"
	"html"
	"log/slog"
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

// TestStyleIsTheOneOfThePolicy: a browser drops a style sheet whose hash is another.
func TestStyleIsTheOneOfThePolicy(t *testing.T) {
	w := httptest.NewRecorder()
	New(`Title`, `Body`).Write(w, http.StatusOK, nil)
	_, rest, _ := strings.Cut(w.Body.String(), "<style>")
	sheet, _, _ := strings.Cut(rest, "</style>")
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "'sha256-"+hash(sheet)+"'") {
		t.Errorf("the policy %s does not name the style sheet", csp)
	}
}

func TestFailTellsTheLogAlone(t *testing.T) {
	var log strings.Builder
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	Fail(w, r, slog.New(slog.NewTextHandler(&log, nil)), http.StatusBadRequest, "login_failed", errors.New("the inner reason"))
	body := html.UnescapeString(w.Body.String())
	if strings.Contains(body, "inner") || !strings.Contains(body, "login_failed") {
		t.Error(body)
	}
	_, rest, _ := strings.Cut(body, `id="id">`)
	id, _, _ := strings.Cut(rest, "<")
	if id == "" || !strings.Contains(log.String(), "id="+id) || !strings.Contains(log.String(), "the inner reason") {
		t.Errorf("id %q, log %s", id, log.String())
	}
}
