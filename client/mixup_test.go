package client_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestMixUp is RP-23: if clients of several issuers share a RedirectURL, their responses must
// contain the issuer.
func TestMixUp(t *testing.T) {
	make := func(issuer, redirect string, edit func(*client.Config)) *client.Client {
		c := client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Public(), RedirectURL: redirect}
		if edit != nil {
			edit(&c)
		}
		return newClient(t, c)
	}
	const a, b = "https://a.example", "https://b.example"
	const one, two = "https://app.example/one", "https://app.example/two"
	requireIss := func(c *client.Config) { c.RequireIss = true }
	signed := func(c *client.Config) { c.ResponseMode = "query.jwt" }
	hybrid := func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseCodeIDToken, "form_post" }
	announced := func(c *client.Config) {
		c.Metadata = &discovery.Metadata{
			Issuer: a, AuthorizationEndpoint: a + "/authorize", TokenEndpoint: a + "/token",
			JWKSURI: a + "/jwks", AuthorizationResponseIssParameterSupported: true,
		}
	}
	for _, test := range []struct {
		name    string
		clients []*client.Client
		wrong   int
	}{
		{"none", nil, 0},
		{"one that is nil", []*client.Client{nil, make(a, one, nil), make(b, one, nil)}, 2},
		{"one", []*client.Client{make(a, one, nil)}, 0},
		{"two of one issuer", []*client.Client{make(a, one, nil), make(a, one, nil)}, 0},
		{"a RedirectURL each", []*client.Client{make(a, one, nil), make(b, two, nil)}, 0},
		{"none to share", []*client.Client{make(a, "", nil), make(b, "", nil)}, 0},
		{"shared", []*client.Client{make(a, one, nil), make(b, one, nil)}, 2},
		{"shared by three", []*client.Client{make(a, one, nil), make(b, one, nil), make(b, one, nil), make(b, two, nil)}, 3},
		{"shared, in other letters", []*client.Client{make(a, one, nil), make(b, "HTTPS://APP.example/one", nil)}, 2},
		{"shared, with the port", []*client.Client{make(a, "https://app.example:443/one", nil), make(b, one, nil)}, 2},
		{"another port", []*client.Client{make(a, "https://app.example:444/one", nil), make(b, one, nil)}, 0},
		{"another query", []*client.Client{make(a, one+"?as=a", nil), make(b, one+"?as=b", nil)}, 0},
		{"one requires iss", []*client.Client{make(a, one, requireIss), make(b, one, nil)}, 1},
		{"all require iss", []*client.Client{make(a, one, requireIss), make(b, one, requireIss)}, 0},
		{"each in its way", []*client.Client{make(a, one, signed), make(b, one, hybrid), make(a, one, announced)}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := client.CheckMixUpDefense(test.clients...)
			got := 0
			if err != nil {
				got = strings.Count(err.Error(), "RequireIss")
			}
			if got != test.wrong {
				t.Errorf("%d clients are named, want %d: %v", got, test.wrong, err)
			}
		})
	}
}

func TestResponseMode(t *testing.T) {
	for _, test := range []struct{ kind, mode, want string }{
		{"", "", "query"},
		{client.ResponseCode, "form_post", "form_post"},
		{client.ResponseCode, "jwt", "query.jwt"},
		{client.ResponseCodeIDToken, "", "fragment"},
		{client.ResponseCodeIDToken, "jwt", "fragment.jwt"},
		{client.ResponseIDToken, "form_post", "form_post"},
	} {
		s := optest.New(t)
		cfg := config(s)
		cfg.ResponseType, cfg.ResponseMode = test.kind, test.mode
		if got := newClient(t, cfg).ResponseMode(); got != test.want {
			t.Errorf("%q with %q gives %q, want %q", test.kind, test.mode, got, test.want)
		}
	}
}
