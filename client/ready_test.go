package client_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// TestReady: Ready reports a configuration with which no login can succeed at this server.
func TestReady(t *testing.T) {
	key := auth.SigningKey{KeyID: "k", Alg: "RS256", Key: optest.NewKey("k", "RS256").Private}
	for _, test := range []struct {
		says string // "": ready
		meta func(m)
		edit func(*client.Config)
	}{
		{"", func(m) {}, func(*client.Config) {}},
		{"", func(md m) { delete(md, "response_types_supported") }, func(*client.Config) {}},
		{"Config.Auth", func(md m) { md["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt"} }, func(*client.Config) {}},
		{"", func(md m) { md["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} }, func(c *client.Config) { c.Auth = auth.Secret("canary") }},
		{"Config.ResponseType", func(m) {}, func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseCodeIDToken, "fragment" }},
		{"Config.ResponseMode", func(md m) { md["response_modes_supported"] = []string{"query"} }, func(c *client.Config) { c.ResponseMode = "form_post" }},
		{"Config.IDTokenAlgs", func(m) {}, func(c *client.Config) { c.IDTokenAlgs = []string{"ES256"} }},
		{"Config.PKCE", func(md m) { md["code_challenge_methods_supported"] = []string{"plain"} }, func(*client.Config) {}},
		{"Config.PAR", func(md m) { md["require_pushed_authorization_requests"] = true }, func(c *client.Config) { c.PAR = client.PAROff }},
		{"no endpoint", func(md m) { delete(md, "pushed_authorization_request_endpoint") }, func(c *client.Config) { c.PAR = client.PARRequired }},
		{"Config.RequestObject", func(md m) { md["require_signed_request_object"] = true }, func(*client.Config) {}},
		{"RequestObject.Keys", func(md m) { md["request_object_signing_alg_values_supported"] = []string{"PS256"} }, func(c *client.Config) {
			c.RequestObject = &client.RequestObject{Keys: key}
		}},
		{"DPoP.Keys", func(md m) { md["dpop_signing_alg_values_supported"] = []string{"ES256"} }, func(c *client.Config) { c.DPoP = &client.DPoP{Keys: key} }},
		{"", func(md m) { md["response_types_supported"] = []string{"id_token"} }, func(c *client.Config) { c.RedirectURL = "" }},
	} {
		s := optest.New(t)
		s.Edit = func(md map[string]any) { test.meta(md) }
		cfg := config(s)
		test.edit(&cfg)
		err := newClient(t, cfg).Ready(t.Context())
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("want %q: %v", test.says, err)
		}
		if s.Hits("/authorize")+s.Hits("/token")+s.Hits("/par") != 0 {
			t.Error("Ready asks for more than documents")
		}
	}
	s := optest.New(t)
	c := newClient(t, config(s))
	s.Close()
	var e *client.Error
	if err := c.Ready(t.Context()); !errors.As(err, &e) || !e.Temporary() || e.Step != client.StepDiscovery {
		t.Errorf("a server that is down: %v", err)
	}
	if err := new(client.Client).Ready(t.Context()); err == nil {
		t.Error("a Client that New has not made is ready")
	}
}
