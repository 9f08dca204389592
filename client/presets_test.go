package client_test

import (
	"crypto/x509"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// deployed is a server as its documentation describes it, with the preset for it.
type deployed struct {
	name      string
	preset    client.Config
	issuer    string
	at        string // the path of its metadata; "" means the path of OpenID Connect Discovery
	endpoints string // the prefix of the endpoints; "" means the issuer
	metadata  m      // in addition to the issuer and the endpoints of every server
	jwk       m      // in addition to the members of the key
	callback  url.Values
	token     m   // in addition to access_token, token_type and id_token
	claims    m   // in addition to iss, sub, aud, iat, exp and nonce
	front     any // the parameters of the pushed request, and then of the browser's address, separated by spaces
	auth      auth.Method
	edit      func(*client.Config)
	check     func(t *testing.T, w *wire, tokens *client.Tokens)
	refused   map[string]func(*turn) // similar values that the server does not use
}

// turn is one login. A test may change it.
type turn struct {
	key                     optest.Key
	metadata, jwk           m
	callback                url.Values
	token, claims, idHeader m
	idToken                 func() string                  // made of key, claims and idHeader
	serve                   func(token m) http.HandlerFunc // signs the ID token later; nil means at once
}

func (d *deployed) turn() *turn {
	base := d.endpoints
	if base == "" {
		base = strings.TrimSuffix(d.issuer, "/")
	}
	out := &turn{key: optest.NewKey("MYv/TlhD38w0GVgX3sohEWb6th0=", "RS256"), jwk: m{}, claims: m{}, token: m{"access_token": "at", "token_type": "Bearer", "expires_in": 3600}, callback: url.Values{}, idHeader: m{}}
	out.metadata = m{
		"issuer": d.issuer, "authorization_endpoint": base + "/authorize", "token_endpoint": base + "/token", "jwks_uri": base + "/keys", "userinfo_endpoint": base + "/userinfo",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256"}, // for PingFederate; other servers must not use it
	}
	maps.Copy(out.metadata, d.metadata)
	maps.Copy(out.jwk, d.jwk)
	maps.Copy(out.callback, d.callback)
	maps.Copy(out.token, d.token)
	out.idToken = func() string { return out.key.Sign(out.claims, out.idHeader) }
	return out
}

// signIn makes one login. edit changes it before the tokens are issued.
func (d *deployed) signIn(t *testing.T, edit func(*turn)) (*client.Tokens, *wire, error) {
	t.Helper()
	turn := d.turn()
	w := newWire(t, map[string]any{})
	cfg := d.preset
	cfg.ClientID, cfg.Auth, cfg.RedirectURL, cfg.HTTP = optest.ClientID, d.auth, "https://rp.example/cb", &http.Client{Transport: w}
	if d.auth.Name() == "" {
		cfg.Auth = auth.Secret("canary-secret")
	}
	if d.edit != nil {
		d.edit(&cfg)
	}
	early := *turn // the metadata before the first request
	early.claims, early.token, early.callback = m{}, m{}, url.Values{}
	if edit != nil {
		edit(&early)
	}
	d.publish(w, &early)
	c := newClient(t, cfg)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		return nil, w, err
	}
	d.checkFront(t, w, query(t, redirect))

	now := pending.CreatedAt.Unix()
	maps.Copy(turn.claims, m{"iss": d.issuer, "sub": "alice", "aud": optest.ClientID, "iat": now, "exp": now + 300, "nonce": pending.Nonce, "at_hash": optest.LeftHalf("RS256", "at")})
	maps.Copy(turn.claims, d.claims)
	turn.callback.Set("code", "c")
	turn.callback.Set("state", pending.State)
	if edit != nil {
		edit(turn)
	}
	turn.token["id_token"] = turn.idToken()
	var answer any = turn.token
	if turn.serve != nil {
		answer = turn.serve(turn.token)
	}
	w.answers[turn.metadata["token_endpoint"].(string)] = answer
	if aliases, ok := turn.metadata["mtls_endpoint_aliases"].(m); ok {
		w.answers[aliases["token_endpoint"].(string)] = answer
	}
	tokens, err := c.Finish(t.Context(), pending, turn.callback)
	return tokens, w, err
}

// publish serves metadata and keys at the server's addresses. There is also a key for encryption,
// as some servers have one.
func (d *deployed) publish(w *wire, turn *turn) {
	at := d.at
	if at == "" {
		at = strings.TrimSuffix(d.issuer, "/") + "/.well-known/openid-configuration"
	}
	w.answers[at] = turn.metadata
	jwk := turn.key.JWK()
	maps.Copy(jwk, turn.jwk)
	maps.DeleteFunc(jwk, func(_ string, v any) bool { return v == nil })
	enc := optest.NewKey("enc", "RS256").JWK()
	enc["use"], enc["alg"] = "enc", "RSA-OAEP"
	w.answers[turn.metadata["jwks_uri"].(string)] = m{"keys": []any{enc, jwk}}
	if par, ok := turn.metadata["pushed_authorization_request_endpoint"].(string); ok {
		w.answers[par] = pushed201{d.front.([2]string)[0], 60}
	}
}

// checkFront checks the parameters in the browser's address.
func (d *deployed) checkFront(t *testing.T, w *wire, front url.Values) {
	t.Helper()
	names := "client_id code_challenge code_challenge_method nonce redirect_uri response_type scope state"
	if pushed, ok := d.front.([2]string); ok {
		names = pushed[1]
		if front.Get("request_uri") != pushed[0] {
			t.Errorf("request_uri is %q", front.Get("request_uri"))
		}
	}
	if d.preset.ResponseMode != "" && !strings.Contains(names, "request_uri") {
		names += " response_mode"
	}
	for _, name := range strings.Fields(names) {
		if len(front[name]) != 1 {
			t.Errorf("%s is in the browser's address %d times", name, len(front[name]))
		}
		front.Del(name)
	}
	if len(front) != 0 {
		t.Errorf("in the browser's address too: %v", front)
	}
}

// TestPresets signs in at each server as its documentation describes it, and rejects similar
// values.
func TestPresets(t *testing.T) {
	for _, d := range servers() {
		t.Run(d.name, func(t *testing.T) {
			tokens, w, err := d.signIn(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d.check != nil {
				d.check(t, w, tokens)
			}
			for name, edit := range d.refused {
				tokens, _, err := d.signIn(t, edit)
				var e *client.Error
				if !errors.As(err, &e) || tokens != nil {
					t.Errorf("%s: %v, %v", name, tokens, err)
					continue
				}
				noCanary(t, err.Error())
			}
		})
	}
}

// TestEntraAssertion: Entra's assertion and Apple's secret have the documented form.
func TestEntraAssertion(t *testing.T) {
	k := optest.NewKey("k", "PS256")
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	form, _ := posted(t, auth.PrivateKeyJWT(auth.SigningKey{Alg: "PS256", Key: k.Private}, auth.EntraAssertion("t", &x509.Certificate{Raw: []byte("x")})))
	header, claims := assertion(t, set, form)
	if header["typ"] != "JWT" || header["x5t#S256"] == nil || header["kid"] != nil || claims["aud"] != "https://login.microsoftonline.com/t/oauth2/v2.0/token" {
		t.Errorf("%v, %v", header, claims)
	}
}

func TestAppleSecret(t *testing.T) {
	k := optest.NewKey("kid", "ES256")
	form, header := posted(t, auth.AppleSecret("team", auth.SigningKey{KeyID: "kid", Key: k.Private}))
	claims := objectClaims(t, k, form.Get("client_secret"))
	if header != "" || len(form) != 2 || claims.Get("iss") != "team" || claims.Get("sub") != "rp:1" || claims.Get("aud") != "https://appleid.apple.com" {
		t.Errorf("%v, %v", form, claims)
	}
	cfg := client.Apple()
	cfg.ClientID, cfg.RedirectURL = "rp", "https://rp.example/cb"
	for _, a := range []auth.Method{auth.AppleSecret("", auth.SigningKey{Key: k.Private}), auth.AppleSecret("team", auth.SigningKey{})} {
		cfg.Auth = a
		if _, err := client.New(cfg); err == nil {
			t.Error("accepted without team or key")
		}
	}
}

// TestInitiatedForTenants: only configured tenants are accepted. WEB-05.
func TestInitiatedForTenants(t *testing.T) {
	cfg := client.EntraTenants("t-1", "t-2")
	cfg.ClientID, cfg.Auth, cfg.RedirectURL = "app", auth.Public(), "https://rp.example/cb"
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for iss, good := range map[string]bool{
		"https://login.microsoftonline.com/t-1/v2.0": true, "https://login.microsoftonline.com/t-2/v2.0": true,
		"https://login.microsoftonline.com/t-3/v2.0": false, "https://login.microsoftonline.com/{tenantid}/v2.0": false, "": false,
	} {
		if _, err := c.Initiated(url.Values{"iss": {iss}}); (err == nil) != good {
			t.Errorf("%s: %v", iss, err)
		}
	}
}

// TestInitiated: OpenID Connect Core §4. WEB-05.
func TestInitiated(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s)) // its site is https://rp.example
	for _, target := range []struct{ link, want string }{
		{"", ""}, {"https://rp.example", "/"}, {"https://rp.example/photos?x=1&y=2", "/photos?x=1&y=2"}, {"https://rp.example/a%0d%0ab", "/a%0D%0Ab"},
		{"https://RP.example/photos", "/photos"}, {"https://rp.example:443/photos", "/photos"},
	} {
		got, err := c.Initiated(url.Values{"iss": {s.URL}, "login_hint": {"alice"}, "target_link_uri": {target.link}})
		if err != nil || got.Target != target.want || got.Request.LoginHint != "alice" {
			t.Errorf("%s: %+v, %v", target.link, got, err)
		}
	}
	for _, link := range []string{
		"https://evil.example/", "http://rp.example/", "//evil.example", "https://rp.example@evil.example/", "https://rp.example:8443/", "https://rp.example.evil.example/",
		"https://rp.example//evil.example", "https://rp.example/\\evil.example", "javascript:alert(1)", "/relative", "https:evil.example", "https://RP.example.evil.example", "https://u@rp.example/", "\\\\evil.example",
	} {
		if got, err := c.Initiated(url.Values{"iss": {s.URL}, "target_link_uri": {link}}); err == nil && (!strings.HasPrefix(got.Target, "/") || strings.HasPrefix(got.Target, "//") || strings.HasPrefix(got.Target, "/\\")) {
			t.Errorf("%s leads to %q", link, got.Target)
		}
	}
	for name, q := range map[string]url.Values{
		"no issuer": {}, "another issuer": {"iss": {"https://evil.example"}}, "two issuers": {"iss": {s.URL, s.URL}}, "two hints": {"iss": {s.URL}, "login_hint": {"a", "b"}},
		"an endless hint": {"iss": {s.URL}, "login_hint": {strings.Repeat("x", 5000)}}, "another site": {"iss": {s.URL}, "target_link_uri": {"https://evil.example/"}},
	} {
		if got, err := c.Initiated(q); err == nil || got != nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
