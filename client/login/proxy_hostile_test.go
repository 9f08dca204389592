package login_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// TestProxyInterim: interim responses of an API (103, 102) do not reach the page. They do not
// remove Cache-Control or the cookie of refreshed tokens. SPA-03.
func TestProxyInterim(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		s := startSPA(t, set, []string{"GET /x"}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Set-Cookie", "a=b")
			w.Header().Set("Link", "</x>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Set-Cookie")
			w.Header().Del("Link")
			if r.Header.Get("Authorization") != "Bearer canary-access-1" {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(401)
				return
			}
			io.WriteString(w, "answer")
		})
		s.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
		b := s.browser(t)
		b.signIn(s.app)
		s.as.RotateRefreshTokens()
		s.clock.turn(time.Minute)
		for range 2 { // the second needs the tokens of the first
			r, _ := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
				Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
					t.Errorf("the page got %d %v", code, h)
					return nil
				},
			}), "GET", s.URL+"/api/x", nil)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			p := b.still().do(r)
			if p.status != 200 || p.body != "answer" || p.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %s, Cache-Control %q", p.status, p.body, p.header["Cache-Control"])
			}
		}
	})
}

// TestProxyUpgrade: WebSocket is the only other protocol. With another one (h2c) a page could
// send requests that Allow does not contain. SPA-07.
func TestProxyUpgrade(t *testing.T) {
	asked := make(chan http.Header, 1)
	s := startSPA(t, setting{}, []string{"GET /x"}, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Header.Clone()
		if r.Header.Get("Upgrade") == "" {
			return
		}
		conn, _, _ := http.NewResponseController(w).Hijack()
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: %s\r\nConnection: Upgrade\r\n\r\ntunnel", r.Header.Get("Upgrade"))
	})
	b := s.browser(t)
	b.signIn(s.app)
	for _, protocol := range []string{"h2c", "websocket, h2c", "TLS/1.0"} {
		p := b.fetch(s, "GET", "/api/x", "", map[string]string{"Origin": s.URL, "Upgrade": protocol, "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQAAP__"})
		if got := <-asked; p.status != 200 || got.Get("Upgrade") != "" || got.Get("Http2-Settings") != "" {
			t.Errorf("%s: %d, the API got %v", protocol, p.status, got)
		}
	}
}

// TestProxyOverrides: headers that some servers read instead of the method or the path do not
// reach the API. Other spellings of removed headers do not reach it either. SPA-03.
func TestProxyOverrides(t *testing.T) {
	var got http.Header
	s := startSPA(t, setting{}, []string{"POST /photos"}, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
	b := s.browser(t)
	b.signIn(s.app)
	sent := map[string]string{}
	for _, name := range []string{
		"X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL", "X-Original-Method",
		"X-Original-Host", "X-Host", "X-Forwarded", "X_Forwarded_For", "X_HTTP_Method_Override", "Client-Cert", "X-Client-Cert", "Ssl-Client-Cert",
		"Cookie2", "X-Envoy-Original-Path", "True-Client-Ip", "Cf-Connecting-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
	} {
		sent[name] = "canary"
	}
	b.want(b.fetch(s, "POST", "/api/photos", "", sent), 200, "")
	for name, values := range got {
		if strings.Contains(strings.Join(values, ""), "canary") && name != "Authorization" {
			t.Errorf("the API got %s", name)
		}
	}
}

// TestProxyRedirectAtRoot: without a Prefix, a redirect of the API does not lead to another site.
func TestProxyRedirectAtRoot(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "http://"+r.Host+"/v1//evil.example/x")
		w.WriteHeader(302)
	}))
	defer api.Close()
	a := start(t, setting{config: func(c *login.Config) { c.KeepTokens = true }})
	proxy, err := a.login.Proxy(login.Proxy{Target: api.URL + "/v1", Prefix: "/", Allow: []string{"GET /x"}})
	if err != nil {
		t.Skip(err)
	}
	a.Config.Handler.(*http.ServeMux).Handle("/x", proxy)
	b := a.browser(t)
	b.signIn(a)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", a.URL+"/x", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	p := b.still().do(r)
	if to := p.header.Get("Location"); p.status != 302 || strings.HasPrefix(to, "//") {
		t.Errorf("%d to %s", p.status, to)
	}
}

// TestSilentOpenRedirect: a request for //evil.example/ is not redirected to that host, even
// without a ServeMux that cleans the path.
func TestSilentOpenRedirect(t *testing.T) {
	a := start(t, setting{})
	a.Config.Handler = a.login.Silent("", http.HandlerFunc(whoAmI))
	for _, path := range []string{"//evil.example/", `/\evil.example/`, "http://evil.example/", "/page"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RequestURI, r.URL.Path = path, path
		r.Header.Set("Accept", "text/html")
		w := httptest.NewRecorder()
		a.Config.Handler.ServeHTTP(w, r)
		to := w.Header().Get("Location")
		if (w.Code == 303) != (path == "/page") || path == "/page" && to != "/page?login_probe=1" {
			t.Errorf("%s: %d to %s", path, w.Code, to)
		}
	}
}
