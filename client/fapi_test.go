package client_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// fapiServer is a server for the FAPI profiles, with a client for it.
func fapiServer(t *testing.T) (*optest.Server, client.Config) {
	s := optest.New(t)
	s.Rotate(optest.NewKey("k1", "PS256"))
	s.Asserted = true
	s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
	cfg := fapi2()
	cfg.Issuer, cfg.RedirectURL, cfg.Profile, cfg.ResponseMode, cfg.RequestObject = s.URL, optest.RedirectURL, client.FAPI2Security, "", nil
	return s, cfg
}

// TestFAPI2Login: a login with the complete profile succeeds. Every weaker response is rejected.
// FAPI-01, FAPI-02, FAPI-04.
func TestFAPI2Login(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(s *optest.Server, cfg *client.Config)
		ok   bool
	}{
		{"good", func(*optest.Server, *client.Config) {}, true},
		{"no expires_in, the token type in capitals", func(s *optest.Server, _ *client.Config) {
			s.Token = func(m map[string]any) { delete(m, "expires_in"); m["token_type"] = "DPOP" }
		}, true},
		{"issued in 10 seconds", issuedIn(10 * time.Second), true},
		{"issued in 10 seconds, with the smallest Skew", func(s *optest.Server, cfg *client.Config) {
			issuedIn(9*time.Second)(s, cfg)
			cfg.Skew = 10 * time.Second
		}, true},
		{"issued in 61 seconds, with the largest Skew", func(s *optest.Server, cfg *client.Config) {
			issuedIn(63*time.Second)(s, cfg)
			cfg.Skew = time.Minute
		}, false},
		{"valid in 61 seconds", func(s *optest.Server, cfg *client.Config) {
			s.EditID = func(m map[string]any) { m["nbf"] = time.Now().Add(63 * time.Second).Unix() }
			cfg.Skew = time.Minute
		}, false},
		{"a bearer token", func(s *optest.Server, _ *client.Config) {
			s.Token = func(m map[string]any) { m["token_type"] = "Bearer" }
		}, false},
		{"no token type", func(s *optest.Server, _ *client.Config) {
			s.Token = func(m map[string]any) { delete(m, "token_type") }
		}, false},
		{"no iss", func(s *optest.Server, _ *client.Config) {
			s.Callback = func(q url.Values) { q.Del("iss") }
		}, false},
		{"an ID token by RS256", func(s *optest.Server, _ *client.Config) { s.Rotate(optest.NewKey("k1", "RS256")) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, cfg := fapiServer(t)
			test.edit(s, &cfg)
			tokens, err := login(t, s, newClient(t, cfg))
			if (err == nil) != test.ok {
				t.Errorf("got %v, %v", tokens, err)
			}
		})
	}
}

func issuedIn(d time.Duration) func(*optest.Server, *client.Config) {
	return func(s *optest.Server, _ *client.Config) {
		s.EditID = func(m map[string]any) { m["iat"] = time.Now().Add(d).Unix() }
	}
}

// TestProfileAfterRotation: a key of an algorithm that the profile does not allow does not sign
// after a rotation. FAPI-01.
func TestProfileAfterRotation(t *testing.T) {
	good := auth.SigningKey{KeyID: "k", Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}
	bad := auth.SigningKey{KeyID: "k", Alg: "RS256", Key: optest.NewKey("k", "RS256").Private}
	for name, edit := range map[string]func(*client.Config, auth.KeySource){
		"assertion":      func(c *client.Config, k auth.KeySource) { c.Auth = auth.PrivateKeyJWT(k, auth.Assertion{}) },
		"request object": func(c *client.Config, k auth.KeySource) { c.RequestObject = &client.RequestObject{Keys: k} },
		"DPoP proof":     func(c *client.Config, k auth.KeySource) { c.DPoP = &client.DPoP{Keys: k} },
	} {
		s, cfg := fapiServer(t)
		source := &rotating{keys: []auth.SigningKey{good, bad}}
		edit(&cfg, source)
		c := newClient(t, cfg)
		if _, _, err := c.Begin(t.Context(), client.Request{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		source.n.Store(1)
		pushed := s.Hits("/par")
		if _, _, err := c.Begin(t.Context(), client.Request{}); err == nil || s.Hits("/par") != pushed || !strings.Contains(err.Error(), "RS256") {
			t.Errorf("%s by RS256: %v", name, err)
		}
	}
}

// TestExchangeUnderProfile: Exchange is rejected if the profile checks the whole response,
// because Exchange gets only the code.
func TestExchangeUnderProfile(t *testing.T) {
	s, strict := fapiServer(t)
	signed := config(s)
	signed.ResponseMode = "jwt"
	for name, cfg := range map[string]client.Config{"FAPI 2.0": strict, "signed responses": signed} {
		if _, err := newClient(t, cfg).Exchange(t.Context(), "code", pkce.New()); err == nil || s.Hits("/token") != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExchangeDPoP: a backend that exchanges an app's code gets a token that is bound to the
// backend's key.
func TestExchangeDPoP(t *testing.T) {
	s := optest.New(t)
	s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
	cfg := config(s)
	cfg.DPoP, cfg.PAR = &client.DPoP{}, client.PAROff
	c := newClient(t, cfg)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	s.EditID = func(m map[string]any) { delete(m, "nonce") }
	tokens, err := c.Exchange(t.Context(), s.Visit(t, redirect).Get("code"), pkce.Verifier(pending.CodeVerifier))
	if err != nil || tokens.TokenType != "DPoP" || tokens.DPoPKey.Key == nil {
		t.Errorf("%v, %v", tokens, err)
	}
}

// TestFAPI1ByValue: with a request object that is not pushed, response_type and scope are also in
// the address. FAPI 1.0 Advanced §5.2.3.
func TestFAPI1ByValue(t *testing.T) {
	s, cfg := fapiServer(t)
	s.Edit = func(m map[string]any) { m["tls_client_certificate_bound_access_tokens"] = true }
	cfg.Profile, cfg.ResponseMode, cfg.CertificateBound, cfg.HTTP, cfg.DPoP = client.FAPI1Advanced, "jwt", true, withCertificate, nil
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}}
	for mode, want := range map[client.PARMode]string{client.PAROff: "client_id request response_type scope", client.PARAuto: "client_id request_uri"} {
		cfg.PAR = mode
		redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		front := query(t, redirect)
		for _, name := range strings.Fields(want) {
			if !front.Has(name) {
				t.Errorf("%s is not in the browser", name)
			}
			front.Del(name)
		}
		if len(front) != 0 {
			t.Errorf("in the browser too: %v", front)
		}
	}
	s.Edit = nil
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err == nil || !strings.Contains(err.Error(), "tls_client_certificate_bound_access_tokens") {
		t.Errorf("a server that binds nothing to certificates: %v", err)
	}
}

// TestMessageSigningIss: a signed response must contain iss, even if the metadata does not
// announce it. FAPI-03.
func TestMessageSigningIss(t *testing.T) {
	s, cfg := fapiServer(t)
	s.Edit = func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err == nil {
		t.Error("without signed responses: accepted")
	}
	cfg.Profile, cfg.ResponseMode, cfg.RequestObject = client.FAPI2MessageSigning, "jwt", fapi2().RequestObject
	c := newClient(t, cfg)
	_, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	plain := values("code", "c", "state", pending.State, "iss", s.URL)
	if _, err := c.Finish(t.Context(), pending, plain); err == nil {
		t.Error("a plain response was taken")
	}
	pending.ResponseMode = ""
	if _, err := c.Finish(t.Context(), pending, plain); err == nil || s.Hits("/token") != 0 {
		t.Error("a plain response was taken for a login that was begun without a signed one")
	}
}
