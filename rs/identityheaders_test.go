package rs_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestForwardIdentity: the next server's headers about the user are only those of the token,
// whatever the client sends. RS-18.
func TestForwardIdentity(t *testing.T) {
	s := optest.New(t)
	var got http.Header
	behind := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header }))
	defer behind.Close()
	target, _ := url.Parse(behind.URL)
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		fields := map[string]string{"X-Auth-User": "", "X-Auth-Client": ""}
		if who, ok := rs.FromContext(p.In.Context()); ok {
			fields = map[string]string{"X-Auth-User": who.Subject, "X-Auth-Client": who.ClientID}
		}
		rs.ForwardIdentity(p.Out.Header, fields)
	}}
	api := quiet(jwtVerifier(s))
	api.Optional = true
	front := httptest.NewServer(api.Handler(proxy))
	defer front.Close()
	for _, name := range []string{"X-Auth-User", "x-auth-user", "X_Auth_User", "X-Auth_User", "x_AUTH-user", "X_AUTH_CLIENT"} {
		for _, token := range []string{"", s.AccessToken(nil, nil)} {
			r, _ := http.NewRequestWithContext(t.Context(), "GET", front.URL, nil)
			r.Header = http.Header{name: {"mallory", "eve"}, "X-Auth-Other": {"x"}}
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			for sent, values := range got {
				if len(values) != 1 || values[0] == "mallory" || values[0] == "eve" {
					t.Errorf("%s: %s: %q", name, sent, values)
				}
			}
			user, client := got.Get("X-Auth-User"), got.Get("X-Auth-Client")
			if token == "" && user+client != "" || token != "" && (user != "alice" || client != "rp") || got.Get("X-Auth-Other") != "x" {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
}

// TestPathsChangeNothing: only a token opens a protected handler, whatever else a request
// contains. RS-19.
func TestPathsChangeNothing(t *testing.T) {
	s := optest.New(t)
	good := s.AccessToken(nil, nil)
	for _, target := range []string{
		"/", "/health", "/healthz", "/public/../photos", "/photos/..%2fhealth", "/photos%2f..%2fhealth", "/%2e%2e/health", "//health", "/photos;/health", "/photos/.css",
		"/photos?health", "/photos?/health", "/photos?path=/public", "/.well-known/oauth-protected-resource", "http://127.0.0.1/photos", "/photos%00/health", "*",
	} {
		for name, header := range map[string]http.Header{
			"plain": {}, "another path": {"X-Forwarded-Uri": {"/health"}, "X-Original-Url": {"/health"}, "X-Rewrite-Url": {"/health"}, "X-Forwarded-Prefix": {"/public"}},
			"a probe": {"User-Agent": {"kube-probe/1.33", "GoogleHC/1.0"}}, "another method": {"X-Http-Method-Override": {"OPTIONS"}}, "from here": {"X-Forwarded-For": {"127.0.0.1"}, "Host": {"localhost"}},
		} {
			for _, method := range []string{"GET", "OPTIONS", "HEAD", "POST", "TRACE"} {
				reached := false
				h := quiet(jwtVerifier(s)).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
				r := httptest.NewRequest(method, target, nil)
				r.Header = header.Clone()
				w := httptest.NewRecorder()
				if h.ServeHTTP(w, r); w.Code != 401 || reached {
					t.Errorf("%s %s, %s: %d", method, target, name, w.Code)
				}
				r.Header.Set("Authorization", "Bearer "+good)
				if h.ServeHTTP(httptest.NewRecorder(), r); !reached {
					t.Errorf("%s %s, %s: refused with a token", method, target, name)
				}
			}
		}
	}
}
