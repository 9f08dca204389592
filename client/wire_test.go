package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// The requests and responses of deployed servers, as their documentation shows them. The requests
// have exactly these parameters, and the ones that protect the request.

// wire acts as the server, and records the requests.
type wire struct {
	t       *testing.T
	answers map[string]any // by URL
	posted  map[string]url.Values
	basic   string // user:password of the last request that had them
	types   []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	u := "https://" + r.URL.Host + r.URL.Path
	if r.Body != nil {
		body, _ := io.ReadAll(r.Body)
		form, err := url.ParseQuery(string(body))
		if err != nil || r.URL.RawQuery != "" {
			w.t.Errorf("%s: body %q, query %q", u, body, r.URL.RawQuery)
		}
		w.posted[u] = form
		w.types = append(w.types, r.Header.Get("Content-Type"))
	}
	if user, password, ok := r.BasicAuth(); ok {
		w.basic = user + ":" + password
	}
	answer, ok := w.answers[u]
	rec := httptest.NewRecorder()
	if !ok {
		w.t.Errorf("nobody should ask for %s", u)
		rec.WriteHeader(404)
		return rec.Result(), nil
	}
	rec.Header().Set("Content-Type", "application/json;charset=UTF-8")
	if h, own := answer.(http.HandlerFunc); own {
		h(rec, r)
		return rec.Result(), nil
	}
	if _, pushed := answer.(pushed201); pushed {
		rec.WriteHeader(201)
	}
	json.NewEncoder(rec).Encode(answer)
	return rec.Result(), nil
}

// pushed201 is the answer to a pushed request.
type pushed201 struct {
	RequestURI string `json:"request_uri"`
	ExpiresIn  int    `json:"expires_in"`
}

func newWire(t *testing.T, answers map[string]any) *wire {
	return &wire{t: t, answers: answers, posted: map[string]url.Values{}}
}

// same compares the parameters. "*" accepts a random value, which it copies into the expected ones.
func same(t *testing.T, what string, got, want url.Values) {
	t.Helper()
	for name := range want {
		if want.Get(name) == "*" && len(got.Get(name)) >= 43 {
			want.Set(name, got.Get(name))
		}
	}
	if got.Encode() != want.Encode() {
		t.Errorf("%s\n got %s\nwant %s", what, got.Encode(), want.Encode())
	}
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

const pf = "https://sso.pingdeveloper.com"

// pingFederate is the configuration of the guide to the Basic Client Profile.
func pingFederate(w *wire) client.Config {
	return client.Config{
		Issuer: pf, ClientID: "ac_oic_client", Scopes: []string{"openid", "profile"}, HTTP: &http.Client{Transport: w},
		RedirectURL: pf + "/OAuthPlayground/case1A-callback.jsp",
		Auth:        auth.SecretPost("abc123DEFghijklmnop4567rstuvwxyzZYXWUT8910SRQPOnmlijhoauthplaygroundapplication"),
		Metadata: &discovery.Metadata{
			Issuer: pf, AuthorizationEndpoint: pf + "/as/authorization.oauth2", TokenEndpoint: pf + "/as/token.oauth2",
			JWKSURI: pf + "/pf/JWKS", UserInfoEndpoint: pf + "/idp/userinfo.openid",
		},
	}
}

// TestPingFederate: the web redirect flow, and UserInfo.
func TestPingFederate(t *testing.T) {
	key := optest.NewKey("4oiu8", "RS256")
	w := newWire(t, map[string]any{pf + "/pf/JWKS": json.RawMessage(optest.JWKS(key)), pf + "/idp/userinfo.openid": m{"sub": "nfyfe", "family_name": "Fyfe", "given_name": "Nathan", "nickname": "Nat"}})
	c := newClient(t, pingFederate(w))
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(redirect, pf+"/as/authorization.oauth2?") || !strings.Contains(redirect, "&scope=openid%20profile&") {
		t.Errorf("the address is %s", redirect)
	}
	same(t, "authorization request", query(t, redirect), values(
		"client_id", "ac_oic_client", "response_type", "code", "redirect_uri", pf+"/OAuthPlayground/case1A-callback.jsp", "scope", "openid profile",
		"state", "*", "nonce", "*", "code_challenge", "*", "code_challenge_method", "S256"))

	now := time.Now().Unix()
	w.answers[pf+"/as/token.oauth2"] = m{
		"token_type": "Bearer", "expires_in": 7199, "refresh_token": "BBB...YYY", "access_token": "AAA...ZZZ",
		"id_token": key.Sign(m{"sub": "nfyfe", "aud": "ac_oic_client", "jti": "x", "iss": pf, "iat": now, "exp": now + 300, "nonce": pending.Nonce, "pi.sri": "s"}, m{"typ": nil}),
	}
	tokens, err := c.Finish(t.Context(), pending, values("code", "ABC...XYZ", "state", pending.State))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "token request", w.posted[pf+"/as/token.oauth2"], values(
		"grant_type", "authorization_code", "client_id", "ac_oic_client",
		"client_secret", "abc123DEFghijklmnop4567rstuvwxyzZYXWUT8910SRQPOnmlijhoauthplaygroundapplication", "code", "ABC...XYZ",
		"redirect_uri", pf+"/OAuthPlayground/case1A-callback.jsp", "code_verifier", pending.CodeVerifier))
	var claims struct {
		Nickname string `json:"nickname"`
	}
	info, err := c.UserInfo(t.Context(), tokens)
	if err != nil || info.Claims(&claims) != nil || claims.Nickname != "Nat" || tokens.AccessToken != "AAA...ZZZ" || tokens.RefreshToken != "BBB...YYY" || tokens.ExpiresIn != 7199 {
		t.Errorf("%v, %v, %v", tokens, claims, err)
	}
}

// TestPingFederateMobile: plain PKCE without the method parameter, a custom scheme,
// and no secret.
func TestPingFederateMobile(t *testing.T) {
	key := optest.NewKey("4oiu8", "RS256")
	w := newWire(t, map[string]any{pf + "/pf/JWKS": json.RawMessage(optest.JWKS(key))})
	cfg := pingFederate(w)
	cfg.Auth, cfg.PKCE, cfg.RedirectURL = auth.Public(), pkce.PlainImplicit, "com.pingidentity.developer.oauthplayground://oidc_callback"
	c := newClient(t, cfg)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "authorization request", query(t, redirect), values(
		"client_id", "ac_oic_client", "response_type", "code", "redirect_uri", cfg.RedirectURL, "scope", "openid profile",
		"code_challenge", pending.CodeVerifier, "state", "*", "nonce", "*"))
	now := time.Now().Unix()
	w.answers[pf+"/as/token.oauth2"] = m{"token_type": "Bearer", "expires_in": 7199, "access_token": "AAA...ZZZ",
		"id_token": key.Sign(m{"sub": "nfyfe", "aud": "ac_oic_client", "iss": pf, "iat": now, "exp": now + 300}, nil)}
	if _, err := c.Exchange(t.Context(), "ABC...XYZ", pkce.Verifier(pending.CodeVerifier)); err != nil {
		t.Fatal(err)
	}
	same(t, "token request", w.posted[pf+"/as/token.oauth2"], values(
		"grant_type", "authorization_code", "client_id", "ac_oic_client", "code", "ABC...XYZ", "redirect_uri", cfg.RedirectURL, "code_verifier", pending.CodeVerifier))
}

const aic = "https://tenant.example.com/am/oauth2/realms/root/realms/alpha"

func aicConfig(w *wire, method auth.Method) client.Config {
	return client.Config{
		Issuer: "https://tenant.example.com:443/am/oauth2/realms/root/realms/alpha", ClientID: "myClient", Auth: method,
		RedirectURL: "https://www.example.com:443/callback", Scopes: []string{"write"}, HTTP: &http.Client{Transport: w}, RepeatParameters: true,
		Metadata: &discovery.Metadata{
			Issuer:                "https://tenant.example.com:443/am/oauth2/realms/root/realms/alpha",
			AuthorizationEndpoint: aic + "/authorize", TokenEndpoint: aic + "/access_token", PushedAuthorizationRequestEndpoint: aic + "/par", JWKSURI: aic + "/connect/jwk_uri",
		},
	}
}

// TestAdvancedIdentityCloud: PAR with client_secret_post, and the parameters repeated in the
// browser's address. The code may have been obtained over REST. The token request uses Basic.
func TestAdvancedIdentityCloud(t *testing.T) {
	token := m{"access_token": "access-token", "refresh_token": "refresh-token", "scope": "write", "token_type": "Bearer", "expires_in": 3599}
	w := newWire(t, map[string]any{aic + "/par": pushed201{"zizBvZPwAmzfcDOMKTPv0QTaRA8", 90}, aic + "/access_token": token})
	redirect, pending, err := newClient(t, aicConfig(w, auth.SecretPost("mySecret"))).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "pushed request", w.posted[aic+"/par"], values(
		"client_id", "myClient", "client_secret", "mySecret", "redirect_uri", "https://www.example.com:443/callback", "scope", "write",
		"response_type", "code", "code_challenge", pkce.Verifier(pending.CodeVerifier).Challenge(pkce.S256), "code_challenge_method", "S256", "state", "*"))
	if !strings.HasPrefix(redirect, aic+"/authorize?") {
		t.Errorf("the address is %s", redirect)
	}
	same(t, "authorization request", query(t, redirect), values(
		"client_id", "myClient", "response_type", "code", "request_uri", "zizBvZPwAmzfcDOMKTPv0QTaRA8", "scope", "write", "redirect_uri", "https://www.example.com:443/callback"))

	c := newClient(t, aicConfig(w, auth.SecretBasic("forgerock")))
	callback := values("code", "authorization-code", "iss", "https://tenant.example.com:443/am/oauth2/realms/root/realms/alpha", "state", pending.State, "client_id", "myClient", "scope", "write")
	tokens, err := c.Finish(t.Context(), pending, callback)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "token request", w.posted[aic+"/access_token"], values(
		"grant_type", "authorization_code", "code", "authorization-code", "redirect_uri", "https://www.example.com:443/callback", "code_verifier", pending.CodeVerifier))
	if w.basic != "myClient:forgerock" || tokens.AccessToken != "access-token" || tokens.RefreshToken != "refresh-token" || tokens.IDToken != nil {
		t.Errorf("%s, %v", w.basic, tokens)
	}
	for _, kind := range w.types {
		if kind != "application/x-www-form-urlencoded" {
			t.Errorf("Content-Type is %s", kind)
		}
	}

	_, pending, _ = c.Begin(t.Context(), client.Request{})
	wrong := values("code", "x", "iss", "https://tenant.example.com/am/oauth2/realms/root/realms/alpha", "state", pending.State)
	if _, err := c.Finish(t.Context(), pending, wrong); err == nil {
		t.Error("an issuer without its port was taken for one with it")
	}
}

// TestAdvancedIdentityCloudObject: PAR with a signed and encrypted request object. No other
// parameters may be sent, except client authentication.
func TestAdvancedIdentityCloudObject(t *testing.T) {
	enc, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwks := m{"keys": []m{{"kty": "RSA", "use": "enc", "kid": "MYv/TlhD38w0GVgX3sohEWb6th0=", "alg": "RSA-OAEP-256", "n": optest.B64(enc.N.Bytes()), "e": optest.B64(big.NewInt(int64(enc.E)).Bytes())}}}
	w := newWire(t, map[string]any{aic + "/par": pushed201{"zizBvZPwAmzfcDOMKTPv0QTaRA8", 90}, aic + "/connect/jwk_uri": jwks})
	k := optest.NewKey("jar", "PS256")
	cfg := aicConfig(w, auth.SecretPost("forgerock"))
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{KeyID: "jar", Alg: "PS256", Key: k.Private}, EncryptionAlg: "RSA-OAEP-256", EncryptionEnc: "A256GCM"}
	_, pending, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	pushed := w.posted[aic+"/par"]
	same(t, "pushed request", pushed, values("client_id", "myClient", "client_secret", "forgerock", "request", "*"))
	plain, err := jose.Decrypt(pushed.Get("request"), 0, jose.DecryptionAlgs, []jose.PrivateKey{{Key: enc}})
	if err != nil {
		t.Fatal(err)
	}
	claims := objectClaims(t, k, string(plain))
	if claims.Get("state") != pending.State || claims.Get("aud") != cfg.Issuer || claims.Get("redirect_uri") != cfg.RedirectURL || claims.Has("client_secret") {
		t.Errorf("claims %v", claims)
	}
}

// TestCloudentity: no scope, and the secret in the body.
func TestCloudentity(t *testing.T) {
	const base = "https://tenant.eu.authz.cloudentity.io/tenant/workspace"
	w := newWire(t, map[string]any{base + "/oauth2/token": m{"access_token": "a", "token_type": "bearer", "expires_in": 3600, "scope": ""}})
	c := newClient(t, client.Config{
		Issuer: base, ClientID: "CLIENT_ID", Auth: auth.SecretPost("CLIENT_SECRET"), RedirectURL: "https://app.example/callback", Scopes: []string{},
		HTTP:     &http.Client{Transport: w},
		Metadata: &discovery.Metadata{Issuer: base, AuthorizationEndpoint: base + "/oauth2/authorize", TokenEndpoint: base + "/oauth2/token"},
	})
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "authorization request", query(t, redirect), values(
		"response_type", "code", "client_id", "CLIENT_ID", "redirect_uri", "https://app.example/callback", "state", "*", "code_challenge", "*", "code_challenge_method", "S256"))
	tokens, err := c.Finish(t.Context(), pending, values("code", "CODE", "state", pending.State))
	if err != nil || tokens.TokenType != "Bearer" {
		t.Fatal(err)
	}
	same(t, "token request", w.posted[base+"/oauth2/token"], values(
		"grant_type", "authorization_code", "code", "CODE", "client_id", "CLIENT_ID", "client_secret", "CLIENT_SECRET",
		"redirect_uri", "https://app.example/callback", "code_verifier", pending.CodeVerifier))
}
