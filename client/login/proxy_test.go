package login_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// spa is an application with pages that call an API through a proxy.
type spa struct {
	*app
	api *httptest.Server
}

func startSPA(t *testing.T, set setting, allow []string, api http.HandlerFunc) *spa {
	t.Helper()
	s := &spa{api: httptest.NewServer(api)}
	t.Cleanup(s.api.Close)
	s.app = start(t, set.and(func(c *login.Config) { c.KeepTokens, c.Claims = true, []string{"name"} }))
	proxy, err := s.login.Proxy(login.Proxy{Target: s.api.URL + "/v1", Prefix: "/api", Allow: allow})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", proxy)
	mux.Handle("/session", s.login.Session())
	mux.Handle("/", s.Config.Handler)
	s.Config.Handler = mux
	return s
}

// info reads the session endpoint.
func (b *browser) info(a *app) (got map[string]any) {
	b.t.Helper()
	p := b.get(a.URL + "/session")
	if p.status != 200 || p.header.Get("Content-Type") != "application/json" || p.header.Get("Cache-Control") != "no-store" || json.Unmarshal([]byte(p.body), &got) != nil {
		b.t.Fatalf("session: %d %s", p.status, p.body)
	}
	return got
}

// fetch is a script's request with the CSRF token.
func (b *browser) fetch(s *spa, method, path, body string, header map[string]string) page {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Mode", "cors")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("X-CSRF-Token", fmt.Sprint(b.info(s.app)["csrf_token"]))
	for name, value := range header {
		r.Header.Del(name)
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return b.still().do(r)
}

// TestSession: the response is JSON about the user, and contains no token. SPA-01.
func TestSession(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		s := startSPA(t, set, []string{"GET /x"}, func(http.ResponseWriter, *http.Request) {})
		s.as.EditID = func(m map[string]any) { m["name"], m["email"] = "Alice", "not configured" }
		b := s.browser(t)
		if got := b.info(s.app); len(got) != 1 || got["signed_in"] != false {
			t.Errorf("before the sign-in: %v", got)
		}
		b.signIn(s.app)
		got := b.info(s.app)
		claims, _ := got["claims"].(map[string]any)
		if got["signed_in"] != true || got["sub"] != "alice" || got["iss"] != s.as.URL || len(claims) != 1 || claims["name"] != "Alice" {
			t.Errorf("%v", got)
		}
		now := float64(s.clock.now().Unix())
		if idle := got["idle_at"].(float64) - now; idle < 3590 || idle > 3600 {
			t.Errorf("idle_at is in %v s", idle)
		}
		if end := got["expires_at"].(float64) - now; end < 43190 || end > 43200 {
			t.Errorf("expires_at is in %v s", end)
		}
		raw := b.get(s.URL + "/session")
		access := b.get(s.URL + "/token").body
		if strings.Contains(raw.body, access) || strings.Contains(raw.body, "eyJ") || raw.header.Get("Access-Control-Allow-Origin") != "" {
			t.Error("the answer holds a token, or is for other origins")
		}
		s.clock.turn(40 * time.Minute)
		b.info(s.app)
		s.clock.turn(30 * time.Minute)
		if got := b.info(s.app); got["signed_in"] != false {
			t.Error("asking extends the session")
		}
		b.want(b.post(s.URL+"/session", url.Values{}), 405, "")
	})
}

// TestProxyForwards: the API gets the visitor's token and the request. The page gets the response
// without the removed headers. SPA-02.
func TestProxyForwards(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		var got *http.Request
		var body string
		s := startSPA(t, set, []string{"POST /photos", "GET /photos/{id}"}, func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			got, body = r, string(raw)
			h := w.Header()
			h.Set("Set-Cookie", "api=1")
			h.Set("Clear-Site-Data", `"*"`)
			h.Set("Access-Control-Allow-Origin", "*")
			h.Set("Cache-Control", "public, max-age=60")
			h.Set("X-Answer", "yes")
			h.Set("Connection", "X-Hop")
			h.Set("X-Hop", "1")
			w.WriteHeader(201)
			io.WriteString(w, "answer")
		})
		b := s.browser(t)
		b.signIn(s.app)
		access := b.get(s.URL + "/token").body
		p := b.fetch(s, "POST", "/api/photos?a=1&b=%20x;y", "hello", map[string]string{
			"Authorization": "Bearer evil", "Connection": "X-Mine", "X-Mine": "1", "X-Forwarded-User": "root", "Origin": s.URL, "Referer": s.URL, "X-Kept": "1",
		})
		if p.status != 201 || p.body != "answer" || p.header.Get("X-Answer") != "yes" {
			t.Fatalf("%d %s", p.status, p.body)
		}
		if got.URL.Path != "/v1/photos" || got.URL.RawQuery != "a=1&b=%20x;y" || body != "hello" || !slices.Equal(got.Header["Authorization"], []string{"Bearer " + access}) {
			t.Errorf("the API got %s?%s %q, its token %v", got.URL.Path, got.URL.RawQuery, body, got.Header["Authorization"] != nil)
		}
		for _, name := range []string{"Cookie", "X-Csrf-Token", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "X-Forwarded-User", "X-Mine", "Connection", "X-Forwarded-For"} {
			if got.Header.Get(name) != "" {
				t.Errorf("the API got %s: %s", name, got.Header.Get(name))
			}
		}
		if got.Header.Get("X-Kept") != "1" {
			t.Error("the API did not get X-Kept")
		}
		for _, name := range []string{"Set-Cookie", "Clear-Site-Data", "Access-Control-Allow-Origin", "X-Hop"} {
			if p.header.Get(name) != "" {
				t.Errorf("the page got %s: %s", name, p.header.Get(name))
			}
		}
		if !slices.Equal(p.header["Cache-Control"], []string{"no-store"}) || !strings.Contains(p.header.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("the page got %v", p.header)
		}
		if p := b.fetch(s, "GET", "/api/photos/7", "", nil); p.status != 201 || got.URL.Path != "/v1/photos/7" {
			t.Errorf("%d, the API got %s", p.status, got.URL.Path)
		}
	})
}

// TestProxyInstructions: an API can neither make the server in front send a file nor make a cache
// store the response.
func TestProxyInstructions(t *testing.T) {
	names := []string{
		"X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Buffering", "X-Sendfile", "X-Lighttpd-Send-File", "X-LiteSpeed-Location", "X-Reproxy-URL",
		"Surrogate-Control", "Surrogate-Key", "CDN-Cache-Control", "Cloudflare-CDN-Cache-Control", "Edge-Control", "Age", "Expires",
	}
	s := startSPA(t, setting{}, []string{"GET /photos/{id}"}, func(w http.ResponseWriter, _ *http.Request) {
		for _, name := range names {
			w.Header().Set(name, "/secret")
		}
	})
	b := s.browser(t)
	b.signIn(s.app)
	p := b.fetch(s, "GET", "/api/photos/7", "", nil)
	if p.status != 200 {
		t.Fatal(p.status, p.body)
	}
	for _, name := range names {
		if got := p.header.Get(name); got != "" {
			t.Errorf("%s: %s passed", name, got)
		}
	}
}

// TestProxyRejects: SPA-03. The API gets none of these requests.
func TestProxyRejects(t *testing.T) {
	called := atomic.Int32{}
	s := startSPA(t, setting{}, []string{"GET /photos/{id}", "POST /photos"}, func(http.ResponseWriter, *http.Request) { called.Add(1) })
	b := s.browser(t)
	b.signIn(s.app)
	stranger := s.browser(t)
	other := s.browser(t)
	other.signIn(s.app)
	foreign := fmt.Sprint(other.info(s.app)["csrf_token"])
	for _, test := range []struct {
		name, method, path string
		header             map[string]string
		status             int
		text               string
	}{
		{"a method that is not allowed", "DELETE", "/api/photos/7", nil, 404, "not_allowed"},
		{"a path that is not allowed", "GET", "/api/users", nil, 404, "not_allowed"},
		{"a longer path", "GET", "/api/photos/7/secret", nil, 404, "not_allowed"},
		{"an encoded slash", "GET", "/api/photos/7%2f..%2f..%2fadmin", nil, 404, "not_allowed"},
		{"an encoded dot", "GET", "/api/photos/%2e%2e", nil, 404, "not_allowed"},
		{"an encoded percent sign", "GET", "/api/photos/%252e", nil, 404, "not_allowed"},
		{"a backslash", "GET", "/api/photos/%5c", nil, 404, "not_allowed"},
		{"a path parameter", "GET", "/api/photos/7;admin", nil, 404, "not_allowed"},
		{"no CSRF token", "POST", "/api/photos", map[string]string{"X-CSRF-Token": ""}, 403, "cross_origin"},
		{"another session's CSRF token", "POST", "/api/photos", map[string]string{"X-CSRF-Token": foreign}, 403, "cross_origin"},
		{"another session's CSRF token, safe method", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": foreign}, 403, "cross_origin"},
		{"another site", "POST", "/api/photos", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, "cross_origin"},
		{"a subdomain", "POST", "/api/photos", map[string]string{"Sec-Fetch-Site": "same-site"}, 403, "cross_origin"},
		{"another origin", "POST", "/api/photos", map[string]string{"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, 403, "cross_origin"},
		{"another site's image", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": "", "Sec-Fetch-Site": "cross-site"}, 403, "cross_origin"},
		{"a typed address", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": "", "Sec-Fetch-Site": "none"}, 403, "cross_origin"},
		{"an old browser without the token", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": "", "Sec-Fetch-Site": ""}, 403, "cross_origin"},
		{"another site's WebSocket", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": "", "Sec-Fetch-Site": "", "Origin": "https://evil.example", "Upgrade": "websocket", "Connection": "Upgrade"}, 403, "cross_origin"},
		{"a WebSocket of nowhere", "GET", "/api/photos/7", map[string]string{"X-CSRF-Token": "", "Sec-Fetch-Site": "", "Upgrade": "websocket", "Connection": "Upgrade"}, 403, "cross_origin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b.t = t
			b.want(b.fetch(s, test.method, test.path, "", test.header), test.status, test.text)
		})
	}
	stranger.want(stranger.fetch(s, "GET", "/api/photos/7", "", nil), 401, "login_required")
	if called.Load() != 0 {
		t.Errorf("the API was called %d times", called.Load())
	}
	b.t = t
	b.want(b.fetch(s, "GET", "/api/photos/7", "", map[string]string{"X-CSRF-Token": ""}), 200, "") // an image of this page
	b.want(b.fetch(s, "POST", "/api/photos", "", nil), 200, "")
}

// TestProxyRedirect: a redirect within the API is changed to the proxy's path.
func TestProxyRedirect(t *testing.T) {
	to := ""
	s := startSPA(t, setting{}, []string{"GET /old"}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(302)
	})
	b := s.browser(t)
	b.signIn(s.app)
	for location, want := range map[string]string{"/v1/new?x=1": "/api/new?x=1", s.api.URL + "/v1/new": "/api/new", "https://other.example/": "https://other.example/", "/elsewhere": "/elsewhere"} {
		to = location
		if p := b.fetch(s, "GET", "/api/old", "", nil); p.status != 302 || p.header.Get("Location") != want {
			t.Errorf("%s: %d to %s, want %s", location, p.status, p.header.Get("Location"), want)
		}
	}
}

// TestProxyDown: an API that does not answer causes 502 without the reason.
func TestProxyDown(t *testing.T) {
	s := startSPA(t, setting{}, []string{"GET /x"}, func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := http.NewResponseController(w).Hijack()
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	b := s.browser(t)
	b.signIn(s.app)
	if p := b.fetch(s, "GET", "/api/x", "", nil); p.status != 502 || p.body != `{"error":"bad_gateway"}` {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// TestProxyConfig: the error contains the missing or wrong setting.
func TestProxyConfig(t *testing.T) {
	a := start(t, setting{config: keepTokens})
	good := login.Proxy{Target: "https://api.example/v1", Prefix: "/api", Allow: []string{"GET /x"}}
	if _, err := a.login.Proxy(good); err != nil {
		t.Error(err)
	}
	for want, edit := range map[string]func(*login.Proxy){
		"Proxy.Target":                func(p *login.Proxy) { p.Target = "" },
		`"http://api.example"`:        func(p *login.Proxy) { p.Target = "http://api.example" },
		`"https://a:b@api.example"`:   func(p *login.Proxy) { p.Target = "https://a:b@api.example" },
		`"https://api.example?x=1"`:   func(p *login.Proxy) { p.Target = "https://api.example?x=1" },
		"Proxy.Prefix":                func(p *login.Proxy) { p.Prefix = "" },
		"Proxy.Allow is empty":        func(p *login.Proxy) { p.Allow = nil },
		`"/x", expected a method`:     func(p *login.Proxy) { p.Allow = []string{"/x"} },
		`"GET h/x", expected`:         func(p *login.Proxy) { p.Allow = []string{"GET h/x"} },
		"Proxy.Allow: parsing \"GET ": func(p *login.Proxy) { p.Allow = []string{"GET /{"} },
	} {
		bad := good
		edit(&bad)
		if _, err := a.login.Proxy(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := start(t, setting{}).login.Proxy(good); err == nil || !strings.Contains(err.Error(), "KeepTokens") {
		t.Errorf("without KeepTokens: %v", err)
	}
}
