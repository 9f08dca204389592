package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestPKCEFromMetadata: metadata cannot disable PKCE. RP-06, DISC-06.
func TestPKCEFromMetadata(t *testing.T) {
	for _, test := range []struct {
		methods any
		ok      bool
	}{
		{nil, true}, {[]string{}, true}, {[]string{"S256"}, true}, {[]string{"plain", "S256"}, true}, {"S256", true}, {[]string{"plain"}, false},
	} {
		s := optest.New(t)
		s.Edit = func(m map[string]any) { m["code_challenge_methods_supported"] = test.methods }
		_, _, err := newClient(t, config(s)).Begin(t.Context(), client.Request{})
		if (err == nil) != test.ok || test.ok && s.Form("/par").Get("code_challenge_method") != "S256" || s.Form("/par").Get("code_challenge_method") == "plain" {
			t.Errorf("%v: %v, pushed %v", test.methods, err, s.Form("/par"))
		}
	}
}

// TestMetadataDoesNotWiden: what the metadata offers beyond the configuration is not used.
// DISC-06.
func TestMetadataDoesNotWiden(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) {
		m["id_token_signing_alg_values_supported"] = []string{"ES256", "none", "HS256", "RS256"}
		m["code_challenge_methods_supported"] = []string{"plain", "S256"}
		m["token_endpoint_auth_methods_supported"] = []string{"none", "client_secret_post"}
	}
	if _, err := login(t, s, newClient(t, config(s))); err != nil || !s.Form("/token").Has("Authorization") || s.Form("/token").Has("client_secret") {
		t.Errorf("%v, posted %v", err, s.Form("/token"))
	}
	s.Rotate(optest.NewKey("k1", "ES256"))
	if _, err := login(t, s, newClient(t, config(s))); err == nil {
		t.Error("an algorithm was taken from metadata")
	}
}

// TestRedirectURLIsConfigured: the same configured value is sent to both endpoints, whatever the
// visitor's request contains. RP-07.
func TestRedirectURLIsConfigured(t *testing.T) {
	s := optest.New(t)
	if _, err := login(t, s, newClient(t, config(s))); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/par", "/token"} {
		if got := s.Form(path)["redirect_uri"]; len(got) != 1 || got[0] != optest.RedirectURL {
			t.Errorf("%s got %q", path, got)
		}
	}
	for _, extra := range []string{"redirect_uri", "state", "nonce", "code_verifier", "code_challenge", "client_id", "dpop_jkt", "request"} {
		if _, _, err := newClient(t, config(s)).Begin(t.Context(), client.Request{Extra: values(extra, "x")}); err == nil {
			t.Errorf("Extra set %s", extra)
		}
	}
}

// TestEssentialACR: the ID token must have an acr that Claims requests as essential. RP-08,
// TOK-15.
func TestEssentialACR(t *testing.T) {
	acr := func(member m) any { return m{"id_token": m{"acr": member}} }
	for _, test := range []struct {
		name   string
		claims any
		got    any
		ok     bool
	}{
		{"as asked for", acr(m{"essential": true, "values": []string{"gold", "silver"}}), "silver", true},
		{"another", acr(m{"essential": true, "values": []string{"gold"}}), "bronze", false},
		{"none", acr(m{"essential": true, "value": "gold"}), nil, false},
		{"another, which was voluntary", acr(m{"values": []string{"gold"}}), "bronze", true},
		{"none asked for", m{"userinfo": m{"email": nil}, "id_token": m{"auth_time": nil}}, nil, true},
		{"no object", "gold", nil, false},
		{"no object of claims", m{"id_token": "acr"}, nil, false},
	} {
		s := optest.New(t)
		s.EditID = func(m map[string]any) {
			if test.got != nil {
				m["acr"] = test.got
			}
		}
		c := newClient(t, config(s))
		redirect, pending, err := c.Begin(t.Context(), client.Request{Claims: test.claims})
		if err == nil {
			_, err = c.Finish(t.Context(), pending, s.Visit(t, redirect))
		}
		if (err == nil) != test.ok {
			t.Errorf("%s: %v", test.name, err)
		}
		if s.Form("/par").Has("acr_values") {
			t.Errorf("%s: acr_values were sent", test.name)
		}
	}
}

// TestPromptLogin: with prompt=login an old auth_time is rejected. RP-08.
func TestPromptLogin(t *testing.T) {
	for _, test := range []struct {
		prompt string
		age    time.Duration // of auth_time; 0 means none
		ok     bool
	}{
		{"login", time.Second, true}, {"login", 0, true}, {"login", time.Hour, false}, {"consent", time.Hour, true},
	} {
		s := optest.New(t)
		s.EditID = func(m map[string]any) {
			if test.age != 0 {
				m["auth_time"] = time.Now().Add(-test.age).Unix()
			}
		}
		c := newClient(t, config(s))
		redirect, pending, err := c.Begin(t.Context(), client.Request{Prompt: []string{test.prompt}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Finish(t.Context(), pending, s.Visit(t, redirect)); (err == nil) != test.ok {
			t.Errorf("prompt=%s, signed in %v ago: %v", test.prompt, test.age, err)
		}
	}
}

// TestListsOfWords: a value with a space is rejected, because the server would read several
// values. RP-08.
func TestListsOfWords(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for name, req := range map[string]client.Request{
		"prompt": {Prompt: []string{"login consent"}}, "prompt, empty": {Prompt: []string{""}}, "prompt, a tab": {Prompt: []string{"login\t"}},
		"acr_values": {ACRValues: []string{"a b"}}, "acr_values, empty": {ACRValues: []string{"a", ""}}, "ui_locales": {UILocales: []string{"de fr"}},
	} {
		if redirect, _, err := c.Begin(t.Context(), req); err == nil {
			t.Errorf("%s: %s", name, redirect)
		}
	}
	good := client.Request{Prompt: []string{"login", "consent"}, ACRValues: []string{"urn:a#b", "\u00e4"}, UILocales: []string{"de-CH", "fr"}}
	if _, _, err := c.Begin(t.Context(), good); err != nil {
		t.Error(err)
	}
}

// TestEndpointQuery: the query of the authorization endpoint is kept, and no parameter appears
// twice.
func TestEndpointQuery(t *testing.T) {
	for query, ok := range map[string]bool{"?p=B2C_1&x": true, "?": true, "?client_id=other": false, "?p=1&scope=x": false, "?st%61te=x": false} {
		s := optest.New(t)
		s.Edit = func(m map[string]any) { m["authorization_endpoint"] = s.URL + "/authorize" + query }
		cfg := config(s)
		cfg.PAR = client.PAROff
		redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
		if (err == nil) != ok || ok && !strings.HasPrefix(redirect, s.URL+"/authorize"+query) {
			t.Errorf("%s: %s, %v", query, redirect, err)
		}
	}
}

// TestPendingFits: a Pending that Begin did not make is rejected before its code is sent. RP-02,
// RP-20.
func TestPendingFits(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for name, edit := range map[string]func(*client.Pending){
		"no code_verifier":     func(p *client.Pending) { p.CodeVerifier = "" },
		"a short one":          func(p *client.Pending) { p.CodeVerifier = "x" },
		"no redirect_uri":      func(p *client.Pending) { p.RedirectURL = "" },
		"no state":             func(p *client.Pending) { p.State = "" },
		"never begun":          func(p *client.Pending) { p.CreatedAt = time.Time{} },
		"hybrid, and no nonce": func(p *client.Pending) { p.ResponseType, p.Nonce = client.ResponseCodeIDToken, "" },
	} {
		pending, q := begun(t, s, c)
		edit(pending)
		if pending.ResponseType != "" {
			q.Set("id_token", frontToken(s, pending, q.Get("code"), m{"nonce": nil}))
		}
		if _, err := c.Finish(t.Context(), pending, q); err == nil || s.Hits("/token") != 0 {
			t.Errorf("%s: %v, %d token requests", name, err, s.Hits("/token"))
		}
	}
	pending, q := begun(t, s, c) // hybrid without openid: there are still two ID tokens
	pending.ResponseType, pending.Scopes = client.ResponseCodeIDToken, nil
	q.Set("id_token", frontToken(s, pending, q.Get("code"), nil))
	s.Token = func(out map[string]any) { delete(out, "id_token") }
	if tokens, err := c.Finish(t.Context(), pending, q); err == nil {
		t.Errorf("got %v", tokens)
	}
}

// TestConfigIsCopied: a change of Config after New has no effect.
func TestConfigIsCopied(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.IDTokenAlgs, cfg.DPoP = []string{"RS256"}, &client.DPoP{}
	c := newClient(t, cfg)
	cfg.IDTokenAlgs[0], cfg.DPoP.InsecureAllowBearer = "ES256", true
	if _, err := login(t, s, c); err == nil {
		t.Error("a switch was thrown after New")
	}
	s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
	if _, err := login(t, s, c); err != nil {
		t.Errorf("an algorithm was exchanged after New: %v", err)
	}
}

// TestStaticMetadata: configured metadata is copied too. It must contain what a login needs.
// DISC-05.
func TestStaticMetadata(t *testing.T) {
	m := &discovery.Metadata{Issuer: "https://as.example", AuthorizationEndpoint: "https://as.example/a", TokenEndpoint: "https://as.example/t"}
	cfg := client.Config{Issuer: m.Issuer, Metadata: m, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "JWKSURI") {
		t.Errorf("an ID token without keys to check it: %v", err)
	}
	cfg.Scopes = []string{"api"}
	c := newClient(t, cfg)
	m.AuthorizationEndpoint = "https://other.example/a"
	redirect, _, err := c.Begin(t.Context(), client.Request{})
	if err != nil || !strings.HasPrefix(redirect, "https://as.example/a?") {
		t.Errorf("%s, %v", redirect, err)
	}
	cfg.Scopes, cfg.IDTokenKeys = nil, idtoken.SecretKeys("canary secret of thirty-two bytes")
	newClient(t, cfg)
}

// TestRequestDoesNotPrint: IDTokenHint is a token and is not printed. LOG-01.
func TestRequestDoesNotPrint(t *testing.T) {
	var log bytes.Buffer
	r := client.Request{IDTokenHint: "eyJcanary", LoginHint: "canary@example.com", Extra: values("x", "canary"), Prompt: []string{"login"}}
	for _, v := range []any{r, &r} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
			noCanary(t, fmt.Sprintf(verb, v))
		}
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	}
	if noCanary(t, log.String()); !strings.Contains(log.String(), "login") {
		t.Errorf("the log says %s", log.String())
	}
	if raw, err := json.Marshal(r); err != nil || bytes.Contains(raw, []byte("eyJ")) {
		t.Errorf("%s, %v", raw, err)
	}
}

// TestAuthorizeType: the type of a stored token is compared without case. A token of an unknown
// type is not sent. TE-03.
func TestAuthorizeType(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	c := newClient(t, cfg)
	key := auth.SigningKey{Key: optest.NewKey("k", "ES256").Private}
	for kind, want := range map[string]string{"DPoP": "DPoP t", "dpop": "DPoP t", "Bearer": "Bearer t", "bearer": "Bearer t", "": "Bearer t", "mac": "", "N_A": ""} {
		r := httptest.NewRequest("GET", "https://api.example/", nil)
		err := c.Authorize(r, &client.Tokens{Token: &oauth2.Token{AccessToken: "t", TokenType: kind}, DPoPKey: key})
		if got := r.Header.Get("Authorization"); got != want || (err == nil) != (want != "") {
			t.Errorf("type %q: %q, %v", kind, got, err)
		}
	}
}

// TestUserInfoOfStoredTokens: sub is compared with Tokens.Login. TOK-20.
func TestUserInfoOfStoredTokens(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for subject, ok := range map[string]bool{optest.Subject: true, "mallory": false, "": false} {
		stored := &client.Tokens{Token: &oauth2.Token{AccessToken: "t"}, Login: &idtoken.Original{Subject: subject}}
		if _, err := c.UserInfo(t.Context(), stored); (err == nil) != ok {
			t.Errorf("%q: %v", subject, err)
		}
	}
}

// TestAuthorizedParties: azp is the other client of a pair. TOK-12.
func TestAuthorizedParties(t *testing.T) {
	s := optest.New(t)
	s.EditID = func(m map[string]any) { m["azp"] = "the app" }
	cfg := config(s)
	if _, err := login(t, s, newClient(t, cfg)); err == nil {
		t.Error("accepted without the switch")
	}
	cfg.AuthorizedParties = []string{"the app"}
	if _, err := login(t, s, newClient(t, cfg)); err != nil {
		t.Error(err)
	}
}

// TestRequestObjectSwitches: the settings for aud and typ of a request object. JAR-01.
func TestRequestObjectSwitches(t *testing.T) {
	k := optest.NewKey("jar", "PS256")
	s := optest.New(t)
	cfg := config(s)
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{Alg: "PS256", Key: k.Private}, Audience: "https://as.example/authorize", Typ: "JWT"}
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err != nil {
		t.Fatal(err)
	}
	if claims := objectClaims(t, k, s.Form("/par").Get("request")); claims.Get("aud") != "https://as.example/authorize" {
		t.Errorf("claims %v", claims)
	}
	for _, name := range []string{"sub", "aud", "iss", "exp", "nbf", "iat", "jti"} {
		if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{Extra: values(name, optest.ClientID)}); err == nil {
			t.Errorf("the object was given %s", name)
		}
	}
	cfg.RequestObject = &client.RequestObject{Keys: cfg.RequestObject.Keys, EncryptionAlg: "RSA-OAEP-256", EncryptionEnc: "A256GCM", Lifetime: time.Hour}
	if _, err := client.New(cfg); err == nil {
		t.Error("New takes a Lifetime of an hour of an encrypted object")
	}
}

// TestPublisher: a published request_uri must be https, and short.
func TestPublisher(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.PAR = client.PAROff
	for uri, ok := range map[string]bool{
		"https://rp.example/o/1": true, "https://rp.example/o/1#hash": true, "http://rp.example/o/1": false, "urn:x": false, "": false, "https:///o": false,
		"https://u@rp.example/o": false, "https://rp.example/" + strings.Repeat("x", 512): false,
	} {
		cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{Key: optest.NewKey("jar", "ES256").Private}, Publisher: publisher(uri)}
		redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
		if (err == nil) != ok || ok && query(t, redirect).Get("request_uri") != uri {
			t.Errorf("%.60s: %s, %v", uri, redirect, err)
		}
	}
}

type publisher string

func (p publisher) Publish(context.Context, string) (string, error) { return string(p), nil }
