package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// posted is what an Auth adds to a form, and to the header.
func posted(t *testing.T, a client.Auth) (url.Values, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "https://as.example/token", nil)
	form := url.Values{}
	if err := a.For("rp:1", "https://as.example").Authenticate(r, form); err != nil {
		t.Fatal(err)
	}
	return form, r.Header.Get("Authorization")
}

// TestAuth: TE-08.
func TestAuth(t *testing.T) {
	const secret = "a+b c/%:ä"
	form, header := posted(t, client.SecretBasic(secret))
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("rp%3A1:a%2Bb+c%2F%25%3A%C3%A4"))
	if header != want || len(form) != 0 {
		t.Errorf("basic: %s, %v", header, form)
	}
	form, header = posted(t, client.SecretPost(secret))
	if header != "" || form.Encode() != (url.Values{"client_id": {"rp:1"}, "client_secret": {secret}}).Encode() {
		t.Errorf("post: %s, %v", header, form)
	}
	for _, a := range []client.Auth{client.Public(), client.TLS(), client.SelfSignedTLS()} {
		form, header = posted(t, a)
		if header != "" || form.Encode() != "client_id=rp%3A1" {
			t.Errorf("%s: %s, %v", a.Method(), header, form)
		}
	}
}

// assertion reads the header and the claims of the client_assertion in a form.
func assertion(t *testing.T, set *jose.Set, form url.Values) (header, claims m) {
	t.Helper()
	jwt := form.Get("client_assertion")
	payload, err := set.VerifySignature(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(jwt[:strings.IndexByte(jwt, '.')])
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(raw, &header) != nil || json.Unmarshal(payload, &claims) != nil {
		t.Fatal("not JSON")
	}
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_id") != "rp:1" || form.Has("client_secret") {
		t.Errorf("the form is %v", form)
	}
	return header, claims
}

type m = map[string]any

// TestPrivateKeyJWT: TE-09.
func TestPrivateKeyJWT(t *testing.T) {
	k := optest.NewKey("k1", "PS256")
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	key := client.SigningKey{KeyID: "k1", Alg: "PS256", Key: k.Private}
	auth := client.PrivateKeyJWT(key, client.Assertion{})
	form, _ := posted(t, auth)
	header, claims := assertion(t, set, form)
	if header["typ"] != "client-authentication+jwt" || header["kid"] != "k1" || header["alg"] != "PS256" || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	if claims["aud"] != "https://as.example" || claims["iss"] != "rp:1" || claims["sub"] != "rp:1" || claims["exp"].(float64)-claims["iat"].(float64) != 60 {
		t.Errorf("claims %v", claims)
	}
	if again, _ := posted(t, auth); again.Get("client_assertion") == form.Get("client_assertion") {
		t.Error("an assertion was used twice")
	} else if _, c := assertion(t, set, again); c["jti"] == claims["jti"] {
		t.Error("a jti was used twice")
	}

	cert := &x509.Certificate{Raw: []byte("certificate")}
	form, _ = posted(t, client.PrivateKeyJWT(client.SigningKey{Alg: "PS256", Key: k.Private}, client.Assertion{
		Audience: "https://as.example/token", Typ: "JWT", Certificate: cert, Lifetime: 5 * time.Minute,
	}))
	header, claims = assertion(t, set, form)
	if header["typ"] != "JWT" || header["kid"] != nil || header["x5t#S256"] == nil || claims["aud"] != "https://as.example/token" || claims["exp"].(float64)-claims["iat"].(float64) != 300 {
		t.Errorf("%v, %v", header, claims)
	}
	form, _ = posted(t, client.PrivateKeyJWT(key, client.Assertion{Typ: client.NoTyp}))
	if header, _ = assertion(t, set, form); header["typ"] != nil {
		t.Errorf("header %v", header)
	}
}

func TestSecretJWT(t *testing.T) {
	const secret = "canary-secret that is long enough for HS256"
	form, _ := posted(t, client.SecretJWT(secret, client.Assertion{}))
	header, claims := assertion(t, jose.NewSecretSet([]byte(secret)), form)
	if header["alg"] != "HS256" || claims["aud"] != "https://as.example" {
		t.Errorf("%v, %v", header, claims)
	}
}

// rotating is a KeySource whose key changes.
type rotating struct {
	keys []client.SigningKey
	n    atomic.Int32
}

func (r *rotating) Current() client.SigningKey { return r.keys[int(r.n.Load())%len(r.keys)] }

func TestSigningKeyRotation(t *testing.T) {
	a, b := optest.NewKey("a", "ES256"), optest.NewKey("b", "EdDSA")
	set, err := jose.ParseSet(optest.JWKS(a, b))
	if err != nil {
		t.Fatal(err)
	}
	source := &rotating{keys: []client.SigningKey{{KeyID: "a", Key: a.Private}, {KeyID: "b", Key: b.Private}}}
	auth := client.PrivateKeyJWT(source, client.Assertion{})
	for _, want := range []string{"a", "b", "a"} {
		form, _ := posted(t, auth)
		if header, _ := assertion(t, set, form); header["kid"] != want {
			t.Errorf("kid %v, want %s", header["kid"], want)
		}
		source.n.Add(1)
	}
}

func TestAuthRefused(t *testing.T) {
	rs := optest.NewKey("k", "RS256")
	for name, a := range map[string]client.Auth{
		"nothing":             {},
		"no key":              client.PrivateKeyJWT(client.SigningKey{}, client.Assertion{}),
		"no source":           client.PrivateKeyJWT(nil, client.Assertion{}),
		"RSA without alg":     client.PrivateKeyJWT(client.SigningKey{Key: rs.Private}, client.Assertion{}),
		"a lifetime too long": client.PrivateKeyJWT(client.SigningKey{Key: rs.Private, Alg: "PS256"}, client.Assertion{Lifetime: 6 * time.Minute}),
		"a negative lifetime": client.SecretJWT("a secret that is long enough for HS256", client.Assertion{Lifetime: -1}),
		"a short secret":      client.SecretJWT("short", client.Assertion{}),
		"no secret":           client.SecretBasic(""),
	} {
		c := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: a, RedirectURL: "https://rp.example/cb"}
		if _, err := client.New(c); err == nil || !strings.Contains(err.Error(), "Config.Auth") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.For("rp", "").Authenticate(httptest.NewRequest("POST", "/", nil), url.Values{}); err == nil {
			t.Errorf("%s: authenticates all the same", name)
		}
	}
	raw := client.Config{Issuer: "https://as.example", ClientID: "https://rp.example/id", Auth: client.SecretBasicRaw("canary:secret"), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(raw); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("a colon in the ID that goes as it is: %v", err)
	}
	raw.ClientID = "rp"
	if _, err := client.New(raw); err != nil {
		t.Errorf("a colon in the secret: %v", err)
	}
	c := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: client.TLS(), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(c); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("TLS without a certificate: %v", err)
	}
}

// TestMTLSAliases: a client with a certificate uses the aliases. MTLS-01.
func TestMTLSAliases(t *testing.T) {
	s := optest.New(t)
	alias := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 201, m{"request_uri": "urn:alias", "expires_in": 60})
	}))
	defer alias.Close()
	s.Edit = func(md map[string]any) {
		md["mtls_endpoint_aliases"] = m{"pushed_authorization_request_endpoint": alias.URL + "/par", "token_endpoint": alias.URL + "/token"}
	}
	cfg := config(s)
	cfg.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: alias.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}}
	for name, edit := range map[string]func(*client.Config){
		"by authentication": func(c *client.Config) { c.Auth = client.TLS() },
		"by binding":        func(c *client.Config) { c.CertificateBound = true },
	} {
		cfg := cfg
		edit(&cfg)
		redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
		if err != nil || query(t, redirect).Get("request_uri") != "urn:alias" {
			t.Errorf("%s: %s, %v", name, redirect, err)
		}
	}
	redirect, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil || query(t, redirect).Get("request_uri") == "urn:alias" {
		t.Errorf("without a certificate: %s, %v", redirect, err)
	}
}

// TestDiscoveryURL: metadata elsewhere than under the issuer, of the same issuer still.
func TestDiscoveryURL(t *testing.T) {
	s := optest.New(t)
	const path = "/.well-known/oauth-authorization-server"
	s.Replace(path, func(w http.ResponseWriter, r *http.Request) {
		optest.JSON(w, 200, m{"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/jwks"})
	})
	cfg := config(s)
	var err error
	if cfg.DiscoveryURL, err = discovery.OAuthURL(s.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := login(t, s, newClient(t, cfg)); err != nil || s.Hits(path) != 1 || s.Hits("/.well-known/openid-configuration") != 0 {
		t.Error(err)
	}
	cfg.Issuer = "https://other.example"
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err == nil {
		t.Error("metadata of another issuer was accepted")
	}
	const at = "https://as.example:443" + path
	for issuer, want := range map[string]string{"https://as.example:443": at, "https://as.example:443/tenant/1/": at + "/tenant/1", "https://as.example:443/a%2Fb": at + "/a%2Fb"} {
		if u, err := discovery.OAuthURL(issuer); err != nil || u != want {
			t.Errorf("%s: %s, %v", issuer, u, err)
		}
	}
}
