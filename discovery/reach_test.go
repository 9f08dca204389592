package discovery_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestUnknownKeyAtColdStart: if a token with an unknown kid caused the first fetch, it does not
// cause a second one. JWKS-05.
func TestUnknownKeyAtColdStart(t *testing.T) {
	bogus := token(optest.NewKey("bogus", "ES256"), 0)
	for name, keys := range map[string]func(s *optest.Server) discovery.KeySet{
		"Provider.Keys": func(s *optest.Server) discovery.KeySet { return (&discovery.Provider{Issuer: s.URL}).Keys() },
		"KeysAt":        func(s *optest.Server) discovery.KeySet { return discovery.KeysAt(s.URL+"/jwks", nil) },
		"JoinKeys": func(s *optest.Server) discovery.KeySet {
			return discovery.JoinKeys(discovery.KeysAt(s.URL+"/jwks", nil))
		},
	} {
		s := optest.New(t)
		set := keys(s)
		verify(t, set, bogus, false)
		if got := s.Hits("/jwks"); got != 1 {
			t.Errorf("%s: %d fetches", name, got)
		}
		next := optest.NewKey("k2", "ES256") // a key that is rotated in later is still found
		s.Rotate(next)
		verify(t, set, token(next, 0), true)
	}
}

// TestUnknownKeysAtColdStart: TestUnknownKeyAtColdStart for many tokens at once.
func TestUnknownKeysAtColdStart(t *testing.T) {
	s, p, _ := provider(t)
	s.Wrap = func(path string, h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if path == "/jwks" {
				time.Sleep(50 * time.Millisecond)
			}
			h(w, r)
		}
	}
	bogus := token(optest.NewKey("bogus", "ES256"), 0)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { verify(t, p.Keys(), bogus, false) })
	}
	all.Wait()
	if got := s.Hits("/jwks"); got != 1 {
		t.Errorf("%d fetches", got)
	}
}

// TestEmptyKeySet: an empty key set withdraws the previous keys, is logged, and is fetched again
// after a minute. RFC 7517 §5, JWKS-01, JWKS-06.
func TestEmptyKeySet(t *testing.T) {
	for name, body := range map[string]string{"empty": `{"keys":[]}`, "no usable key": `{"keys":[{"kty":"AKP","kid":"k1"}]}`} {
		s, p, c := provider(t)
		var log bytes.Buffer
		p.Logger = slog.New(slog.NewTextHandler(&log, nil))
		good := token(s.Keys[0], 0)
		verify(t, p.Keys(), good, true)
		s.Replace("/jwks", document("application/json", body))
		c.pass(11 * time.Minute)
		verify(t, p.Keys(), good, false)
		if !strings.Contains(log.String(), "no usable key") {
			t.Errorf("%s: the log has %s", name, &log)
		}
		s.Replace("/jwks", nil)
		c.pass(61 * time.Second)
		verify(t, p.Keys(), good, true)
	}
	for _, body := range []string{``, `null`, `[]`, `{}`, `{"keys":null}`, `{"keys":{}}`, `{"keys":[]}x`, `<html>`} {
		s, p, c := provider(t)
		good := token(s.Keys[0], 0)
		verify(t, p.Keys(), good, true)
		s.Replace("/jwks", document("application/json", body))
		c.pass(11 * time.Minute)
		if _, err := p.Keys().VerifySignature(t.Context(), good); err != nil {
			t.Errorf("%q, which is no JWK Set, replaces a good one: %v", body, err)
		}
	}
}

// document answers with body. An empty media type sends no Content-Type.
func document(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.Write([]byte(body))
	}
}

// TestBucket: documents without a useful Content-Type are read. Those of another type are
// rejected, and the error contains the type. DISC-04.
func TestBucket(t *testing.T) {
	for contentType, ok := range map[string]bool{
		"": true, "application/octet-stream": true, "Application/Octet-Stream": true, "application/json; charset=utf-8": true,
		"application/jwk-set+json": true, "binary/octet-stream": false, "text/html": false, "text/html; charset=utf-8": false, "text/plain": false, ";": false,
	} {
		s, p, _ := provider(t)
		for _, path := range []string{"/.well-known/openid-configuration", "/jwks"} {
			body := fetched(t, s.URL+path)
			s.Replace(path, document(contentType, body))
		}
		_, err := p.Keys().VerifySignature(t.Context(), token(s.Keys[0], 0))
		if (err == nil) != ok {
			t.Errorf("%q: %v", contentType, err)
		}
		if err != nil && !strings.Contains(err.Error(), contentType) {
			t.Errorf("the error does not say that the type is %q: %v", contentType, err)
		}
		s.Replace("/.well-known/openid-configuration", nil)
		if _, err := (&discovery.Provider{Issuer: s.URL}).Keys().VerifySignature(t.Context(), token(s.Keys[0], 0)); (err == nil) != ok {
			t.Errorf("%q of the key set: %v", contentType, err)
		}
	}
}

func fetched(t *testing.T, u string) string {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var b bytes.Buffer
	b.ReadFrom(resp.Body)
	return b.String()
}

// resourceAt is an API with metadata at one path.
func resourceAt(t *testing.T, path string, resource func(base string) string) string {
	var base string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		optest.JSON(w, 200, map[string]any{"resource": resource(base), "authorization_servers": []string{base}})
	}))
	t.Cleanup(s.Close)
	base = s.URL
	return base
}

// TestResourceAtRoot: the second address of an API's metadata. RS-16.
func TestResourceAtRoot(t *testing.T) {
	const root = "/.well-known/oauth-protected-resource"
	for name, test := range map[string]struct {
		path, resource string
		ok             bool
	}{
		"at the path":                 {root + "/mcp", "/mcp", true},
		"at the root":                 {root, "/mcp", true},
		"at the root, of another":     {root, "/other", false},
		"at the root, of the origin":  {root, "", false},
		"at the path, of another one": {root + "/mcp", "/other", false},
		"nowhere":                     {"/x", "/mcp", false},
	} {
		base := resourceAt(t, test.path, func(base string) string { return base + test.resource })
		r, err := discovery.FetchResource(t.Context(), nil, base+"/mcp")
		if (err == nil) != test.ok || err == nil && r.Resource != base+"/mcp" {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		var e *discovery.Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %T", name, err)
		}
	}
	var asked []string
	down := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Path)
		w.WriteHeader(429)
	}))
	defer down.Close()
	if _, err := discovery.FetchResource(t.Context(), nil, down.URL+"/mcp"); err == nil || len(asked) != 1 {
		t.Errorf("while the API is down it is asked for %q: %v", asked, err)
	}
}

// TestOriginWithSlash: an origin with and without a final slash is the same resource. Everything
// else is compared by character. RFC 3986 §6.2.3, RS-16.
func TestOriginWithSlash(t *testing.T) {
	const at = "/.well-known/oauth-protected-resource"
	for _, pair := range []struct {
		used, named string
		ok          bool
	}{
		{"", "/", true}, {"/", "", true}, {"", "", true}, {"/", "/", true},
		{"/mcp", "/mcp/", false}, {"/mcp/", "/mcp", false}, {"", "//", false}, {"", "/?", false}, {"", "/mcp", false}, {"?x", "/?x", false},
	} {
		base := resourceAt(t, at, func(base string) string { return base + pair.named })
		_, err := discovery.FetchChallenged(t.Context(), nil, base+at, base+pair.used)
		if (err == nil) != pair.ok {
			t.Errorf("used %q, named %q: %v", pair.used, pair.named, err)
		}
	}
	base := resourceAt(t, at, func(base string) string { return base + "/" })
	if r, err := discovery.FetchResource(t.Context(), nil, base); err != nil || r.Resource != base+"/" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestFailureIsLoggedOnce: a failure that the caller gets as an error is logged as DEBUG. A
// failure that a cached document hides is logged once, as WARN. LOG-02.
func TestFailureIsLoggedOnce(t *testing.T) {
	s, p, c := provider(t)
	var log bytes.Buffer
	p.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Replace("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	verify(t, p.Keys(), token(s.Keys[0], 0), false)
	if got := levels(t, &log); got != "DEBUG" {
		t.Errorf("levels %s", got)
	}
	s.Replace("/.well-known/openid-configuration", nil)
	p = &discovery.Provider{Issuer: s.URL, Now: c.now, Logger: p.Logger}
	verify(t, p.Keys(), token(s.Keys[0], 0), true)
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	c.pass(11 * time.Minute)
	verify(t, p.Keys(), token(s.Keys[0], 0), true)
	verify(t, p.Keys(), token(s.Keys[0], 0), true)
	if got := levels(t, &log); got != "WARN" {
		t.Errorf("levels %s", got)
	}
}

// TestFallbackIsNotWarned: no warning if the metadata is at its second address.
func TestFallbackIsNotWarned(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
	defer slog.SetDefault(before)
	s := optest.New(t)
	s.Replace("/.well-known/oauth-authorization-server", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) })
	resource := &discovery.Resource{Resource: s.URL + "/mcp", AuthorizationServers: []string{s.URL}}
	if _, err := resource.Server(t.Context(), nil, all); err != nil || log.Len() > 0 {
		t.Errorf("%v, and the log has %s", err, &log)
	}
}

// levels returns the levels of the log's lines, and empties the log.
func levels(t *testing.T, log *bytes.Buffer) string {
	t.Helper()
	var out []string
	for d := json.NewDecoder(log); d.More(); {
		var line struct{ Level string }
		if err := d.Decode(&line); err != nil {
			t.Fatal(err)
		}
		out = append(out, line.Level)
	}
	return strings.Join(out, " ")
}

// TestOddKeysText: the reasons in one line have separators between them only. LOG-02.
func TestOddKeysText(t *testing.T) {
	s, p, c := provider(t)
	var log bytes.Buffer
	p.Logger = slog.New(slog.NewTextHandler(&log, nil))
	odd := strings.Replace(fetched(t, s.URL+"/jwks"), `{"keys":[`, `{"keys":[{"kty":"AKP","kid":"a"},{"kty":"OKP","crv":"X448","kid":"b","x":"AA"},`, 1)
	s.Replace("/jwks", document("application/json", odd))
	for range 3 {
		verify(t, p.Keys(), token(s.Keys[0], 0), true)
		c.pass(11 * time.Minute)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || strings.Contains(text, `; "`) || strings.Count(text, "; ") != 1 {
		t.Errorf("the log has %s", text)
	}
}

// TestUntrustedIssuer: no request for an untrusted issuer reaches a private address, not even its
// own host. DISC-03.
func TestUntrustedIssuer(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		p  *discovery.Provider
		ok bool
	}{
		{&discovery.Provider{Issuer: s.URL}, true},
		{&discovery.Provider{Issuer: s.URL, UntrustedIssuer: true}, false},
		{&discovery.Provider{Issuer: s.URL, URL: s.URL + "/.well-known/openid-configuration", UntrustedIssuer: true}, false},
		{&discovery.Provider{Issuer: s.URL, UntrustedIssuer: true, HTTP: client(&discovery.Dialer{})}, false},
		{&discovery.Provider{Issuer: s.URL, HTTP: client(&discovery.Dialer{})}, true},
		{&discovery.Provider{Issuer: s.URL, UntrustedIssuer: true, HTTP: client(&discovery.Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})}, true},
	} {
		before := s.Hits("/.well-known/openid-configuration")
		_, err := test.p.Metadata(t.Context())
		if (err == nil) != test.ok || !test.ok && (s.Hits("/.well-known/openid-configuration") != before || !strings.Contains(err.Error(), "discovery.Dialer")) {
			t.Errorf("%+v: %v", test.p.UntrustedIssuer, err)
		}
	}
}

func client(d *discovery.Dialer) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: d.DialContext}}
}

// TestInsecureHTTP: http to a host that is not loopback needs InsecureHTTP.
func TestInsecureHTTP(t *testing.T) {
	for _, insecure := range []bool{false, true} {
		p := &discovery.Provider{Issuer: "http://keycloak:8080/realms/main", InsecureHTTP: insecure, Static: &discovery.Metadata{
			Issuer: "http://keycloak:8080/realms/main", TokenEndpoint: "http://keycloak:8080/t", AuthorizationEndpoint: "http://localhost:8080/a", JWKSURI: "http://keycloak:8080/k",
		}}
		if _, err := p.Metadata(t.Context()); (err == nil) != insecure || err != nil && !strings.Contains(err.Error(), "InsecureHTTP") {
			t.Errorf("%t: %v", insecure, err)
		}
	}
}
