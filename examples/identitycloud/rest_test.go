package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

const (
	redirectURL = "https://app.example/callback"
	password    = "canary-password-of-alice"
	session     = "canary-session-of-alice"
)

// newTenant answers like the product's REST interface. authorize answers the request at the
// authorization endpoint.
func newTenant(t *testing.T, authorize http.HandlerFunc) *REST {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /am/json/serverinfo/*", func(w http.ResponseWriter, r *http.Request) {
		answer(w, map[string]any{"cookieName": "a1b2c3"})
	})
	mux.HandleFunc("POST /am/json/realms/root/realms/alpha/authenticate", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Accept-API-Version") != "resource=2.0, protocol=1.0":
			w.WriteHeader(http.StatusBadRequest)
		case r.Header.Get("X-OpenAM-Username") == "bob": // a realm whose journey has one more step
			answer(w, map[string]any{"authId": "canary-auth-id", "callbacks": []any{}})
		case r.Header.Get("X-OpenAM-Username") != "alice" || r.Header.Get("X-OpenAM-Password") != password:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			answer(w, map[string]any{"tokenId": session, "realm": "/alpha"})
		}
	})
	mux.HandleFunc("POST /authorize", authorize)
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	return &REST{Host: server.Listener.Addr().String(), Realm: "alpha", HTTP: server.Client().Transport}
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func TestAuthenticate(t *testing.T) {
	rest := newTenant(t, http.NotFound)
	if got, err := rest.Authenticate(t.Context(), "alice", password); err != nil || got != session {
		t.Errorf("alice: %q, %v", got, err)
	}
	for name, want := range map[string]string{"alice": "status 401", "bob": "asks for more"} {
		_, err := rest.Authenticate(t.Context(), name, "canary-other-password")
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

// TestAuthorize checks the request, and reads the parameters from the Location.
func TestAuthorize(t *testing.T) {
	rest := newTenant(t, func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("a1b2c3")
		r.ParseForm()
		if err != nil || cookie.Value != session || r.PostForm.Get("csrf") != session ||
			r.PostForm.Get("decision") != "allow" || r.PostForm.Get("state") != "s 1" || r.URL.RawQuery != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, redirectURL+"?code=c1&state=s+1&iss=https%3A%2F%2Fas.example", http.StatusFound)
	})
	got, err := rest.Authorize(t.Context(), "https://"+rest.Host+"/authorize?client_id=web&state=s+1", redirectURL, session)
	want := url.Values{"code": {"c1"}, "state": {"s 1"}, "iss": {"https://as.example"}}
	if err != nil || got.Encode() != want.Encode() {
		t.Errorf("the callback has %v, %v", got, err)
	}
	_, err = rest.Authorize(t.Context(), "https://"+rest.Host+"/authorize?client_id=web&state=s+1", redirectURL, "canary-other")
	if err == nil || !strings.Contains(err.Error(), "status 400") {
		t.Errorf("another session: %v", err)
	}
}

// TestAuthorizeElsewhere: a redirect to another address than the application's is rejected.
func TestAuthorizeElsewhere(t *testing.T) {
	for _, to := range []string{"https://tenant.example/am/XUI/?goto=x", redirectURL + "/more?code=c1", "http://app.example/callback?code=c1"} {
		rest := newTenant(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, to, http.StatusFound) })
		if got, err := rest.Authorize(t.Context(), "https://"+rest.Host+"/authorize", redirectURL, session); err == nil {
			t.Errorf("redirected to %s: got %v", to, got)
		}
	}
}
