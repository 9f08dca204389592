package discovery_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

func TestFetch(t *testing.T) {
	s := optest.New(t)
	m, err := discovery.Fetch(t.Context(), nil, s.URL)
	if err != nil || m.Issuer != s.URL || m.TokenEndpoint != s.URL+"/token" || !m.AuthorizationResponseIssParameterSupported {
		t.Fatalf("%+v, %v", m, err)
	}
}

// TestFetchWithoutLogin: a server whose metadata lists no response type needs no authorization
// endpoint. RFC 8414 §2.
func TestFetchWithoutLogin(t *testing.T) {
	s := optest.New(t)
	for grants, ok := range map[string]bool{"client_credentials": true, "urn:ietf:params:oauth:grant-type:device_code": true, "authorization_code": false, "implicit": false} {
		s.Edit = func(m map[string]any) {
			clearBut(m, "issuer")
			m["token_endpoint"], m["grant_types_supported"] = s.URL+"/token", []string{"refresh_token", grants}
		}
		if _, err := discovery.Fetch(t.Context(), nil, s.URL); (err == nil) != ok {
			t.Errorf("%s: %v", grants, err)
		}
	}
}

// TestFetchRefused: DISC-01, DISC-02, DISC-03, DISC-04, DISC-05.
func TestFetchRefused(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		name string
		edit func(map[string]any)
		says string
	}{
		{"another issuer", func(m map[string]any) { m["issuer"] = "https://evil.example" }, "issuer"},
		{"issuer with a slash", func(m map[string]any) { m["issuer"] = s.URL + "/" }, "issuer"},
		{"no issuer", func(m map[string]any) { delete(m, "issuer") }, "issuer"},
		{"no token endpoint", func(m map[string]any) { delete(m, "token_endpoint") }, "token_endpoint is missing"},
		{"nothing", func(m map[string]any) { clearBut(m, "issuer") }, "authorization_endpoint is missing, token_endpoint is missing, jwks_uri is missing"},
		{"http", func(m map[string]any) { m["token_endpoint"] = "http://as.example/token" }, "token_endpoint is not an https URL"},
		{"http for the keys", func(m map[string]any) { m["jwks_uri"] = "http://169.254.169.254/latest" }, "jwks_uri is not an https URL"},
		{"relative", func(m map[string]any) { m["token_endpoint"] = "/token" }, "token_endpoint is not an absolute URL"},
		{"user info", func(m map[string]any) { m["token_endpoint"] = "https://a:b@as.example/token" }, "user info"},
		{"fragment", func(m map[string]any) { m["token_endpoint"] = "https://as.example/token#x" }, "fragment"},
		{"a scheme of its own", func(m map[string]any) { m["jwks_uri"] = "file:///etc/passwd" }, "jwks_uri"},
		{"bad alias", func(m map[string]any) {
			m["mtls_endpoint_aliases"] = map[string]any{"token_endpoint": "http://x.example"}
		}, "mtls_endpoint_aliases.token_endpoint"},
		{"a number for a string", func(m map[string]any) { m["token_endpoint"] = 1 }, "token_endpoint"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Edit = test.edit
			_, err := discovery.Fetch(t.Context(), nil, s.URL)
			var e *discovery.Error
			if !errors.As(err, &e) || e.Document != "metadata" || e.Temporary() || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func clearBut(m map[string]any, keep string) {
	for name := range m {
		if name != keep {
			delete(m, name)
		}
	}
}

func TestFetchAnswers(t *testing.T) {
	s := optest.New(t)
	const path = "/.well-known/openid-configuration"
	elsewhere := optest.New(t)
	for _, test := range []struct {
		name      string
		h         http.HandlerFunc
		temporary bool
	}{
		{"404", answer(404, "text/plain", "no"), false},
		{"503", answer(503, "text/plain", "later"), true},
		{"429", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Retry-After", "7"); w.WriteHeader(429) }, true},
		{"HTML", answer(200, "text/html", "<html>"), false},
		{"text", answer(200, "text/plain", "{}"), false},
		{"not JSON", answer(200, "application/json", "{"), false},
		{"twice", answer(200, "application/json", `{"issuer":"a","issuer":"b"}`), false},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+path, http.StatusFound)
		}, false},
		{"too large", answer(200, "application/json", strings.Repeat(" ", 1<<20)+"{}"), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Replace(path, test.h)
			_, err := discovery.Fetch(t.Context(), nil, s.URL)
			var e *discovery.Error
			if !errors.As(err, &e) || e.Temporary() != test.temporary {
				t.Fatalf("got %v", err)
			}
			if test.name == "429" && e.RetryAfter != 7*time.Second {
				t.Errorf("RetryAfter is %v", e.RetryAfter)
			}
		})
	}
	if n := elsewhere.Hits(path); n != 0 {
		t.Errorf("%d requests to another server", n)
	}
}

func TestIssuerRefused(t *testing.T) {
	for _, issuer := range []string{"", "as.example", "http://as.example", "https://as.example?x", "https://as.example?", "https://as.example#", "https://u:p@as.example", "https://", "file:///x"} {
		if _, err := discovery.Fetch(t.Context(), nil, issuer); err == nil {
			t.Errorf("%q was accepted", issuer)
		}
	}
}

// TestMetadataAddressAsIssuer: the address of the metadata in the place of the issuer is named.
func TestMetadataAddressAsIssuer(t *testing.T) {
	s := optest.New(t)
	for path, want := range map[string]string{
		"/.well-known/openid-configuration":       "expected the issuer: remove /.well-known/",
		"/.well-known/oauth-authorization-server": "expected the issuer: remove /.well-known/",
		"/other": "the server has no metadata at this address",
	} {
		if _, err := discovery.Fetch(t.Context(), nil, s.URL+path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: expected %q, received %v", path, want, err)
		}
	}
}

// TestRetry: a GET with a temporary error is sent again, at most twice.
func TestRetry(t *testing.T) {
	s := optest.New(t)
	const path = "/.well-known/openid-configuration"
	s.Replace(path, func(w http.ResponseWriter, _ *http.Request) {
		if s.Hits(path) == 2 {
			s.Replace(path, nil)
		}
		w.WriteHeader(502)
	})
	if _, err := discovery.Fetch(t.Context(), nil, s.URL); err != nil || s.Hits(path) != 3 {
		t.Errorf("%v after %d tries", err, s.Hits(path))
	}
	s.Replace(path, answer(502, "", ""))
	if _, err := discovery.Fetch(t.Context(), nil, s.URL); err == nil || s.Hits(path) != 6 {
		t.Errorf("%v after %d tries", err, s.Hits(path))
	}
}

// TestProviderMetadata: metadata is fetched once an hour, and used for a day while the server is
// down.
func TestProviderMetadata(t *testing.T) {
	s, p, c := provider(t)
	const path = "/.well-known/openid-configuration"
	get := func(good bool) {
		t.Helper()
		if m, err := p.Metadata(t.Context()); (err == nil) != good || (m != nil) != good {
			t.Fatalf("got %v, %v", m, err)
		}
	}
	get(true)
	c.pass(59 * time.Minute)
	get(true)
	if s.Hits(path) != 1 {
		t.Error("fetched again too early")
	}
	c.pass(2 * time.Minute)
	get(true)
	if s.Hits(path) != 2 {
		t.Error("not fetched again")
	}
	s.Replace(path, answer(500, "", ""))
	c.pass(20 * time.Hour)
	get(true)
	c.pass(4 * time.Hour)
	get(false)
}

func TestStaticMetadata(t *testing.T) {
	s := optest.New(t)
	p := &discovery.Provider{Issuer: s.URL, Static: &discovery.Metadata{Issuer: s.URL, JWKSURI: s.URL + "/jwks"}}
	verify(t, p.Keys(), token(s.Keys[0], 0), true)
	if s.Hits("/.well-known/openid-configuration") != 0 {
		t.Error("discovered all the same")
	}
	p = &discovery.Provider{Issuer: s.URL, Static: &discovery.Metadata{Issuer: "https://other.example"}}
	if _, err := p.Metadata(t.Context()); err == nil {
		t.Error("metadata of another issuer was accepted")
	}
}

func TestStaticKeys(t *testing.T) {
	k := optest.NewKey("k", "ES256")
	keys, err := discovery.StaticKeys(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	verify(t, keys, token(k, 0), true)
	verify(t, keys, token(optest.NewKey("k", "ES256"), 0), false)
	for _, bad := range []string{"", "null", "[]", "{}", `{"keys":[]}`, `{"keys":[{"kty":"oct","k":"AAAA"}]}`} {
		if _, err := discovery.StaticKeys([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", bad)
		}
	}
}

// One Provider for everything that needs the server. It fetches at the first use.
func ExampleProvider() {
	p := &discovery.Provider{Issuer: "https://as.example.com"}
	keys := p.Keys() // nothing is fetched before the first token
	_ = keys
	fmt.Println(p)
	// Output: [server https://as.example.com]
}

func TestStaticKeysError(t *testing.T) {
	_, err := discovery.StaticKeys([]byte(`{"keys":[` + strings.Repeat(`{"kty":"oct","k":"AAAA"},`, 99) + `{"kty":"oct"}]}`))
	if n := len(err.Error()); n > 1024 {
		t.Errorf("%d bytes, %d lines", n, strings.Count(err.Error(), "\n"))
	}
}

// TestPrivateURL: DiscoveryURL may be in a private network. The endpoints in the metadata may
// not. DISC-03.
func TestPrivateURL(t *testing.T) {
	const issuer = "https://as.example.invalid"
	s := optest.New(t) // on loopback
	s.Edit = func(m map[string]any) {
		m["issuer"] = issuer
		for _, name := range []string{"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"} {
			m[name] = issuer + "/" + name
		}
	}
	at := s.URL + "/.well-known/openid-configuration"
	if m, err := (&discovery.Provider{Issuer: issuer, URL: at}).Metadata(t.Context()); err != nil || m.Issuer != issuer {
		t.Errorf("%v, %v", m, err)
	}
	edit := s.Edit
	s.Edit = func(m map[string]any) { edit(m); m["jwks_uri"] = s.URL + "/jwks" }
	if m, err := (&discovery.Provider{Issuer: issuer, URL: at}).Metadata(t.Context()); err == nil {
		t.Errorf("a jwks_uri on loopback was taken: %v", m.JWKSURI)
	}
}
