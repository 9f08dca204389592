package main

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/countersign/countersign/discovery/issuertest"
)

// TestHostileClaims: no output contains control characters or secrets from a server's text.
func TestHostileClaims(t *testing.T) {
	const controls, secret = "\x1b]0;x\a\u009b2J\u202e", "canary-in-claims-&-1"
	i, ca := issuer(t, issuertest.Config{
		Clients: []issuertest.Client{{ID: "web", Secret: canarySecret}}, Algorithm: "ES256",
		Edit: issuertest.Edit{
			IDToken: func(m map[string]any) { m["name"] = controls },
			UserInfo: func(m map[string]any) {
				m["nickname"+controls], m["nickname"] = controls, controls
				m["refresh_token"], m["about"] = secret, []any{"it is " + secret}
			},
			Introspection: func(m map[string]any) { m["username"], m["access_token"] = controls, secret },
		},
	})
	t.Setenv("CLIENT_SECRET", canarySecret)
	p := &terminal{t: t, issuer: i, browser: i.Browser(), dir: filepath.Join(t.TempDir(), "tokens"), files: t.TempDir(), ca: ca}
	for _, args := range []string{"login -scope openid", "userinfo", "introspect", "userinfo -json", "introspect -json", "userinfo -curl"} {
		_, out := p.run("", append(strings.Fields(args), "-client-id", "web", "-secret-env", "CLIENT_SECRET")...)
		if at := strings.IndexFunc(out, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); at >= 0 {
			t.Errorf("%s: %q is printed", args, out[at:min(len(out), at+20)])
		}
		if strings.Contains(out, "canary-in-claims") {
			t.Errorf("%s: a secret is printed:\n%s", args, out)
		}
	}
}

// TestPrivateEndpoints: the metadata of a server cannot make a flow connect to private addresses,
// except the server's own.
func TestPrivateEndpoints(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan struct{}, 10)
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			c.Close()
			reached <- struct{}{}
		}
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	other := "https://localhost:" + port + "/"
	i, ca := issuer(t, issuertest.Config{
		Clients: []issuertest.Client{{ID: "web", Secret: canarySecret}}, Algorithm: "ES256",
		Edit: issuertest.Edit{Metadata: func(m map[string]any) { m["token_endpoint"], m["jwks_uri"] = other+"token", other+"jwks" }},
	})
	t.Setenv("CLIENT_SECRET", canarySecret)
	p := &terminal{t: t, issuer: i, browser: i.Browser(), dir: filepath.Join(t.TempDir(), "tokens"), files: t.TempDir(), ca: ca}
	for _, args := range []string{"credentials", "login -scope openid"} {
		status, out := p.run("", append(strings.Fields(args), "-client-id", "web", "-secret-env", "CLIENT_SECRET")...)
		if status != 1 || !strings.Contains(out, "private address") {
			t.Errorf("%s: %d\n%s", args, status, out)
		}
	}
	if len(reached) > 0 {
		t.Error("a private address was reached")
	}
}
