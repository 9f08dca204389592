package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// TestScopeAsArray: a scope that is an array of strings is accepted, as in rs.
func TestScopeAsArray(t *testing.T) {
	for _, test := range []struct {
		scope any
		want  string // "" and not ok: rejected
		ok    bool
	}{
		{[]string{"openid", "photos.read"}, "openid photos.read", true}, {"openid photos.read", "openid photos.read", true}, {[]string{}, "", true},
		{7, "", false}, {[]any{"openid", 7}, "", false}, {m{}, "", false},
	} {
		s := optest.New(t)
		s.Token = func(out map[string]any) { out["scope"] = test.scope }
		tokens, err := login(t, s, newClient(t, config(s)))
		if (err == nil) != test.ok || test.ok && strings.Join(tokens.Scopes, " ") != test.want {
			t.Errorf("%v: %v, %v", test.scope, tokens, err)
		}
	}
}

// TestManyGroups: the large ID token of a user in many groups is accepted.
func TestManyGroups(t *testing.T) {
	for size, ok := range map[int]bool{0: false, 64 << 10: true} {
		s := optest.New(t)
		s.EditID = func(claims map[string]any) {
			var groups []string
			for i := range 547 {
				groups = append(groups, fmt.Sprintf("organisation:a-team-with-a-name-%04d", i))
			}
			claims["groups"] = groups
		}
		cfg := config(s)
		cfg.MaxSize = size
		if _, err := login(t, s, newClient(t, cfg)); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "MaxSize") {
			t.Errorf("MaxSize %d: %v", size, err)
		}
	}
	for _, size := range []int{-1, 64<<10 + 1} {
		cfg := config(optest.New(t))
		cfg.MaxSize = size
		if _, err := client.New(cfg); err == nil {
			t.Errorf("MaxSize %d: accepted", size)
		}
	}
}

// TestTokenTypes: a token_type that Config.TokenTypes lists is accepted as a bearer token, and
// never as a bound token. TE-03.
func TestTokenTypes(t *testing.T) {
	for _, test := range []struct {
		kind  string
		named []string
		bound bool
		ok    bool
	}{
		{"access_token", nil, false, false}, {"access_token", []string{"access_token"}, false, true}, {"Access_Token", []string{"access_token"}, false, true},
		{"mac", []string{"access_token"}, false, false}, {"access_token", []string{"access_token"}, true, false}, {"bearer", []string{"access_token"}, false, true},
	} {
		s := optest.New(t)
		s.Token = func(out map[string]any) { out["token_type"] = test.kind }
		cfg := config(s)
		cfg.TokenTypes = test.named
		if test.bound {
			cfg.DPoP = &client.DPoP{}
		}
		tokens, err := login(t, s, newClient(t, cfg))
		if (err == nil) != test.ok || test.ok && tokens.TokenType != "Bearer" {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil && !test.bound && !strings.Contains(err.Error(), "Config.TokenTypes") {
			t.Errorf("the error names no setting: %v", err)
		}
	}
	for _, kind := range []string{"", "DPoP", "dpop", "N_A"} {
		cfg := config(optest.New(t))
		cfg.TokenTypes = []string{kind}
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%q: accepted", kind)
		}
	}
}

// TestMissingNonce: InsecureMissingNonce accepts an ID token without nonce while PKCE is used. A
// wrong nonce is rejected. TOK-14.
func TestMissingNonce(t *testing.T) {
	for _, test := range []struct {
		nonce any // nil: removed
		on    bool
		ok    bool
	}{{nil, false, false}, {nil, true, true}, {"another", true, false}, {"", true, false}} {
		s := optest.New(t)
		s.EditID = func(claims map[string]any) {
			claims["nonce"] = test.nonce
			if test.nonce == nil {
				delete(claims, "nonce")
			}
		}
		cfg := config(s)
		cfg.InsecureMissingNonce = test.on
		_, err := login(t, s, newClient(t, cfg))
		if (err == nil) != test.ok {
			t.Errorf("%+v: %v", test, err)
		}
		if !test.on && !strings.Contains(err.Error(), "Config.InsecureMissingNonce") {
			t.Errorf("the error names no setting: %v", err)
		}
	}
}

// TestNoPKCE: with InsecureNoPKCE no PKCE parameter is sent, and the nonce is required.
func TestNoPKCE(t *testing.T) {
	s := optest.New(t)
	s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		if r.PostFormValue("code_verifier") != "" {
			optest.JSON(w, 401, m{"error": "invalid_client", "error_description": "Client authentication failed"})
			return
		}
		claims := s.IDClaims()
		claims["nonce"] = r.Header.Get("Nonce")
		optest.JSON(w, 200, m{"access_token": "a", "token_type": "Bearer", "id_token": s.Keys[0].Sign(claims, nil)})
	})
	if _, err := login(t, s, newClient(t, config(s))); err == nil || !strings.Contains(err.Error(), "PKCE") || !strings.Contains(err.Error(), "Config.InsecureNoPKCE") {
		t.Errorf("a server that rejects the code_verifier: %v", err)
	}
	s.Replace("/token", nil)
	cfg := config(s)
	cfg.InsecureNoPKCE = true
	s.EditID = func(claims map[string]any) {}
	c := newClient(t, cfg)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	pushed := s.Form("/par")
	if pushed.Has("code_challenge") || pushed.Has("code_challenge_method") || pending.CodeVerifier != "" || pending.Nonce == "" {
		t.Errorf("%s, pushed %v", redirect, pushed)
	}
	// The test server compares PKCE with method plain and an empty challenge.
	if _, err := c.Finish(t.Context(), pending, s.Visit(t, redirect)); err != nil || s.Form("/token").Has("code_verifier") {
		t.Errorf("%v", err)
	}
	redirect, pending, err = c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	pending.Nonce = ""
	if _, err := c.Finish(t.Context(), pending, s.Visit(t, redirect)); err == nil || !strings.Contains(err.Error(), "neither a code_verifier nor a nonce") {
		t.Errorf("neither PKCE nor nonce: %v", err)
	}
	if _, err := c.Exchange(t.Context(), "canary-code", pkce.New()); err == nil {
		t.Error("Exchange without PKCE")
	}
	_, pending, _ = newClient(t, config(s)).Begin(t.Context(), client.Request{})
	pending.CodeVerifier = ""
	if _, err := newClient(t, config(s)).Finish(t.Context(), pending, nil); err == nil {
		t.Error("a login without verifier, where PKCE is in force")
	}
}

// TestOneBindingRemains: New accepts InsecureMissingNonce and InsecureNoPKCE only one at a time.
func TestOneBindingRemains(t *testing.T) {
	for says, edit := range map[string]func(*client.Config){
		"InsecureMissingNonce requires PKCE":      func(c *client.Config) { c.InsecureMissingNonce, c.InsecureNoPKCE = true, true },
		"InsecureMissingNonce requires PKCE S256": func(c *client.Config) { c.InsecureMissingNonce, c.PKCE = true, pkce.Plain },
		"InsecureNoPKCE requires a client":        func(c *client.Config) { c.InsecureNoPKCE, c.Auth = true, auth.Public() },
		"InsecureNoPKCE requires the scope":       func(c *client.Config) { c.InsecureNoPKCE, c.Scopes = true, []string{"photos"} },
	} {
		cfg := config(optest.New(t))
		edit(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
	for _, profile := range []client.Profile{client.OIDCBasic, client.OAuth21, client.FAPI2Security} {
		for name, edit := range map[string]func(*client.Config){
			"InsecureMissingNonce": func(c *client.Config) { c.InsecureMissingNonce = true }, "InsecureNoPKCE": func(c *client.Config) { c.InsecureNoPKCE = true },
			"InsecureHTTP": func(c *client.Config) { c.InsecureHTTP = true },
		} {
			cfg := config(optest.New(t))
			cfg.Profile = profile
			edit(&cfg)
			if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s accepts %s: %v", profile, name, err)
			}
		}
	}
}

// TestEntraCommon: Entra's issuers for many tenants are rejected. The error contains the preset
// to use.
func TestEntraCommon(t *testing.T) {
	complete := func(c client.Config) client.Config {
		c.ClientID, c.Auth, c.RedirectURL = "rp", auth.SecretPost("s"), "https://rp.example/cb"
		return c
	}
	for _, name := range []string{"common", "organizations", "consumers"} {
		cfg := complete(client.Entra(name))
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "EntraTenants") {
			t.Errorf("Entra(%q): %v", name, err)
		}
		cfg.Issuer = "https://login.microsoftonline.us/" + name + "/v2.0"
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), "EntraTenants") {
			t.Errorf("%s: %v", cfg.Issuer, err)
		}
		if _, err := client.New(complete(client.EntraTenants(name))); err == nil || !strings.Contains(err.Error(), "Tenants") {
			t.Errorf("EntraTenants(%q): %v", name, err)
		}
	}
	if _, err := client.New(complete(client.EntraTenants())); err == nil || !strings.Contains(err.Error(), "AcceptTenant") {
		t.Errorf("no tenants: %v", err)
	}
	if _, err := client.New(complete(client.Entra(tenant))); err != nil {
		t.Error(err)
	}
}

// TestAcceptTenant: tenants that are not known when the program starts. The function is called
// once a minute for each tenant, and only for tokens of that tenant's issuer.
func TestAcceptTenant(t *testing.T) {
	const host = "https://login.microsoftonline.com/"
	var asked atomic.Int32
	now := time.Now()
	accept := func(_ context.Context, id string) (bool, error) {
		asked.Add(1)
		if id == "33333333-2222-3333-4444-555555555555" {
			return false, errors.New("the database is down")
		}
		return id == otherTenant, nil
	}
	key := optest.NewKey("k", "RS256")
	newVerifier := func() *idtoken.Verifier {
		keys := issuerKeys{key, host + "{tenantid}/v2.0"}
		return &idtoken.Verifier{
			Issuer: host + "{tenantid}/v2.0", Tenants: []string{"listed"}, AcceptTenant: accept, ClientID: "rp",
			Keys: keys.set(t), Now: func() time.Time { return now },
		}
	}
	sign := func(k optest.Key, tid, iss string) string {
		return k.Sign(m{"iss": iss, "tid": tid, "sub": "alice", "aud": "rp", "iat": now.Unix(), "exp": now.Unix() + 3600}, nil)
	}
	v := newVerifier()
	for _, test := range []struct {
		name, tid, iss string
		key            optest.Key
		asks           int32
		ok             bool
	}{
		{"accepted", otherTenant, host + otherTenant + "/v2.0", key, 1, true},
		{"accepted, from the cache", otherTenant, host + otherTenant + "/v2.0", key, 0, true},
		{"listed", "listed", host + "listed/v2.0", key, 0, true},
		{"rejected", tenant, host + tenant + "/v2.0", key, 1, false},
		{"rejected, from the cache", tenant, host + tenant + "/v2.0", key, 0, false},
		{"an error", "33333333-2222-3333-4444-555555555555", host + "33333333-2222-3333-4444-555555555555/v2.0", key, 1, false},
		{"an error is not cached", "33333333-2222-3333-4444-555555555555", host + "33333333-2222-3333-4444-555555555555/v2.0", key, 1, false},
		{"another tenant's issuer", otherTenant, host + tenant + "/v2.0", key, 0, false},
		{"not an ID", "common", host + "common/v2.0", key, 0, false},
		{"not signed by the server", "44444444-2222-3333-4444-555555555555", host + "44444444-2222-3333-4444-555555555555/v2.0", optest.Key{ID: "k", Alg: "RS256", Private: optest.NewKey("stranger", "RS256").Private}, 0, false},
	} {
		asked.Store(0)
		_, err := v.Verify(t.Context(), sign(test.key, test.tid, test.iss), idtoken.Expected{})
		if (err == nil) != test.ok || asked.Load() != test.asks {
			t.Errorf("%s: asked %d times, %v", test.name, asked.Load(), err)
		}
	}
	now = now.Add(2 * time.Minute)
	asked.Store(0)
	if _, err := v.Verify(t.Context(), sign(key, otherTenant, host+otherTenant+"/v2.0"), idtoken.Expected{}); err != nil || asked.Load() != 1 {
		t.Errorf("after a minute: asked %d times, %v", asked.Load(), err)
	}
	v = newVerifier()
	v.InsecureSkipSignature = true
	if _, err := v.Verify(t.Context(), sign(key, tenant, host+tenant+"/v2.0"), idtoken.Expected{FromTokenEndpoint: true}); err == nil {
		t.Error("without the signature the tenant is not asked about")
	}
}

// issuerKeys is a key set as Entra ID publishes it: each key contains its issuer.
type issuerKeys struct {
	key    optest.Key
	issuer string
}

func (k issuerKeys) set(t *testing.T) idtoken.KeySet {
	t.Helper()
	jwk := k.key.JWK()
	jwk["issuer"] = k.issuer
	raw, err := json.Marshal(m{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := discovery.StaticKeys(raw)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
