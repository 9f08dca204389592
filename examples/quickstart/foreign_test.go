package main

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/freeport"
)

const foreignAudience = "https://photos.example/"

// startForeign starts a server that is not part of the quickstart, and returns the flags for it.
func startForeign(t *testing.T, opaque bool, secret string) []string {
	t.Helper()
	app := listenLoopback(t)
	app.Close() // the quickstart will listen there
	address, format := app.Addr().String(), map[bool]issuertest.Format{false: issuertest.JWT, true: issuertest.Opaque}[opaque]
	server := issuertest.New(t, issuertest.Config{
		PlainHTTP: true, Page: true, AccessTokens: format,
		Clients: []issuertest.Client{{
			ID: "mine", Secret: secret, RedirectURLs: []string{"http://" + address + "/callback"},
			Scopes: []string{"openid", apiScope}, Audience: []string{foreignAudience},
		}},
		Users: []issuertest.User{{Subject: "7"}},
	})
	return []string{"-headless", "-issuer", server.URL, "-client-id", "mine", "-client-secret", secret, "-listen", address,
		"-username", "7", "-audience", foreignAudience}
}

func listenLoopback(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestForeignServer(t *testing.T) {
	t.Setenv("CLIENT_SECRET", "")
	withScope := []string{"-scopes", "openid " + apiScope}
	for _, test := range []struct {
		name   string
		opaque bool
		secret string
		args   []string
		want   string // "" means success
	}{
		{"confidential client", false, "its-secret", withScope, ""},
		{"public client", false, "", withScope, ""},
		{"no scope for the API", false, "its-secret", nil, "insufficient_scope"},
		{"opaque tokens", true, "its-secret", withScope, "invalid_token"},
		{"another audience", false, "its-secret", []string{"-audience", "https://elsewhere.example/"}, "invalid_target"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := startBench(t, append(startForeign(t, test.opaque, test.secret), test.args...)...)
			var out strings.Builder
			err := visit(t.Context(), b.system, &out)
			if test.want == "" && (err != nil || !strings.Contains(out.String(), `"user": "7"`)) {
				t.Errorf("error %v, output:\n%s", err, out.String())
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}

// TestForeignServerDown: nothing is fetched before a visitor comes. Then the page is an error
// page.
func TestForeignServerDown(t *testing.T) {
	b := startBench(t, "-issuer", "http://"+freeport.Address(t), "-client-id", "mine", "-listen", "127.0.0.1:0")
	err := visit(t.Context(), b.system, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "temporarily_unavailable (status 503") {
		t.Errorf("error %v", err)
	}
}
