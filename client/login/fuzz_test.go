package login_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// FuzzCookies: no cookie that this module did not make signs a user in.
func FuzzCookies(f *testing.F) {
	c := newClient(f, "https://a.example", "https://app.example/callback", nil)
	var handlers []http.Handler
	for _, store := range []login.Store{nil, &login.Memory{}} {
		l, err := login.New(login.Config{
			Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{key("a")}, Store: store, KeepTokens: true,
			Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		})
		if err != nil {
			f.Fatal(err)
		}
		handlers = append(handlers, l.Identify(http.HandlerFunc(whoAmI)), l.Callback())
	}
	for _, seed := range []string{
		"", "__Host-login=AQ", "__Host-login=1.AQ; __Host-login-t=2.AQ", "__Host-login-p-x=AQ; __Host-login-p-y=", "__Host-login=\"AQ\"",
		"__Host-login-done=1; __Host-login-out=x", "__Host-login=" + strings.Repeat("A", 5000), "=;=;;", "__Host-login",
	} {
		f.Add(seed, "state=x&code=y")
	}
	f.Add("__Host-login-p-x=AQ", "response=a.b.c")
	f.Fuzz(func(t *testing.T, cookies, query string) {
		for _, h := range handlers {
			r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
			r.URL.RawQuery = query
			r.Header.Set("Cookie", cookies)
			if h.ServeHTTP(w, r); w.Code >= 500 || w.Code == http.StatusSeeOther || strings.Contains(w.Body.String(), "alice") {
				t.Errorf("status %d", w.Code)
			}
		}
	})
}
