package client_test

import (
	"errors"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// The settings for servers that deviate: each is off by default, and then the deviation is
// rejected.

func TestSecretFromMetadata(t *testing.T) {
	for _, test := range []struct {
		methods []string
		basic   bool
	}{
		{nil, true}, {[]string{"client_secret_basic", "client_secret_post"}, true}, {[]string{"client_secret_post", "private_key_jwt"}, false}, {[]string{"private_key_jwt"}, true},
	} {
		s := optest.New(t)
		s.Edit = func(m map[string]any) { m["token_endpoint_auth_methods_supported"] = test.methods }
		cfg := config(s)
		cfg.Auth = auth.Secret(optest.ClientSecret)
		if _, err := login(t, s, newClient(t, cfg)); err != nil {
			t.Errorf("%v: %v", test.methods, err)
		}
		for _, path := range []string{"/par", "/token"} {
			if form := s.Form(path); form.Has("Authorization") != test.basic || form.Has("client_secret") == test.basic || s.Hits(path) != 1 {
				t.Errorf("%v: %s got %v in %d requests", test.methods, path, form, s.Hits(path))
			}
		}
	}
	if _, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "rp", RedirectURL: "https://rp.example/cb", Auth: auth.Secret("")}); err == nil {
		t.Error("an empty secret was accepted")
	}
}

func TestSecretBasicRaw(t *testing.T) {
	a, r := auth.SecretBasicRaw("a+b:c"), httptest.NewRequest("POST", "/", nil)
	if err := a.For("rp@1", "").Authenticate(r, url.Values{}); err != nil || r.Header.Get("Authorization") != "Basic cnBAMTphK2I6Yw==" { // rp@1:a+b:c
		t.Errorf("got %s, %v", r.Header.Get("Authorization"), err)
	}
}

// TestRefusedClient: the error for invalid_client names the setting that may help, if there is one.
// Some servers do not decode the secret, others do not implement RFC 10070.
func TestRefusedClient(t *testing.T) {
	s := optest.New(t)
	s.Replace("/token", answer(401, "application/json", `{"error":"invalid_client"}`))
	for name, test := range map[string]struct {
		auth auth.Method
		told string
	}{
		"encoded":             {auth.SecretBasic("canary+b c"), "SecretBasicRaw"},
		"encoded, chosen":     {auth.Secret("canary!"), "SecretBasicRaw"},
		"nothing to encode":   {auth.SecretBasic("canary-b_c.d"), ""},
		"raw":                 {auth.SecretBasicRaw("canary+b c"), ""},
		"in the form":         {auth.SecretPost("canary+b c"), ""},
		"an assertion":        {auth.SecretJWT(strings.Repeat("canary", 6), auth.Assertion{}), "Assertion.Audience"},
		"an assertion of old": {auth.SecretJWT(strings.Repeat("canary", 6), auth.Assertion{Audience: s.URL + "/token", Typ: "JWT"}), ""},
	} {
		cfg := config(s)
		cfg.Auth = test.auth
		_, err := grant.ClientCredentials(t.Context(), newClient(t, cfg), client.TokenRequest{})
		var e *client.TokenError
		if !errors.As(err, &e) || e.Code != "invalid_client" || !strings.Contains(err.Error(), test.told) || strings.Contains(err.Error(), " (if ") != (test.told != "") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRequireIss(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") }
	s.Callback = func(q url.Values) { q.Del("iss") }
	cfg := config(s)
	if _, err := login(t, s, newClient(t, cfg)); err != nil {
		t.Error(err)
	}
	cfg.RequireIss = true
	if _, err := login(t, s, newClient(t, cfg)); err == nil || !strings.Contains(err.Error(), "iss is missing") {
		t.Errorf("got %v", err)
	}
}

func TestDefaultLifetime(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.DefaultLifetime = time.Hour
	for _, test := range []struct {
		name string
		edit func(map[string]any)
		want int64
	}{
		{"missing", func(m map[string]any) { delete(m, "expires_in") }, 3600},
		{"null", func(m map[string]any) { m["expires_in"] = nil }, 3600},
		{"there", func(map[string]any) {}, 300},
		{"0", func(m map[string]any) { m["expires_in"] = 0 }, 0},
	} {
		s.Token = test.edit
		tokens, err := login(t, s, newClient(t, cfg))
		if err != nil || tokens.ExpiresIn != test.want {
			t.Errorf("%s: %v, %v", test.name, tokens, err)
		}
	}
	for _, wrong := range []time.Duration{-1, 11 * 365 * 24 * time.Hour} {
		if cfg.DefaultLifetime = wrong; !refused(cfg) {
			t.Errorf("a lifetime of %v was accepted", wrong)
		}
	}
}

func refused(cfg client.Config) bool {
	_, err := client.New(cfg)
	return err != nil
}

func TestMissingTokenType(t *testing.T) {
	s := optest.New(t)
	s.Token = func(m map[string]any) { delete(m, "token_type") }
	cfg := config(s)
	if _, err := login(t, s, newClient(t, cfg)); err == nil {
		t.Error("accepted without the switch")
	}
	cfg.InsecureMissingTokenType = true
	if tokens, err := login(t, s, newClient(t, cfg)); err != nil || tokens.TokenType != "Bearer" {
		t.Errorf("%v, %v", tokens, err)
	}
	cfg.DPoP = &client.DPoP{InsecureAllowBearer: true}
	if _, err := login(t, s, newClient(t, cfg)); err == nil {
		t.Error("accepted where DPoP was asked for")
	}
}

// TestDraftLogout: LO-01, for servers that omit exp.
func TestDraftLogout(t *testing.T) {
	s := optest.New(t)
	for _, switched := range []bool{false, true} {
		cfg := config(s)
		cfg.InsecureDraftLogout = switched
		token := s.Keys[0].Sign(m{
			"iss": s.URL, "aud": optest.ClientID, "iat": time.Now().Unix(), "jti": "1", "sid": "s1",
			"events": m{"http://schemas.openid.net/event/backchannel-logout": m{}},
		}, nil)
		got, err := newClient(t, cfg).VerifyLogout(t.Context(), token, nil)
		if (err == nil) != switched || switched && got.SessionID != "s1" {
			t.Errorf("with the switch %t: %+v, %v", switched, got, err)
		}
	}
}

// TestSkipSignature is TOK-22: with InsecureSkipSignature the ID token of the token endpoint is
// accepted without a signature check. Without TLS it is rejected.
func TestSkipSignature(t *testing.T) {
	for _, test := range []struct {
		name          string
		switched, tls bool
		ok            bool
	}{
		{"over TLS, by its name", true, true, true},
		{"over TLS, without a word", false, true, false},
		{"without TLS", true, false, false},
	} {
		s := optest.New(t)
		at, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		front := httptest.NewTLSServer(httputil.NewSingleHostReverseProxy(at))
		t.Cleanup(front.Close)
		s.Edit = func(m map[string]any) {
			if test.tls {
				m["token_endpoint"] = front.URL + "/token"
			}
		}
		s.Replace("/jwks", answer(200, "application/json", `{"keys":[]}`))
		cfg := config(s)
		cfg.HTTP, cfg.InsecureSkipSignature = front.Client(), test.switched
		tokens, err := login(t, s, newClient(t, cfg))
		if (err == nil) != test.ok || test.ok && tokens.Login.Subject != optest.Subject {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
