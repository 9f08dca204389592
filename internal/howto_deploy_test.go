package internal_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// The code of docs/cors.md, roles-and-permissions.md, private-cas.md, kubernetes.md and
// websockets-and-events.md, run.

// crossOrigin lets pages of one origin call the API.
func crossOrigin(api http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if r.Header.Get("Origin") == "https://app.example" {
			h.Set("Access-Control-Allow-Origin", "https://app.example")
			h.Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, DPoP, Content-Type")
				h.Set("Access-Control-Max-Age", "600")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		api.ServeHTTP(w, r)
	})
}

func corsAPI(protection *rs.Protection, photos http.Handler) http.Handler {
	handler := crossOrigin(protection.Handler(photos))
	return handler
}

// TestCORS: a preflight request of the application needs no token. A preflight request of another
// origin is answered like any request without a token, and permits nothing.
func TestCORS(t *testing.T) {
	protection := &rs.Protection{Tokens: rstest.Tokens{"a-token": {Subject: "alice"}}, Logger: slog.New(slog.DiscardHandler)}
	h := corsAPI(protection, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "photos") }))
	for _, test := range []struct {
		method, origin, token string
		preflight             bool
		status                int
		allowed               string
	}{
		{"OPTIONS", "https://app.example", "", true, 204, "https://app.example"},
		{"OPTIONS", "https://evil.example", "", true, 401, ""},
		{"OPTIONS", "https://app.example", "", false, 401, "https://app.example"},
		{"GET", "https://app.example", "a-token", false, 200, "https://app.example"},
		{"GET", "https://app.example", "another", false, 401, "https://app.example"},
		{"GET", "https://evil.example", "a-token", false, 200, ""},
	} {
		r := httptest.NewRequest(test.method, "/", nil)
		r.Header.Set("Origin", test.origin)
		if test.token != "" {
			r.Header.Set("Authorization", "Bearer "+test.token)
		}
		if test.preflight {
			r.Header.Set("Access-Control-Request-Method", "GET")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin"); w.Code != test.status || got != test.allowed {
			t.Errorf("%+v: %d, allowed %q", test, w.Code, got)
		}
	}
}

func roleRoutes(mux *http.ServeMux, users, reports, groups, albums http.Handler) {
	mux.Handle("DELETE /users/{id}", rs.RequireClaim([]string{"realm_access", "roles"}, "admin")(users))
	mux.Handle("GET /reports", rs.RequireClaim([]string{"permissions"}, "read:reports")(reports))
	mux.Handle("GET /groups", rs.RequireClaim([]string{"groups"}, "staff", "owners")(groups))
	mux.Handle("GET /albums", requireOrganization("acme")(albums))
}

// requireOrganization reads a claim that is neither a string nor an array of strings.
func requireOrganization(id string) func(http.Handler) http.Handler {
	return rs.Require(func(_ *http.Request, p *rs.Principal) error {
		var claims struct {
			Organization struct {
				ID string `json:"id"`
			} `json:"organization"`
		}
		if err := p.Claims(&claims); err != nil {
			return err
		}
		if claims.Organization.ID != id {
			return errors.New("another organization")
		}
		return nil
	})
}

// TestRoles: each route of the page accepts the right role, and no other.
func TestRoles(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	mux := http.NewServeMux()
	roleRoutes(mux, ok, ok, ok, ok)
	type m = map[string]any
	for _, test := range []struct {
		method, path string
		claims       m
		status       int
	}{
		{"DELETE", "/users/1", m{"realm_access": m{"roles": []string{"admin"}}}, 200},
		{"DELETE", "/users/1", m{"realm_access": m{"roles": []string{"viewer"}}}, 403},
		{"DELETE", "/users/1", m{"roles": []string{"admin"}}, 403},
		{"GET", "/reports", m{"permissions": []string{"read:reports"}}, 200},
		{"GET", "/reports", nil, 403},
		{"GET", "/groups", m{"groups": []string{"owners"}}, 200},
		{"GET", "/groups", m{"groups": []string{"guests"}}, 403},
		{"GET", "/albums", m{"organization": m{"id": "acme"}}, 200},
		{"GET", "/albums", m{"organization": "acme"}, 403},
		{"GET", "/albums", nil, 403},
	} {
		r := rstest.With(httptest.NewRequest(test.method, test.path, nil), rstest.Principal{Subject: "alice", Claims: test.claims})
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%+v: %d", test, w.Code)
		}
	}
}

// privateCA returns an http.Client that trusts the system's certificate authorities and one more.
func privateCA(file string) (*http.Client, error) {
	ca, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, err
	}
	if !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("no certificate in %s", file)
	}
	return &http.Client{Transport: &http.Transport{
		DialContext:     (&discovery.Dialer{}).DialContext,
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{RootCAs: roots},
	}}, nil
}

// TestPrivateCA: a server with a certificate of a private CA is trusted only with the CA's
// certificate.
func TestPrivateCA(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	file := filepath.Join(t.TempDir(), "ca.pem")
	os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw}), 0o600)
	trusting, err := privateCA(file)
	if err != nil {
		t.Fatal(err)
	}
	if trusting.Transport.(*http.Transport).Proxy == nil {
		t.Error("the Transport does not use HTTPS_PROXY")
	}
	if _, err := (&discovery.Provider{Issuer: issuer.URL, HTTP: trusting}).Metadata(t.Context()); err != nil {
		t.Error(err)
	}
	quoted := regexp.MustCompile("fails with `([^`]+)`").FindStringSubmatch(read(t, "../docs/private-cas.md"))
	if quoted == nil {
		t.Fatal("the page has no error")
	}
	if _, err := (&discovery.Provider{Issuer: issuer.URL}).Metadata(t.Context()); err == nil || !strings.Contains(err.Error(), quoted[1]) {
		t.Errorf("without the authority: %v, the page says %q", err, quoted[1])
	}
}

func probes(mux *http.ServeMux, l *login.Login, api *rs.Protection) {
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(l.Ready(r.Context()), api.Ready(r.Context())); err != nil {
			slog.ErrorContext(r.Context(), "not ready", "reason", err)
			http.Error(w, "not ready", http.StatusServiceUnavailable)
		}
	})
}

// TestProbes: without an authorization server the process is alive, but not ready. After the
// first probe the server gets no request.
func TestProbes(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler))
	var requests atomic.Int32
	issuer := issuertest.New(t, issuertest.Config{Observe: func(issuertest.Exchange) { requests.Add(1) }})
	for _, up := range []bool{true, false} {
		if !up {
			issuer.Close()
		}
		c := webClient(t, issuer, nil)
		l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}})
		if err != nil {
			t.Fatal(err)
		}
		provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
		mux := http.NewServeMux()
		probes(mux, l, &rs.Protection{Tokens: &rs.JWT{Issuer: issuer.URL, Audience: "https://api.example", Keys: provider.Keys()}})
		for path, want := range map[string]bool{"/livez": true, "/readyz": up} {
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
			if (w.Code == 200) != want {
				t.Errorf("up %t: %s: %d", up, path, w.Code)
			}
		}
		before := requests.Load()
		for range 20 {
			mux.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/readyz", nil))
		}
		if got := requests.Load(); got != before || got == 0 {
			t.Errorf("up %t: %d requests of the first probe, %d after twenty more", up, before, got)
		}
	}
}

// webClient returns a client of a test issuer. change may be nil.
func webClient(t *testing.T, issuer *issuertest.Issuer, change func(*client.Config)) *client.Client {
	t.Helper()
	config := client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "profile"}, HTTP: issuer.Client(),
	}
	if change != nil {
		change(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// news sends events until the browser leaves, or for an hour.
func news(w http.ResponseWriter, r *http.Request, events <-chan string) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Hour)
	defer cancel()
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	if out.Flush() != nil { // sends the header before the first event
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-events:
			fmt.Fprintf(w, "data: %s\n\n", event)
			if out.Flush() != nil {
				return
			}
		}
	}
}

// TestEvents: an event reaches a signed-in browser while the response is still open. Without a
// session an EventSource is answered with 401.
func TestEvents(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": webClient(t, issuer, nil)}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 1)
	s := httptest.NewServer(l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { news(w, r, events) })))
	defer s.Close()
	for _, signedIn := range []bool{true, false} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Sec-Fetch-Mode", "cors")
		r.Header.Set("Accept", "text/event-stream")
		if signedIn {
			r = logintest.WithSession(r, l, logintest.User{Subject: "alice"})
		}
		events <- "hello"
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(resp.Body).ReadString('\n')
		resp.Body.Close()
		if ok := resp.StatusCode == 200 && line == "data: hello\n"; ok != signedIn || !signedIn && resp.StatusCode != 401 {
			t.Errorf("signed in %t: %d %q", signedIn, resp.StatusCode, line)
		}
	}
}
