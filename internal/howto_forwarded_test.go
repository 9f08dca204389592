package internal_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// forge sets the headers in which proxies write the address that a client used.
func forge(r *http.Request) {
	for name, value := range map[string]string{
		"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "X-Forwarded-Port": "81", "X-Forwarded-Prefix": "/evil",
		"X-Forwarded-Server": "evil.example", "X-Original-Host": "evil.example", "X-Original-Url": "/evil", "X-Rewrite-Url": "/evil",
		"Forwarded": "for=192.0.2.1;host=evil.example;proto=http", "X-Forwarded-For": "192.0.2.1",
	} {
		r.Header.Set(name, value)
	}
}

// TestForwardedLogin: no header of docs/proxies-and-base-paths.md changes where a login goes, what
// it remembers, or its cookies.
func TestForwardedLogin(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": webClient(t, issuer, nil)}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Handler{"Start": l.Start(), "Require": l.Require(http.NotFoundHandler()), "Logout": l.Logout()} {
		r := httptest.NewRequest("GET", "https://app.example/albums", nil)
		if name == "Logout" {
			r = httptest.NewRequest("POST", "https://app.example/logout", nil)
			r.Header.Set("Origin", "https://app.example")
		}
		forge(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther && w.Code != http.StatusFound {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		to, _ := url.Parse(w.Header().Get("Location"))
		if name != "Logout" && to.Scheme+"://"+to.Host != issuer.URL || strings.Contains(w.Header().Get("Location"), "evil") {
			t.Errorf("%s: %s", name, to)
		}
		for _, c := range w.Result().Cookies() {
			if !c.Secure || c.Path != "/" || c.Domain != "" {
				t.Errorf("%s: cookie %v", name, c)
			}
		}
	}
	r := httptest.NewRequest("POST", "https://app.example/logout", nil)
	forge(r)
	r.Header.Set("Origin", "http://evil.example")
	w := httptest.NewRecorder()
	l.Logout().ServeHTTP(w, r)
	if w.Code != http.StatusForbidden {
		t.Errorf("a post of the host in X-Forwarded-Host: status %d", w.Code)
	}
}

// TestForwardedMetadata: challenges and metadata have the configured address.
func TestForwardedMetadata(t *testing.T) {
	meta := &rs.Metadata{Resource: "https://api.example/v1", AuthorizationServers: []string{"https://as.example"}}
	api := &rs.Protection{Tokens: rstest.Tokens{"a-token": {Subject: "alice"}}, ResourceMetadata: meta.URL(), Logger: slog.New(slog.DiscardHandler)}
	for _, h := range []http.Handler{api.Handler(http.NotFoundHandler()), meta} {
		r := httptest.NewRequest("GET", "https://api.example/v1/photos", nil)
		forge(r)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("WWW-Authenticate") + w.Body.String(); !strings.Contains(got, "https://api.example/") || strings.Contains(got, "evil") {
			t.Errorf("%d %s", w.Code, got)
		}
	}
}
