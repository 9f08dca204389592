package registration_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/internal/optest"
)

// TestNotSent: a wrong registration is rejected before a request is sent.
func TestNotSent(t *testing.T) {
	s := optest.New(t)
	r := registrar(s)
	for name, edit := range map[string]func(*registration.Metadata){
		"two key sets": func(m *registration.Metadata) {
			m.JWKSURI, m.JWKS = "https://rp.example/jwks", optest.JWKS(optest.NewKey("a", "ES256"))
		},
		"a private key":    func(m *registration.Metadata) { m.JWKS = []byte(`{"keys":[{"kty":"EC","d":"canary"}]}`) },
		"a secret key":     func(m *registration.Metadata) { m.JWKS = []byte(`{"keys":[{"kty":"oct","k":"canary"}]}`) },
		"no key":           func(m *registration.Metadata) { m.JWKS = []byte(`{"keys":[]}`) },
		"no key set":       func(m *registration.Metadata) { m.JWKS = []byte(`"canary"`) },
		"a member twice":   func(m *registration.Metadata) { m.Extra = map[string]any{"client_name": "x"} },
		"what is issued":   func(m *registration.Metadata) { m.Extra = map[string]any{"client_secret": "canary"} },
		"what is not JSON": func(m *registration.Metadata) { m.Extra = map[string]any{"x": make(chan int)} },
	} {
		metadata := app()
		edit(&metadata)
		_, err := r.Register(t.Context(), metadata)
		if err == nil {
			t.Errorf("%s was sent", name)
			continue
		}
		noCanary(t, err.Error())
	}
	if _, err := (&registration.Registrar{}).Register(t.Context(), app()); err == nil {
		t.Error("nowhere")
	}
	if s.Hits("/register") != 0 {
		t.Error("something was sent")
	}
}

// TestNoEndpoint: the error says that the server has no registration endpoint.
func TestNoEndpoint(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { delete(m, "registration_endpoint") }
	if _, err := registrar(s).Register(t.Context(), app()); !errors.Is(err, registration.ErrNoEndpoint) {
		t.Errorf("got %v", err)
	}
}

// TestMutualTLS is MTLS-01: the alias of the endpoint is used with a certificate, and only then.
func TestMutualTLS(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(metadata map[string]any) {
		metadata["mtls_endpoint_aliases"] = m{"registration_endpoint": metadata["registration_endpoint"]}
		metadata["registration_endpoint"] = s.URL + "/without-a-certificate"
	}
	r := registrar(s)
	if _, err := r.Register(t.Context(), app()); err == nil || s.Hits("/register") > 0 {
		t.Error("the address for certificates was used without one:", err)
	}
	r.MutualTLS = true
	if _, err := r.Register(t.Context(), app()); err != nil {
		t.Error(err)
	}
}

// TestTokenStaysAtTheServer: the registration access token is sent to no other server.
func TestTokenStaysAtTheServer(t *testing.T) {
	s, evil := optest.New(t), optest.New(t)
	r := registrar(s)
	good := register(t, s, app())
	for _, uri := range []string{"", evil.URL + "/registered?client=1", "http://as.example/registered", "/registered?client=1", "https://" + strings.TrimPrefix(s.URL, "http://"), "%zz"} {
		bad := *good
		bad.URI = uri
		if _, err := r.Read(t.Context(), &bad); err == nil {
			t.Errorf("%q was asked", uri)
		}
		if _, err := r.Update(t.Context(), &bad); err == nil {
			t.Errorf("%q was changed", uri)
		}
		if err := r.Delete(t.Context(), &bad); err == nil {
			t.Errorf("%q was deleted", uri)
		}
	}
	for _, nobody := range []*registration.Registered{nil, {}, {URI: good.URI}, {AccessToken: good.AccessToken}} {
		_, reading := r.Read(t.Context(), nobody)
		_, updating := r.Update(t.Context(), nobody)
		if reading == nil || updating == nil || r.Delete(t.Context(), nobody) == nil {
			t.Error("a registration that cannot be managed was")
		}
	}
	if evil.Hits("/registered") != 0 || s.Hits("/registered") != 0 {
		t.Error("something was sent")
	}
}

// TestAnotherClient: a response about another client is rejected.
func TestAnotherClient(t *testing.T) {
	s := optest.New(t)
	good := register(t, s, app())
	s.Registration = func(m map[string]any) { m["client_id"] = "another" }
	if got, err := registrar(s).Read(t.Context(), good); err == nil {
		t.Errorf("got %v", got)
	}
}
