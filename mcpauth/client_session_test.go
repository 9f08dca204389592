package mcpauth_test

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// TestResourceInRefresh: every token request contains the MCP server as resource (RFC 8707).
func TestResourceInRefresh(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	forms := w.forms(issuertest.TokenEndpoint)
	if len(forms) != 2 || forms[1].Get("grant_type") != "refresh_token" {
		t.Fatalf("%d token requests", len(forms))
	}
	for _, form := range forms {
		if form.Get("resource") != w.url {
			t.Errorf("%s: resource is %q", form.Get("grant_type"), form.Get("resource"))
		}
	}
	w.wantLogins(t, 1)
}

// TestNoRefreshToken: an expired token without a refresh token leads to a login.
func TestNoRefreshToken(t *testing.T) {
	w := newWorldAt(t, withoutRefreshTokens(t))
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	for _, form := range w.forms(issuertest.TokenEndpoint) {
		if got := form.Get("grant_type"); got != "authorization_code" {
			t.Errorf("a request with the grant %s", got)
		}
	}
	w.wantLogins(t, 2)
}

// withoutRefreshTokens is an issuer that issues none.
func withoutRefreshTokens(t *testing.T) *issuertest.Issuer {
	t.Helper()
	var issuer *issuertest.Issuer
	var err error
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		recorder := httptest.NewRecorder()
		issuer.ServeHTTP(recorder, r)
		body := recorder.Body.Bytes()
		var answer map[string]any
		if r.URL.Path == string(issuertest.TokenEndpoint) && json.Unmarshal(body, &answer) == nil {
			delete(answer, "refresh_token")
			body, _ = json.Marshal(answer)
		}
		maps.Copy(rw.Header(), recorder.Header())
		rw.Header().Del("Content-Length")
		rw.WriteHeader(recorder.Code)
		rw.Write(body)
	}))
	t.Cleanup(server.Close)
	issuer, err = issuertest.NewHandler(issuertest.Config{Issuer: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	return issuer
}

// TestRejectedRefreshToken: the server no longer accepts the refresh token.
func TestRejectedRefreshToken(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	session := connect(t, w, newHandler(t, w.config()))
	w.issuer.RevokeAll()
	w.issuer.Advance(6 * time.Minute)
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
}

// TestRestart: tokens and registration of the previous run are used.
func TestRestart(t *testing.T) {
	for _, dpop := range []*client.DPoP{nil, {}} {
		for _, endpoint := range []bool{false, true} {
			w := newWorld(t, issuertest.Config{})
			w.api.DPoP = &rs.DPoP{BaseURL: w.origin(), Now: w.issuer.Now}
			config := w.config()
			config.Store, config.DPoP = &store{}, dpop
			connect(t, w, newHandler(t, config))
			if endpoint {
				config.Endpoint = w.url
			}
			session := connect(t, w, newHandler(t, config))
			mustCall(t, session, "list", "list for alice with photos.read offline_access")
			w.issuer.Advance(6 * time.Minute)
			mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")
			w.wantLogins(t, 1)

			config.User = "bob" // another user of the same Store
			connect(t, w, newHandler(t, config))
			w.wantLogins(t, 2)
		}
	}
}

// TestLogout: the tokens are revoked, and the next call signs in.
func TestLogout(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Store = &store{}
	h := newHandler(t, config)
	session := connect(t, w, h)
	if err := h.Logout(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(w.issuer.Exchanges(issuertest.RevocationEndpoint)); n != 2 {
		t.Errorf("%d revocations", n)
	}
	mustCall(t, session, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
}

// store is a Store that is used by several Handlers, with a lease for one process.
type store struct {
	tokens.LocalLeases
	mu     sync.Mutex
	values map[string][]byte
}

func (s *store) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key], nil
}

func (s *store) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[key] = value
	return nil
}

func (s *store) Delete(_ context.Context, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return nil
}
