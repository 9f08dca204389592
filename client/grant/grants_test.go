package grant_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// daemon is a client of the test server that signs in no user.
func daemon(s *optest.Server) client.Config {
	cfg := config(s)
	cfg.RedirectURL = ""
	return cfg
}

// sent returns the form that was posted to a path, without the client authentication.
func sent(s *optest.Server, path string) url.Values {
	form := s.Form(path)
	form.Del("Authorization")
	return form
}

// stepOf returns the step at which a call failed.
func stepOf(err error) client.Step {
	var e *client.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Step
}

func TestClientCredentials(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	tokens, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{
		Scopes: []string{"photos.read", "openid"}, Resources: []string{"https://api.example/", "https://other.example/"},
		AuthorizationDetails: []m{{"type": "payment"}}, Extra: url.Values{"audience": {"photos"}},
	})
	if err != nil || tokens.AccessToken == "" || !tokens.Valid() || strings.Join(tokens.Scopes, " ") != "photos.read openid" {
		t.Fatalf("%v, %v", tokens, err)
	}
	same(t, "token request", sent(s, "/token"), url.Values{
		"grant_type": {"client_credentials"}, "scope": {"photos.read openid"}, "resource": {"https://api.example/", "https://other.example/"},
		"authorization_details": {`[{"type":"payment"}]`}, "audience": {"photos"},
	})
	if tokens.IDToken != nil || tokens.RefreshToken != "" || tokens.Extra("id_token") != nil || tokens.Extra("refresh_token") != nil {
		t.Errorf("more than an access token was taken: %v", tokens)
	}
	if tokens, err = grant.ClientCredentials(t.Context(), c, client.TokenRequest{}); err != nil || len(tokens.Scopes) != 0 || sent(s, "/token").Has("scope") {
		t.Errorf("without a scope: %v, %v", tokens, err)
	}
}

func TestClientCredentialsRefused(t *testing.T) {
	s := optest.New(t)
	for name, test := range map[string]struct {
		edit func(*client.Config)
		req  client.TokenRequest
	}{
		"a public client":     {edit: func(c *client.Config) { c.ClientID, c.Auth = optest.PublicID, auth.Public() }},
		"a parameter of ours": {req: client.TokenRequest{Extra: url.Values{"grant_type": {"x"}}}},
		"another one":         {req: client.TokenRequest{Extra: url.Values{"client_secret": {"x"}}}},
		"two scopes in one":   {req: client.TokenRequest{Scopes: []string{"a b"}}},
		"a relative resource": {req: client.TokenRequest{Resources: []string{"/api"}}},
		"details not in JSON": {req: client.TokenRequest{AuthorizationDetails: func() {}}},
	} {
		cfg := daemon(s)
		if test.edit != nil {
			test.edit(&cfg)
		}
		if tokens, err := grant.ClientCredentials(t.Context(), newClient(t, cfg), test.req); tokens != nil || stepOf(err) != client.StepToken {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
	cfg := daemon(s)
	cfg.Auth = auth.SecretBasic("canary-wrong")
	_, err := grant.ClientCredentials(t.Context(), newClient(t, cfg), client.TokenRequest{})
	var e *client.TokenError
	if !errors.As(err, &e) || e.Code != "invalid_client" || e.Status != 401 {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestGrantAnswers: the response to every grant is checked as strictly as that of a login. TE-01
// to TE-06.
func TestGrantAnswers(t *testing.T) {
	const js = "application/json"
	foreign := optest.New(t)
	for name, h := range map[string]http.HandlerFunc{
		"HTML":                 answer(200, "text/html", "<html>"),
		"an error with 200":    answer(200, js, `{"error":"invalid_grant","access_token":"canary","token_type":"Bearer"}`),
		"no token type":        answer(200, js, `{"access_token":"canary","issued_token_type":"urn:x"}`),
		"token type mac":       answer(200, js, `{"access_token":"canary","token_type":"mac","issued_token_type":"urn:x"}`),
		"a member twice":       answer(200, js, `{"access_token":"canary","access_token":"b","token_type":"Bearer"}`),
		"a token with a space": answer(200, js, `{"access_token":"canary b","token_type":"Bearer","issued_token_type":"urn:x"}`),
		"a negative lifetime":  answer(200, js, `{"access_token":"canary","token_type":"Bearer","expires_in":-1,"issued_token_type":"urn:x"}`),
		"a refusal":            answer(400, js, `{"error":"invalid_scope"}`),
		"an outage":            answer(503, "text/plain", "later"),
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, foreign.URL+"/token", http.StatusTemporaryRedirect)
		},
		"N_A, an access token":   answer(200, js, `{"access_token":"canary","token_type":"N_A","issued_token_type":"`+grant.AccessTokenType+`"}`),
		"an ID token that is no": answer(200, js, `{"access_token":"canary","token_type":"Bearer","issued_token_type":"urn:x","id_token":"a.b.c"}`),
	} {
		s := optest.New(t)
		s.Replace("/token", h)
		c := newClient(t, daemon(s))
		for grant, err := range everyGrant(t, c) {
			if grant == "client credentials" && name == "an ID token that is no" {
				continue // the value is not read
			}
			if step := stepOf(err); step != client.StepToken && step != client.StepIDToken {
				t.Errorf("%s, %s: %v", grant, name, err)
				continue
			}
			noCanary(t, err.Error())
		}
	}
	if foreign.Hits("/token") != 0 {
		t.Error("a grant was sent elsewhere")
	}
}

// everyGrant calls the grants that are one token request, and returns their errors.
func everyGrant(t *testing.T, c *client.Client) map[string]error {
	out := map[string]error{}
	_, out["client credentials"] = grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
	_, out["JWT bearer"] = grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Assertion: "eyJ.canary.x"})
	_, out["token exchange"] = grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{SubjectToken: "canary-subject"})
	_, out["extension"] = c.Grant(t.Context(), client.Grant{Type: "urn:example:grant", Form: url.Values{"secret": {"canary-in-form"}}})
	return out
}

// TestGrantAuthentication: every grant is sent with the client authentication. With a certificate
// it is sent to the aliases of the endpoints.
func TestGrantAuthentication(t *testing.T) {
	for name, auth := range map[string]auth.Method{
		"Authorization": auth.SecretBasic(optest.ClientSecret), "client_secret": auth.SecretPost(optest.ClientSecret),
		"client_assertion": auth.SecretJWT("canary: a secret that is long enough", auth.Assertion{}),
	} {
		s := optest.New(t)
		cfg := daemon(s)
		cfg.Auth = auth
		c := newClient(t, cfg)
		everyGrant(t, c)
		if form := s.Form("/token"); !form.Has(name) || form.Get("grant_type") != "urn:example:grant" || s.Hits("/token") != 4 {
			t.Errorf("%s: %v", name, form)
		}
		grant.BeginDevice(t.Context(), c, client.TokenRequest{})
		grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice"})
		if !s.Form("/device").Has(name) || !s.Form("/backchannel").Has(name) {
			t.Errorf("%s: %v, %v", name, s.Form("/device"), s.Form("/backchannel"))
		}
	}
}

func TestJWTBearer(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	if _, err := grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Assertion: "eyJ.of.another"}); err != nil {
		t.Fatal(err)
	}
	same(t, "token request", sent(s, "/token"), values("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", "eyJ.of.another"))

	key := optest.NewKey("k1", "ES256")
	own := grant.AssertionRequest{
		Keys: auth.SigningKey{KeyID: "k1", Key: key.Private}, Subject: optest.Subject, Claims: m{"scope": "photos.read"},
		TokenRequest: client.TokenRequest{Scopes: []string{"openid"}},
	}
	tokens, err := grant.JWTBearer(t.Context(), c, own)
	if err != nil || tokens.IDToken.Subject != optest.Subject {
		t.Fatalf("%v, %v", tokens, err)
	}
	header, claims := grantAssertion(t, key, s)
	if header["typ"] != "authorization-grant+jwt" || header["kid"] != "k1" {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != optest.ClientID || claims["sub"] != optest.Subject || claims["aud"] != s.URL || claims["scope"] != "photos.read" || claims["exp"].(float64)-claims["iat"].(float64) != 60 {
		t.Errorf("claims %v", claims)
	}
	jti := claims["jti"]
	own.Issuer, own.Audience, own.Typ = "of the registration", "https://as.example/token", auth.OmitTyp
	if _, err := grant.JWTBearer(t.Context(), c, own); err != nil {
		t.Fatal(err)
	}
	header, claims = grantAssertion(t, key, s)
	if claims["jti"] == jti || claims["iss"] != own.Issuer || claims["aud"] != own.Audience || header["typ"] != nil {
		t.Errorf("%v, %v", header, claims)
	}
}

// grantAssertion returns the JWT of the last posted grant.
func grantAssertion(t *testing.T, key optest.Key, s *optest.Server) (header, claims m) {
	t.Helper()
	set, err := jose.ParseSet(optest.JWKS(key))
	if err != nil {
		t.Fatal(err)
	}
	return assertion(t, set, url.Values{
		"client_assertion": {s.Form("/token").Get("assertion")}, "client_id": {"rp:1"},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	})
}

// TestAnonymous: the JWT identifies the sender. The request has no client_id.
func TestAnonymous(t *testing.T) {
	s := optest.New(t)
	config := daemon(s)
	config.Auth = auth.Anonymous()
	var form url.Values
	var header string
	s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form, header = r.PostForm, r.Header.Get("Authorization")
		answer(200, "application/json", `{"access_token":"canary","token_type":"Bearer"}`)(w, r)
	})
	if _, err := grant.JWTBearer(t.Context(), newClient(t, config), grant.AssertionRequest{Assertion: "eyJ.of.another"}); err != nil {
		t.Fatal(err)
	}
	if want := values("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion", "eyJ.of.another"); form.Encode() != want.Encode() || header != "" {
		t.Errorf("%v, Authorization %q", form, header)
	}
}

func TestJWTBearerRefused(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	key := auth.SigningKey{Key: optest.NewKey("k1", "ES256").Private}
	for name, req := range map[string]grant.AssertionRequest{
		"neither":              {},
		"both":                 {Assertion: "a.b.c", Keys: key, Subject: "alice"},
		"no subject":           {Keys: key},
		"a claim of ours":      {Keys: key, Subject: "alice", Claims: m{"aud": "https://evil.example"}},
		"too long a life":      {Keys: key, Subject: "alice", Lifetime: 6 * 60e9},
		"a negative life":      {Keys: key, Subject: "alice", Lifetime: -1},
		"a key that is none":   {Keys: auth.SigningKey{}, Subject: "alice"},
		"a claim not for JSON": {Keys: key, Subject: "alice", Claims: m{"x": func() {}}},
		"with a line break":    {Assertion: "a.b\r\n.c"},
		"a parameter of ours":  {Assertion: "a.b.c", TokenRequest: client.TokenRequest{Extra: url.Values{"assertion": {"x"}}}},
	} {
		if tokens, err := grant.JWTBearer(t.Context(), c, req); tokens != nil || stepOf(err) != client.StepToken {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
}

func TestTokenExchange(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	tokens, err := grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{
		SubjectToken: "canary-subject", ActorToken: "canary-actor", ActorTokenType: grant.JWTType, RequestedTokenType: grant.AccessTokenType,
		Audiences: []string{"photos", "prints"}, TokenRequest: client.TokenRequest{Scopes: []string{"photos.read"}, Resources: []string{"https://api.example/"}},
	})
	if err != nil || tokens.TokenType != "Bearer" || tokens.Extra("issued_token_type") != grant.AccessTokenType {
		t.Fatalf("%v, %v", tokens, err)
	}
	same(t, "token request", sent(s, "/token"), url.Values{
		"grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"}, "scope": {"photos.read"}, "resource": {"https://api.example/"},
		"subject_token": {"canary-subject"}, "subject_token_type": {grant.AccessTokenType}, "actor_token": {"canary-actor"},
		"actor_token_type": {grant.JWTType}, "requested_token_type": {grant.AccessTokenType}, "audience": {"photos", "prints"},
	})
}

// TestTokenExchangeType compares the response with the requested type. RFC 8693 §2.2.1.
func TestTokenExchangeType(t *testing.T) {
	for _, test := range []struct {
		name, asked, issued, kind string
		ok                        bool
	}{
		{"an access token", "", grant.AccessTokenType, "Bearer", true},
		{"a JWT that gives access", grant.JWTType, grant.JWTType, "bearer", true},
		{"an ID token", grant.IDTokenType, grant.IDTokenType, "N_A", true},
		{"a refresh token", grant.RefreshTokenType, grant.RefreshTokenType, "n_a", true},
		{"nothing said of the type", "", "", "Bearer", false},
		{"another type", grant.AccessTokenType, grant.JWTType, "Bearer", false},
		{"an access token for nothing", grant.AccessTokenType, grant.AccessTokenType, "N_A", false},
		{"an unknown token type", "", grant.JWTType, "pop", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Token = func(out map[string]any) {
				out["token_type"], out["issued_token_type"] = test.kind, test.issued
			}
			c := newClient(t, daemon(s))
			tokens, err := grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{SubjectToken: "canary", SubjectTokenType: grant.IDTokenType, RequestedTokenType: test.asked})
			if (err == nil) != test.ok {
				t.Fatalf("%v, %v", tokens, err)
			}
			if err != nil {
				return
			}
			r, _ := http.NewRequest("GET", "https://api.example", nil)
			if usable := c.Authorize(r, tokens) == nil; usable == strings.EqualFold(test.kind, "N_A") || usable != (r.Header.Get("Authorization") != "") {
				t.Errorf("token type %s is authorized with: %v", tokens.TokenType, usable)
			}
		})
	}
}

// TestNotApplicable: the type N_A is accepted only for a token exchange.
func TestNotApplicable(t *testing.T) {
	s := optest.New(t)
	s.Token = func(out map[string]any) { out["token_type"], out["issued_token_type"] = "N_A", grant.JWTType }
	if tokens, err := grant.ClientCredentials(t.Context(), newClient(t, daemon(s)), client.TokenRequest{}); err == nil {
		t.Errorf("accepted: %v", tokens)
	}
	if tokens, err := login(t, s, newClient(t, config(s))); err == nil {
		t.Errorf("accepted: %v", tokens)
	}
}

func TestTokenExchangeRefused(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	for name, req := range map[string]grant.ExchangeRequest{
		"no subject":                 {},
		"a type of no actor":         {SubjectToken: "canary", ActorTokenType: grant.JWTType},
		"a type that is no URI":      {SubjectToken: "canary", SubjectTokenType: "jwt"},
		"a wanted type that is none": {SubjectToken: "canary", RequestedTokenType: "access_token"},
		"audience in Extra":          {SubjectToken: "canary", TokenRequest: client.TokenRequest{Extra: url.Values{"audience": {"x"}}}},
		"a parameter of ours":        {SubjectToken: "canary", TokenRequest: client.TokenRequest{Extra: url.Values{"subject_token": {"x"}}}},
	} {
		if tokens, err := grant.TokenExchange(t.Context(), c, req); tokens != nil || stepOf(err) != client.StepToken {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
}

func TestGrant(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	form := url.Values{"scope": {"openid"}, "ticket": {"canary-ticket"}}
	tokens, err := c.Grant(t.Context(), client.Grant{Type: "urn:example:grant", Form: form})
	if err != nil || tokens.IDToken.Subject != optest.Subject || strings.Join(tokens.Scopes, " ") != "openid" || tokens.RefreshToken == "" {
		t.Fatalf("%v, %v", tokens, err)
	}
	same(t, "token request", sent(s, "/token"), values("grant_type", "urn:example:grant", "scope", "openid", "ticket", "canary-ticket"))
	if len(form) != 2 {
		t.Errorf("the caller's form is now %v", form)
	}
	if _, err := c.Grant(t.Context(), client.Grant{Type: "of_the_servers-own.1"}); stepOf(err) != client.StepToken || !strings.Contains(err.Error(), "unsupported_grant_type") {
		t.Errorf("got %v", err)
	}
	s.EditID = func(claims map[string]any) { claims["nonce"] = "of another request" }
	if tokens, err := c.Grant(t.Context(), client.Grant{Type: "urn:example:grant", Form: form}); stepOf(err) != client.StepIDToken {
		t.Errorf("an ID token of another request: %v, %v", tokens, err)
	}
}

func TestGrantRefused(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, daemon(s))
	for _, grantType := range []string{
		"", "authorization_code", "refresh_token", "client_credentials", "password", "two words", "a/b", "urn:x\r\n", "http://as.example/ä",
		"urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
		"urn:ietf:params:oauth:grant-type:device_code", "urn:openid:params:grant-type:ciba",
	} {
		if tokens, err := c.Grant(t.Context(), client.Grant{Type: grantType, Form: url.Values{}}); tokens != nil || stepOf(err) != client.StepToken {
			t.Errorf("%q: %v, %v", grantType, tokens, err)
		}
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if tokens, err := c.Grant(t.Context(), client.Grant{Type: "urn:example:grant", Form: url.Values{name: {"x"}}}); tokens != nil || stepOf(err) != client.StepToken {
			t.Errorf("with %s: %v, %v", name, tokens, err)
		}
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
}
