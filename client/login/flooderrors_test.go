package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestErrorsOfVisitors: a visitor who changes the own callback causes a bounded number of ERROR
// lines. The server may answer an unusual code with 500.
func TestErrorsOfVisitors(t *testing.T) {
	for name, visitor := range map[string]ownLogin{
		"temporarily_unavailable":                           forgedError("temporarily_unavailable"),
		"server_error":                                      forgedError("server_error"),
		"a code that the server answers with 500":           {callback: func(q url.Values) { q.Set("code", "canary-500") }},
		"a code that the server answers with its own error": {callback: func(q url.Values) { q.Set("code", "canary-own") }},
	} {
		s := optest.New(t)
		s.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				switch {
				case path == "/token" && r.FormValue("code") == "canary-500":
					w.WriteHeader(500)
				case path == "/token" && r.FormValue("code") == "canary-own":
					optest.JSON(w, 500, map[string]any{"error": "server_error"})
				default:
					next(w, r)
				}
			}
		}
		a := start(t, setting{as: s, client: func(c *client.Config) { c.PAR = client.PAROff }})
		for range 30 {
			visitor.visit(a.browser(t), a)
		}
		if n := strings.Count(a.log.String(), "level=ERROR"); n > 10 {
			t.Errorf("%s: %d errors: %.600s", name, n, a.log.String())
		}
	}
}
