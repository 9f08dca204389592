package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/examples/internal/visitor"
	"github.com/countersign/countersign/internal/freeport"
	"github.com/countersign/countersign/rs"
)

// start runs the program, and returns its issuer and the rest of its output.
func start(t *testing.T, args ...string) (issuer string, lines *bufio.Scanner) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, append([]string{"-listen", "127.0.0.1:0"}, args...), w)
		w.Close()
	}()
	t.Cleanup(func() {
		stop()
		go io.Copy(io.Discard, r)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	lines = bufio.NewScanner(r)
	if !lines.Scan() {
		t.Fatal("it prints nothing")
	}
	issuer, ok := strings.CutPrefix(lines.Text(), "The issuer is ")
	if !ok {
		t.Fatal(lines.Text())
	}
	return issuer, lines
}

// TestLogin: a user is chosen on the page, and the requests are printed without secrets.
func TestLogin(t *testing.T) {
	issuer, lines := start(t, "-client", "web:the-secret:https://app.example/callback", "-user", "alice", "-user", "bob:Bob B.:bob@example.com")
	printed := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), "/token 200") {
				break
			}
		}
		printed <- all.String()
		for lines.Scan() {
		}
	}()
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Secret("the-secret"), RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "email"}})
	if err != nil {
		t.Fatal(err)
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	v := &visitor.Visitor{Username: "bob"}
	back, err := v.Answer(t.Context(), redirect)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Finish(t.Context(), pending, back.Query())
	if err != nil || tokens.IDToken.Subject != "bob" {
		t.Fatalf("%v, %v", tokens, err)
	}
	said := <-printed
	if !strings.Contains(said, "POST /token 200 authorization_code") || strings.Contains(said, "the-secret") || strings.Contains(said, tokens.AccessToken) {
		t.Errorf("it prints\n%s", said)
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-client", "web"}, {"-client", ":secret:"}, {"-client", "web:secret:callback"}, {"-user", ""}, {"-user", "a:b:c:d"}, {"-fault", "nonsense"},
		{"-claim", "roles"}, {"-claim", "=admin"}, {"-claim", "aud=other"}, {"-claim", "roles=[admin"}, {"-listen", "0.0.0.0:0"}, {"-listen", "[::]:0"}, {"-listen", ":0"}, {"-listen", "127.0.0.1"}} {
		if err := run(t.Context(), append([]string{"-listen", "127.0.0.1:0"}, args...), io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}

// TestRegistration: the registered clients and users are printed.
func TestRegistration(t *testing.T) {
	for name, test := range map[string]struct{ args, want []string }{
		"flags": {[]string{"-client", "web:canary-secret:https://app.example/callback", "-client", "tool::http://127.0.0.1/callback", "-client", "svc:canary-secret:", "-user", "alice:Alice Liddell"},
			[]string{"client web, confidential, redirect URI https://app.example/callback", "client tool, public, redirect URI http://127.0.0.1/callback", "client svc, confidential, any redirect URI", "user alice, name Alice Liddell"}},
		"nothing": {nil, []string{"client web, confidential, any redirect URI. Its secret is web-secret", "user alice"}},
		"issuer":  {[]string{"-listen", "0.0.0.0:0", "-issuer", "http://as.example"}, []string{"client web, confidential, any redirect URI. Its secret is web-secret"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, lines := start(t, test.args...)
			lines.Scan() // the audience
			for _, want := range test.want {
				if lines.Scan(); lines.Text() != want {
					t.Errorf("%q, expected %q", lines.Text(), want)
				}
			}
		})
	}
}

// TestClaims: an API accepts the role of one user, and rejects another user.
func TestClaims(t *testing.T) {
	for _, format := range []string{"-opaque=false", "-opaque"} {
		issuer, lines := start(t, format, "-client", "web:the-secret:https://app.example/callback", "-signed-in", "-claim", "realm_access={\"roles\":[\"staff\"]}",
			"-user", "alice", "-claim", "roles=admin", "-claim", "roles=editor", "-user", "bob")
		go func() {
			for lines.Scan() {
			}
		}()
		provider := &discovery.Provider{Issuer: issuer}
		api := &rs.Protection{Tokens: &rs.JWT{Issuer: issuer, Audience: "https://api.example", Keys: provider.Keys()}}
		if format == "-opaque" {
			api.Tokens = &rs.Introspection{Issuer: issuer, Server: provider, Auth: auth.SecretBasic("the-secret").For("web", issuer), Audience: "https://api.example"}
		}
		guarded := api.Handler(rs.RequireClaim([]string{"roles"}, "admin")(rs.RequireClaim([]string{"realm_access", "roles"}, "staff")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
		for user, want := range map[string]int{"alice": 200, "bob": 403} {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+tokenOf(t, issuer, user))
			w := httptest.NewRecorder()
			if guarded.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s, %s: status %d, expected %d: %s", format, user, w.Code, want, w.Header())
			}
		}
	}
}

// tokenOf signs a user in without a page.
func tokenOf(t *testing.T, issuer, user string) string {
	t.Helper()
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Secret("the-secret"), RedirectURL: "https://app.example/callback"})
	if err != nil {
		t.Fatal(err)
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{LoginHint: user})
	if err != nil {
		t.Fatal(err)
	}
	back, err := (&visitor.Visitor{Username: user}).Answer(t.Context(), redirect)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Finish(t.Context(), pending, back.Query())
	if err != nil {
		t.Fatal(err)
	}
	return tokens.AccessToken
}

// TestRestart: after a restart of the server, a running API accepts new tokens.
func TestRestart(t *testing.T) {
	address := freeport.Address(t)
	issuer := "http://" + address
	provider := &discovery.Provider{Issuer: issuer}
	api := (&rs.Protection{Tokens: &rs.JWT{Issuer: issuer, Audience: "https://api.example", Keys: provider.Keys()}}).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for n := range 2 {
		t.Run(fmt.Sprint("start ", n+1), func(t *testing.T) {
			_, lines := start(t, "-listen", address, "-client", "web:the-secret:https://app.example/callback", "-signed-in", "-user", "alice")
			go func() {
				for lines.Scan() {
				}
			}()
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", "Bearer "+tokenOf(t, issuer, "alice"))
			w := httptest.NewRecorder()
			if api.ServeHTTP(w, r); w.Code != http.StatusOK {
				t.Errorf("status %d: %s", w.Code, w.Header())
			}
		})
	}
}

// TestLifetime: -lifetime is the lifetime of access tokens.
func TestLifetime(t *testing.T) {
	for args, want := range map[string]float64{"": 300, "-lifetime 1m": 60} {
		issuer, lines := start(t, append([]string{"-client", "desk:the-secret:"}, strings.Fields(args)...)...)
		go func() {
			for lines.Scan() {
			}
		}()
		c, err := client.New(client.Config{Issuer: issuer, ClientID: "desk", Auth: auth.Secret("the-secret")})
		if err != nil {
			t.Fatal(err)
		}
		tokens, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
		if err != nil || float64(tokens.ExpiresIn) != want {
			t.Errorf("%q: %v, expected %v seconds, %v", args, tokens, want, err)
		}
	}
	if err := run(t.Context(), []string{"-lifetime", "0s"}, io.Discard); err == nil || !strings.Contains(err.Error(), "-lifetime is 0s, expected at least 1s") {
		t.Error(err)
	}
}

// TestCIBA: the printed page shows the message, and the user in the hint can allow the login there.
func TestCIBA(t *testing.T) {
	issuer, lines := start(t, "-client", "desk:the-secret:", "-user", "alice", "-user", "bob")
	asked := make(chan string, 1)
	go func() {
		for lines.Scan() {
			if address, found := strings.CutPrefix(lines.Text(), "CIBA: bob decides at "); found {
				asked <- address
			}
		}
	}()
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "desk", Auth: auth.Secret("the-secret")})
	if err != nil {
		t.Fatal(err)
	}
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "bob", BindingMessage: "W4SCT"})
	if err != nil {
		t.Fatal(err)
	}
	address := <-asked
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	page, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if text := string(page); strings.Contains(address, b.AuthReqID) || !strings.Contains(text, "W4SCT") || !strings.Contains(text, "Allow as bob") || strings.Contains(text, "alice") {
		t.Errorf("%s\n%s", address, text)
	}
	if resp, err = http.PostForm(address, url.Values{"user": {"bob"}}); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	resp.Body.Close()
	if tokens, err := grant.FinishBackchannel(t.Context(), c, b); err != nil || tokens.IDToken.Subject != "bob" {
		t.Error(tokens, err)
	}
}
