package client_test

import (
	"crypto/tls"
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
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// posted returns the form and the header that a Method fills in.
func posted(t *testing.T, a auth.Method) (url.Values, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "https://as.example/token", nil)
	form := url.Values{}
	if err := a.For("rp:1", "https://as.example").Authenticate(r, form); err != nil {
		t.Fatal(err)
	}
	return form, r.Header.Get("Authorization")
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

// rotating is a KeySource whose key changes.
type rotating struct {
	keys []auth.SigningKey
	n    atomic.Int32
}

func (r *rotating) Current() auth.SigningKey { return r.keys[int(r.n.Load())%len(r.keys)] }

func TestAuthRefused(t *testing.T) {
	rs := optest.NewKey("k", "RS256")
	for name, a := range map[string]auth.Method{
		"nothing":             {},
		"no key":              auth.PrivateKeyJWT(auth.SigningKey{}, auth.Assertion{}),
		"no source":           auth.PrivateKeyJWT(nil, auth.Assertion{}),
		"RSA without alg":     auth.PrivateKeyJWT(auth.SigningKey{Key: rs.Private}, auth.Assertion{}),
		"a lifetime too long": auth.PrivateKeyJWT(auth.SigningKey{Key: rs.Private, Alg: "PS256"}, auth.Assertion{Lifetime: 6 * time.Minute}),
		"a negative lifetime": auth.SecretJWT("a secret that is long enough for HS256", auth.Assertion{Lifetime: -1}),
		"a short secret":      auth.SecretJWT("short", auth.Assertion{}),
		"no secret":           auth.SecretBasic(""),
	} {
		c := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: a, RedirectURL: "https://rp.example/cb"}
		if _, err := client.New(c); err == nil || !strings.Contains(err.Error(), "Config.Auth") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.For("rp", "").Authenticate(httptest.NewRequest("POST", "/", nil), url.Values{}); err == nil {
			t.Errorf("%s: authenticates all the same", name)
		}
	}
	raw := client.Config{Issuer: "https://as.example", ClientID: "https://rp.example/id", Auth: auth.SecretBasicRaw("canary:secret"), RedirectURL: "https://rp.example/cb"}
	if _, err := client.New(raw); err == nil || !strings.Contains(err.Error(), "colon") {
		t.Errorf("a colon in the ID that goes as it is: %v", err)
	}
	raw.ClientID = "rp"
	if _, err := client.New(raw); err != nil {
		t.Errorf("a colon in the secret: %v", err)
	}
	c := client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.TLS(), RedirectURL: "https://rp.example/cb"}
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
		"by authentication": func(c *client.Config) { c.Auth = auth.TLS() },
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

// TestDiscoveryURL: metadata at another address must still be of the configured issuer.
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
