package loopback

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/internal/optest"
)

// answer is the response that the user's browser got.
type answer struct {
	status int
	header http.Header
	body   string
}

// get sends a request, and follows redirects or not.
func get(t *testing.T, r *http.Request) answer {
	t.Helper()
	hc := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
	resp, err := hc.Do(r)
	if err != nil {
		t.Error(err)
		return answer{}
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

func request(t *testing.T, method, address string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// config configures a login at the server. visit acts as the user, with the address and its
// redirect URI.
func config(t *testing.T, s *optest.Server, visit func(address string, redirect *url.URL)) Config {
	return Config{
		Client: client.Config{Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), PAR: client.PAROff},
		Open: func(_ context.Context, address string) error {
			u, err := url.Parse(address)
			if err != nil {
				return err
			}
			redirect, err := url.Parse(u.Query().Get("redirect_uri"))
			if err != nil {
				return err
			}
			visit(address, redirect)
			return nil
		},
	}
}

// login also waits for the browser.
func login(ctx context.Context, c Config) (*client.Tokens, error) {
	open, shown := c.Open, make(chan struct{})
	c.Open = func(ctx context.Context, address string) error {
		defer close(shown)
		return open(ctx, address)
	}
	tokens, err := Login(ctx, c)
	<-shown
	return tokens, err
}

// TestLogin: Login listens at a free port of the literal address, for one response. Afterwards
// the port is closed. NAT-01, NAT-02.
func TestLogin(t *testing.T) {
	for _, test := range []struct{ name, redirect, host, path string }{
		{"by default", "", "127.0.0.1", "/callback"},
		{"a path", "http://127.0.0.1/signed/in", "127.0.0.1", "/signed/in"},
		{"IPv6", "http://[::1]/callback", "::1", "/callback"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			var shown answer
			var at *url.URL
			c := config(t, s, func(address string, redirect *url.URL) {
				if q := request(t, "GET", address).URL.Query(); q.Get("code_challenge_method") != "S256" || q.Get("state") == "" {
					t.Error("no PKCE or no state")
				}
				at, shown = redirect, get(t, request(t, "GET", address))
			})
			c.Client.RedirectURL = test.redirect
			tokens, err := login(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			if tokens.IDToken.Subject != optest.Subject || at.Hostname() != test.host || at.Path != test.path || at.Port() == "" || at.Port() == "0" {
				t.Errorf("%v at %v", tokens, at)
			}
			wantPage(t, shown, 200, "You are signed in")
			if conn, err := net.Dial("tcp", at.Host); err == nil {
				conn.Close()
				t.Error("somebody listens after the login")
			}
		})
	}
}

func wantPage(t *testing.T, a answer, status int, title string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.body, "<title>"+title+"</title>") || !strings.Contains(a.body, "close this window") {
		t.Errorf("status %d, want %d; %q is not the title of\n%s", a.status, status, title, a.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'; ", "Cache-Control": "no-store",
		"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
	} {
		if got := a.header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

// TestFixedPort is for servers that compare the whole redirect URI.
func TestFixedPort(t *testing.T) {
	l, err := net.Listen("tcp", freeport.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	fixed := "http://" + l.Addr().String() + "/callback"
	c := config(t, optest.New(t), func(address string, redirect *url.URL) {
		if redirect.String() != fixed {
			t.Errorf("redirect_uri %s, want %s", redirect, fixed)
		}
		get(t, request(t, "GET", address))
	})
	c.Client.RedirectURL = fixed
	var e *client.Error
	if _, err := Login(t.Context(), c); !errors.As(err, &e) || e.Step != client.StepRequest {
		t.Errorf("a port that is taken: %v", err)
	}
	l.Close()
	if _, err := login(t.Context(), c); err != nil {
		t.Error(err)
	}
}

// TestRefusals: the user sees a code, and the program gets the reason.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name  string
		edit  func(*optest.Server)
		title string
		step  client.Step
		code  string
	}{
		{"cancelled", func(s *optest.Server) {
			s.Callback = func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }
		}, "You were not signed in", client.StepCallback, "access_denied"},
		{"an error with markup", func(s *optest.Server) {
			s.Callback = func(q url.Values) { q.Del("code"); q.Set("error", "<b>canary</b>") }
		}, "The sign-in failed", client.StepCallback, ""},
		{"another issuer", func(s *optest.Server) {
			s.Callback = func(q url.Values) { q.Set("iss", "https://evil.example") }
		}, "The sign-in failed", client.StepCallback, "login_failed"},
		{"no code", func(s *optest.Server) { s.Callback = func(q url.Values) { q.Del("code") } }, "The sign-in failed", client.StepCallback, "login_failed"},
		{"a refused code", func(s *optest.Server) {
			s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
				optest.JSON(w, 400, map[string]string{"error": "invalid_grant"})
			})
		}, "The sign-in failed", client.StepToken, "invalid_grant"},
		{"a bad ID token", func(s *optest.Server) { s.EditID = func(c map[string]any) { c["aud"] = "other" } }, "The sign-in failed", client.StepIDToken, "login_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			test.edit(s)
			var shown answer
			_, err := login(t.Context(), config(t, s, func(address string, _ *url.URL) { shown = get(t, request(t, "GET", address)) }))
			var e *client.Error
			if !errors.As(err, &e) || e.Step != test.step || test.code != "" && e.Code != test.code {
				t.Errorf("%v", err)
			}
			wantPage(t, shown, 200, test.title)
			if strings.Contains(shown.body, "<b>") || strings.Contains(shown.body, "evil") {
				t.Errorf("the page shows too much:\n%s", strings.ReplaceAll(shown.body, "canary", "***"))
			}
		})
	}
}

// TestNoAnswer: the wait ends with the context. The error contains the requests that were rejected
// during the wait.
func TestNoAnswer(t *testing.T) {
	s := optest.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	_, err := login(ctx, config(t, s, func(_ string, redirect *url.URL) {
		get(t, request(t, "GET", redirect.String()+"?code=canary-code&state=canary-state"))
		cancel()
	}))
	var e *client.Error
	if !errors.Is(err, context.Canceled) || !errors.As(err, &e) || e.Step != client.StepCallback || !strings.Contains(err.Error(), "1 callbacks were rejected") {
		t.Errorf("%v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, err), "canary") {
		t.Error("the error tells a secret")
	}
}

// TestNoBrowser: if the address cannot be opened, Login fails at once.
func TestNoBrowser(t *testing.T) {
	c := config(t, optest.New(t), nil)
	c.Open = func(context.Context, string) error { return errors.New("no screen") }
	var e *client.Error
	if _, err := login(t.Context(), c); !errors.As(err, &e) || e.Step != client.StepRequest || !strings.Contains(err.Error(), "no screen") {
		t.Errorf("%v", err)
	}
}

func TestConfig(t *testing.T) {
	s := optest.New(t)
	for name, edit := range map[string]func(*Config){
		"Client.RedirectURL must be http://127.0.0.1 or http://[::1]":   func(c *Config) { c.Client.RedirectURL = "http://localhost/callback" },
		"Client.RedirectURL must be http://127.0.0.1 or http://[::1":    func(c *Config) { c.Client.RedirectURL = "https://127.0.0.1/callback" },
		"Client.RedirectURL must be http://127.0.0.1 or http://[::":     func(c *Config) { c.Client.RedirectURL = "com.example.app://callback" },
		"Client.RedirectURL must be http://127.0.0.1 or http://[:":      func(c *Config) { c.Client.RedirectURL = "http://127.0.0.2/callback" },
		"Client.RedirectURL must be http://127.0.0.1 or http://[":       func(c *Config) { c.Client.RedirectURL = "http://0.0.0.0/callback" },
		"Client.RedirectURL must have a path and must not have a query": func(c *Config) { c.Client.RedirectURL = "http://127.0.0.1/callback?x=y" },
		"Client.RedirectURL must have a path and must not":              func(c *Config) { c.Client.RedirectURL = "http://127.0.0.1" },
		"Client.RedirectURL is malformed":                               func(c *Config) { c.Client.RedirectURL = "http://[::1/callback" },
		"Client.ResponseMode":                                           func(c *Config) { c.Client.ResponseMode = "form_post" },
		"Config.ClientID":                                               func(c *Config) { c.Client.ClientID = "" },
	} {
		c := config(t, s, func(string, *url.URL) { t.Error("the browser was opened") })
		edit(&c)
		if _, err := Login(t.Context(), c); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v; want %q", err, name)
		}
	}
}

// TestBrowser: the system's program gets the address as its only argument. Only an http or https
// address is accepted.
func TestBrowser(t *testing.T) {
	dir := t.TempDir()
	said := filepath.Join(dir, "said")
	script := "#!/bin/sh\nprintf '%s|' \"$@\" >" + said + "\n"
	if err := os.WriteFile(filepath.Join(dir, "xdg-open"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	if name, _ := opener("linux"); name != "xdg-open" {
		t.Fatal(name)
	}
	t.Setenv("PATH", dir)
	const address = "https://as.example/authorize?a=$(id)&b=;x"
	if err := Browser(t.Context(), address); err != nil {
		t.Skip(err) // another system's program
	}
	if got, err := os.ReadFile(said); err != nil || string(got) != address+"|" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"file:///etc/passwd", "-version", "javascript:x", ""} {
		if err := Browser(t.Context(), bad); err == nil {
			t.Errorf("%q was opened", bad)
		}
	}
	os.Remove(filepath.Join(dir, "xdg-open"))
	if err := Browser(t.Context(), address); err == nil {
		t.Error("no program, and no error")
	}
	for system, want := range map[string]string{"darwin": "open []", "windows": "rundll32 [url.dll,FileProtocolHandler]", "freebsd": "xdg-open []"} {
		if name, args := opener(system); fmt.Sprint(name, " ", args) != want {
			t.Errorf("%s: %s %v", system, name, args)
		}
	}
}

// TestSigned: a signed response contains the state. A response that the server did not sign is
// ignored. A signed one ends the login. RP-28.
func TestSigned(t *testing.T) {
	for _, test := range []struct {
		name, title string
		edit        func(claims map[string]any)
	}{
		{"good", "You are signed in", func(map[string]any) {}},
		{"cancelled", "You were not signed in", func(c map[string]any) { delete(c, "code"); c["error"] = "access_denied" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Callback = func(q url.Values) {
				claims := map[string]any{"iss": s.URL, "aud": optest.ClientID, "exp": time.Now().Unix() + 60, "code": q.Get("code"), "state": q.Get("state")}
				test.edit(claims)
				clear(q)
				q.Set("response", s.Keys[0].Sign(claims, nil))
			}
			c := config(t, s, func(address string, redirect *url.URL) {
				state := request(t, "GET", address).URL.Query().Get("state")
				forged := optest.NewKey("k2", "RS256").Sign(map[string]any{"iss": s.URL, "aud": optest.ClientID, "exp": time.Now().Unix() + 60, "code": "x", "state": state}, nil)
				for _, query := range []string{"code=x&state=" + state, "error=access_denied&state=" + state, "response=x", "response=" + forged} {
					if a := get(t, request(t, "GET", redirect.String()+"?"+query)); a.status != 400 {
						t.Errorf("not signed by the server: status %d", a.status)
					}
				}
				wantPage(t, get(t, request(t, "GET", address)), 200, test.title)
			})
			c.Client.ResponseMode = "query.jwt"
			if tokens, err := login(t.Context(), c); (err == nil) != (test.name == "good") || (tokens == nil) == (err == nil) {
				t.Error(err)
			}
		})
	}
}
