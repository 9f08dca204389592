package discovery_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// publish lets s return body for the resource with that path.
func publish(s *optest.Server, path string, body map[string]any) {
	s.Replace("/.well-known/oauth-protected-resource"+path, func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 200, body) })
}

// TestFetchResource finds the metadata of every kind of resource identifier. RFC 9728 §3.1.
func TestFetchResource(t *testing.T) {
	s := optest.New(t)
	for identifier, path := range map[string]string{"": "", "/": "", "/mcp": "/mcp", "/v1/": "/v1/", "/a/b?c=d": "/a/b", "/x/../y": "/x/../y"} {
		resource := s.URL + identifier
		publish(s, path, map[string]any{"resource": resource, "authorization_servers": []string{s.URL}, "scopes_supported": []string{"a"}, "dpop_bound_access_tokens_required": true, "more": 1})
		r, err := discovery.FetchResource(t.Context(), nil, resource)
		if err != nil || r.Resource != resource || !slices.Equal(r.AuthorizationServers, []string{s.URL}) || !r.DPoPBoundAccessTokensRequired {
			t.Errorf("%q: %+v, %v", identifier, r, err)
		}
	}
}

// TestFetchResourceRefused: RS-16.
func TestFetchResourceRefused(t *testing.T) {
	s := optest.New(t)
	resource := s.URL + "/mcp"
	const path = "/.well-known/oauth-protected-resource/mcp"
	for _, test := range []struct {
		name        string
		status      int
		contentType string
		body        string
		temporary   bool
	}{
		{"another resource", 200, "application/json", `{"resource":"https://evil.example"}`, false},
		{"the resource with a slash", 200, "application/json", `{"resource":"` + resource + `/"}`, false},
		{"the resource's origin", 200, "application/json", `{"resource":"` + s.URL + `"}`, false},
		{"no resource", 200, "application/json", `{"authorization_servers":["` + s.URL + `"]}`, false},
		{"Resource", 200, "application/json", `{"Resource":"` + resource + `"}`, false},
		{"servers that are no list", 200, "application/json", `{"resource":"` + resource + `","authorization_servers":"x"}`, false},
		{"resource twice", 200, "application/json", `{"resource":"` + resource + `","resource":"` + resource + `"}`, false},
		{"not JSON", 200, "text/html", `{"resource":"` + resource + `"}`, false},
		{"too large", 200, "application/json", `{"resource":"` + resource + `","x":"` + strings.Repeat("x", 1<<20) + `"}`, false},
		{"not there", 404, "application/json", `{}`, false},
		{"a redirect", 302, "application/json", ``, false},
		{"later", 503, "application/json", ``, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.Replace(path, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				w.Header().Set("Location", s.URL+"/elsewhere")
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(test.status)
				w.Write([]byte(test.body))
			})
			for _, fetch := range []func() (*discovery.Resource, error){
				func() (*discovery.Resource, error) { return discovery.FetchResource(t.Context(), nil, resource) },
				func() (*discovery.Resource, error) {
					return discovery.FetchChallenged(t.Context(), nil, s.URL+path, resource)
				},
			} {
				r, err := fetch()
				var e *discovery.Error
				if r != nil || !errors.As(err, &e) || e.Document != "resource metadata" || e.Temporary() != test.temporary || e.Status != test.status {
					t.Errorf("got %+v, %v", r, err)
				}
			}
		})
	}
	if s.Hits("/elsewhere") != 0 {
		t.Error("a redirect was followed")
	}
	for _, resource := range []string{"", "api", "http://api.example", "https://u@api.example", "https://api.example/#x", "urn:x"} {
		if _, err := discovery.FetchResource(t.Context(), nil, resource); err == nil {
			t.Errorf("%q was asked", resource)
		}
	}
}

// TestFetchChallenged: the metadata address in a challenge must have the API's origin. RS-16, RFC
// 9728 §7.7.
func TestFetchChallenged(t *testing.T) {
	s, evil := optest.New(t), optest.New(t)
	used := s.URL + "/mcp"
	for _, at := range []*optest.Server{s, evil} {
		at.Replace("/meta", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 200, map[string]any{"resource": used}) })
	}
	if r, err := discovery.FetchChallenged(t.Context(), nil, s.URL+"/meta", used); err != nil || r.Resource != used {
		t.Errorf("%+v, %v", r, err)
	}
	for _, address := range []string{
		evil.URL + "/meta", "", "/meta", "http://169.254.169.254/latest", "https://" + strings.TrimPrefix(s.URL, "http://") + "/meta",
		strings.Replace(s.URL, "127.0.0.1", "localhost", 1) + "/meta", strings.Replace(s.URL, "//", "//u@", 1) + "/meta", s.URL + "/meta#x",
	} {
		if _, err := discovery.FetchChallenged(t.Context(), nil, address, used); err == nil {
			t.Errorf("%q was asked", address)
		}
	}
	if evil.Hits("/meta") != 0 {
		t.Error("another origin was asked")
	}
	if _, err := discovery.FetchChallenged(t.Context(), nil, s.URL+"/meta", s.URL+"/mcp/tools"); err == nil {
		t.Error("metadata of another resource was taken")
	}
}

func all(string) bool { return true }

// TestResourceServer selects a server, and finds its metadata at each possible address.
func TestResourceServer(t *testing.T) {
	oauth, oidc := "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	for _, test := range []struct {
		name, path string
		missing    []string // places
		html       []string
		url        string // of the document that is found; "" means openid-configuration
		ok         bool
	}{
		{name: "OAuth", url: oauth, ok: true},
		{name: "OpenID Connect", missing: []string{oauth}, ok: true},
		{name: "OpenID Connect, a page for everything else", html: []string{oauth}, ok: true},
		{name: "with a path", path: "/t", url: oauth + "/t", ok: true},
		{name: "with a path, inserted", path: "/t", missing: []string{oauth + "/t"}, url: oidc + "/t", ok: true},
		{name: "with a path, appended", path: "/t", missing: []string{oauth + "/t", oidc + "/t"}, ok: true},
		{name: "nowhere", missing: []string{oauth, oidc}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			issuer := s.URL + test.path
			for _, place := range []string{oauth + test.path, oidc + test.path, test.path + oidc} {
				s.Replace(place, func(w http.ResponseWriter, r *http.Request) {
					switch {
					case slices.Contains(test.missing, place):
						w.WriteHeader(404)
					case slices.Contains(test.html, place):
						w.Header().Set("Content-Type", "text/html")
					default:
						optest.JSON(w, 200, map[string]any{
							"issuer": issuer, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/jwks",
						})
					}
				})
			}
			resource := &discovery.Resource{Resource: s.URL + "/mcp", AuthorizationServers: []string{issuer, "https://evil.example"}}
			p, err := resource.Server(t.Context(), nil, all)
			if (err == nil) != test.ok {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			want := s.URL + test.url
			if test.url == "" {
				want = ""
			}
			if p.Issuer != issuer || p.URL != want || p.HTTP == nil {
				t.Errorf("issuer %s at %q", p.Issuer, p.URL)
			}
		})
	}
}

// TestResourceServerWithoutKeys: a server that issues only access tokens has no keys.
func TestResourceServerWithoutKeys(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { delete(m, "jwks_uri") }
	resource := &discovery.Resource{Resource: s.URL, AuthorizationServers: []string{s.URL}}
	p, err := resource.Server(t.Context(), nil, all)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Keys().VerifySignature(t.Context(), s.AccessToken(nil, nil)); err == nil {
		t.Error("a signature was verified without keys")
	}
}

// TestResourceServerRefused: the application decides which servers it trusts.
func TestResourceServerRefused(t *testing.T) {
	s := optest.New(t)
	resource := &discovery.Resource{Resource: s.URL + "/mcp", AuthorizationServers: []string{"https://evil.example", s.URL}}
	p, err := resource.Server(t.Context(), nil, func(issuer string) bool { return issuer == s.URL })
	if err != nil || p.Issuer != s.URL {
		t.Errorf("%v, %v", p, err)
	}
	for _, accept := range []func(string) bool{nil, func(string) bool { return false }} {
		if _, err := resource.Server(t.Context(), nil, accept); err == nil {
			t.Error("a server was taken")
		}
	}
	for _, bad := range []string{"", "http://as.example", "https://as.example?x", "file:///etc/passwd"} {
		r := &discovery.Resource{Resource: s.URL, AuthorizationServers: []string{bad}}
		if _, err := r.Server(t.Context(), nil, all); err == nil {
			t.Errorf("%q was asked", bad)
		}
	}
	if _, err := (&discovery.Resource{Resource: s.URL}).Server(t.Context(), nil, all); err == nil {
		t.Error("a server that nobody named")
	}
	s.Edit = func(m map[string]any) { m["issuer"] = "https://evil.example" }
	if _, err := resource.Server(t.Context(), nil, func(issuer string) bool { return issuer == s.URL }); err == nil {
		t.Error("another server's metadata was taken")
	}
}

// TestResourceServerElsewhere: a public resource cannot cause requests to a private address,
// under any name. DISC-03, RFC 9728 §7.7.
func TestResourceServerElsewhere(t *testing.T) {
	s := optest.New(t)
	for _, issuer := range []string{s.URL, strings.Replace(s.URL, "127.0.0.1", "localhost", 1)} {
		resource := &discovery.Resource{Resource: "https://api.example/mcp", AuthorizationServers: []string{issuer}}
		_, err := resource.Server(t.Context(), nil, all)
		if err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	if s.Hits("/.well-known/oauth-authorization-server")+s.Hits("/.well-known/openid-configuration") != 0 {
		t.Error("it was asked")
	}
	resource := &discovery.Resource{Resource: "https://api.example/mcp", AuthorizationServers: []string{s.URL}}
	if _, err := resource.Server(t.Context(), &http.Client{Transport: http.DefaultTransport}, all); err != nil {
		t.Errorf("the caller's own transport has the caller's own policy: %v", err)
	}
}

// FuzzResource: accepted metadata is about the requested resource.
func FuzzResource(f *testing.F) {
	s := optest.New(f)
	resource := s.URL + "/mcp"
	for _, seed := range []string{`{"resource":"R"}`, `{"resource":"R","authorization_servers":["https://as.example"],"scopes_supported":["a"]}`, `{"resource":"R/"}`, `{"resource":null}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		body = []byte(strings.ReplaceAll(string(body), "R", resource))
		s.Replace("/.well-known/oauth-protected-resource/mcp", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(body)
		})
		r, err := discovery.FetchResource(t.Context(), nil, resource)
		if err != nil {
			return
		}
		var all map[string]any
		if json.Unmarshal(body, &all) != nil || all["resource"] != resource || r.Resource != resource {
			t.Errorf("%q is about %q", body, r.Resource)
		}
	})
}
