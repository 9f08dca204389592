package rstest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// hello shows the caller and its department.
func hello(w http.ResponseWriter, r *http.Request) {
	caller, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "no caller", http.StatusInternalServerError)
		return
	}
	var claims struct {
		Department string `json:"department"`
	}
	if err := caller.Claims(&claims); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "%s by %s of %s", caller.Subject, caller.ClientID, claims.Department)
}

func serve(h http.Handler, r *http.Request) (status int, body string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestWith(t *testing.T) {
	r := rstest.With(httptest.NewRequest("GET", "/", nil), rstest.Principal{
		Subject: "alice", ClientID: "web", Claims: map[string]any{"department": "croquet"},
	})
	if status, body := serve(http.HandlerFunc(hello), r); status != 200 || body != "alice by web of croquet" {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := serve(http.HandlerFunc(hello), httptest.NewRequest("GET", "/", nil)); status != 500 {
		t.Errorf("status %d without a caller", status)
	}
}

func TestGuards(t *testing.T) {
	for name, test := range map[string]struct {
		guard func(http.Handler) http.Handler
		good  rstest.Principal
		bad   rstest.Principal
		want  int
	}{
		"scope": {rs.RequireScope("a", "b"), rstest.Principal{Scopes: []string{"a", "b"}}, rstest.Principal{Scopes: []string{"a"}}, 403},
		"acr":   {rs.RequireACR("high"), rstest.Principal{ACR: "high"}, rstest.Principal{ACR: "low"}, 401},
		"max age": {rs.RequireMaxAge(time.Minute), rstest.Principal{AuthTime: time.Now()},
			rstest.Principal{AuthTime: time.Now().Add(-time.Hour)}, 401},
		"details": {rs.RequireAuthorizationDetails("payment", nil),
			rstest.Principal{Claims: map[string]any{"authorization_details": []map[string]any{{"type": "payment"}}}},
			rstest.Principal{Claims: map[string]any{"authorization_details": []map[string]any{{"type": "photos"}}}}, 403},
	} {
		t.Run(name, func(t *testing.T) {
			h := test.guard(http.HandlerFunc(hello))
			if status, body := serve(h, rstest.With(httptest.NewRequest("GET", "/", nil), test.good)); status != 200 {
				t.Errorf("%d %s", status, body)
			}
			if status, body := serve(h, rstest.With(httptest.NewRequest("GET", "/", nil), test.bad)); status != test.want {
				t.Errorf("%d %s, want %d", status, body, test.want)
			}
		})
	}
}

// TestAsInProduction: the Principal of With equals that of a real token with the same claims.
func TestAsInProduction(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	token := issuer.AccessToken(issuertest.AccessToken{
		Scopes: []string{"a", "b"}, ACR: "high",
		Claims: map[string]any{"roles": []string{"admin"}, "amr": []string{"pwd", "otp"}, "act": map[string]any{"sub": "service"}, "sid": "s1"},
	})
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
	real, err := (&rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}).VerifyToken(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	r := rstest.With(httptest.NewRequest("GET", "/", nil), rstest.Principal{
		Issuer: issuer.URL, Subject: "alice", ClientID: "web", Scopes: []string{"a", "b"}, Audience: []string{issuertest.Audience},
		IssuedAt: real.IssuedAt, Expiry: real.Expiry, AuthTime: real.AuthTime, ID: real.ID, SessionID: "s1", ACR: "high", AMR: []string{"pwd", "otp"},
		Claims: map[string]any{"roles": []string{"admin"}, "act": map[string]any{"sub": "service"}},
	})
	made, _ := rs.FromContext(r.Context())
	if got, want := public(made), public(real); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, p := range []*rs.Principal{made, real} {
		var claims struct {
			Roles []string `json:"roles"`
		}
		if err := p.Claims(&claims); err != nil || len(claims.Roles) != 1 {
			t.Errorf("roles %v, %v", claims.Roles, err)
		}
	}
}

// public prints the exported fields.
func public(p *rs.Principal) string {
	return fmt.Sprint(p.Issuer, p.Subject, p.ClientID, p.Scopes, p.Audience, p.Expiry, p.IssuedAt, p.ID, p.SessionID, p.ACR, p.AMR,
		p.AuthTime, p.AuthorizationDetails, *p.Act, p.Cnf)
}

func TestTokens(t *testing.T) {
	protection := &rs.Protection{Tokens: rstest.Tokens{
		"alice": {Subject: "alice", Scopes: []string{"photos.read"}},
		"bob":   {Subject: "bob"},
		"old":   {Subject: "alice", Scopes: []string{"photos.read"}, Expiry: time.Now().Add(-time.Second)},
		"bound": {Subject: "alice", Scopes: []string{"photos.read"}, Claims: map[string]any{"cnf": map[string]any{"jkt": strings.Repeat("A", 43)}}},
	}}
	h := protection.Handler(rs.RequireScope("photos.read")(http.HandlerFunc(hello)))
	for token, want := range map[string]int{"alice": 200, "bob": 403, "carol": 401, "": 401, "old": 401, "bound": 401} {
		r := httptest.NewRequest("GET", "/", nil)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		if status, body := serve(h, r); status != want {
			t.Errorf("token %q: %d %s, want %d", token, status, body, want)
		}
	}
}

func TestWithPanics(t *testing.T) {
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "exp") {
			t.Errorf("the panic says %s", said)
		}
	}()
	rstest.With(httptest.NewRequest("GET", "/", nil), rstest.Principal{Claims: map[string]any{"exp": "tomorrow"}})
}

// A handler behind a Protection.
func ExampleWith() {
	handler := rs.RequireScope("photos.read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		caller, _ := rs.FromContext(r.Context())
		io.WriteString(w, "photos of "+caller.Subject)
	}))
	r := httptest.NewRequest("GET", "/photos", nil)
	r = rstest.With(r, rstest.Principal{Subject: "alice", Scopes: []string{"photos.read"}})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 photos of alice
}
