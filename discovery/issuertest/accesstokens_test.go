package issuertest_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// api is a resource server of the issuer.
func api(issuer *issuertest.Issuer, tokens rs.Verifier) *httptest.Server {
	server := httptest.NewUnstartedServer(nil)
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	server.StartTLS()
	protection := &rs.Protection{Tokens: tokens, DPoP: &rs.DPoP{BaseURL: server.URL, Now: issuer.Now}, Now: issuer.Now}
	server.Config.Handler = protection.Handler(rs.RequireScope("photos.read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})))
	return server
}

func jwtVerifier(issuer *issuertest.Issuer) rs.Verifier {
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client(), Now: issuer.Now}
	return &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys(), Now: issuer.Now}
}

func introspection(issuer *issuertest.Issuer, signed bool) rs.Verifier {
	provider := &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client(), Now: issuer.Now}
	v := &rs.Introspection{
		Server: provider, Issuer: issuer.URL, Audience: issuertest.Audience, HTTP: issuer.Client(), Now: issuer.Now,
		Auth: auth.SecretBasic(issuertest.ClientSecret).For(issuertest.ClientID, issuer.URL),
	}
	if signed {
		v.Signed = &rs.SignedAnswers{Recipient: issuertest.ClientID, Keys: provider.Keys()}
	}
	return v
}

// TestAccessTokens: an API accepts every kind, and rejects it with every fault.
func TestAccessTokens(t *testing.T) {
	faults := []issuertest.Fault{issuertest.AccessTokenExpired, issuertest.AccessTokenIssuer, issuertest.AccessTokenAudience}
	for name, test := range map[string]struct {
		format issuertest.Format
		tokens func(*issuertest.Issuer) rs.Verifier
		more   []issuertest.Fault
	}{
		"JWT":    {issuertest.JWT, jwtVerifier, []issuertest.Fault{issuertest.AccessTokenKeySwapped}},
		"opaque": {issuertest.Opaque, func(i *issuertest.Issuer) rs.Verifier { return introspection(i, false) }, []issuertest.Fault{issuertest.IntrospectionInactive, issuertest.IntrospectionActiveText}},
		"signed": {issuertest.Opaque, func(i *issuertest.Issuer) rs.Verifier { return introspection(i, true) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := issuertest.New(t, issuertest.Config{AccessTokens: test.format})
			v := test.tokens(issuer)
			order := issuertest.AccessToken{Scopes: []string{"photos.read"}, Claims: map[string]any{"roles": []string{"admin"}}}
			p, err := v.VerifyToken(t.Context(), issuer.AccessToken(order))
			if err != nil || p.Subject != "alice" || p.ClientID != "web" || !p.HasScope("photos.read") {
				t.Fatalf("%+v, %v", p, err)
			}
			for _, fault := range append(faults, test.more...) {
				issuer.Inject(fault)
				if _, err := v.VerifyToken(t.Context(), issuer.AccessToken(order)); err == nil {
					t.Errorf("%s: accepted", fault)
				}
				issuer.Behave()
			}
		})
	}
}

func TestBoundTokens(t *testing.T) {
	pair := issuertest.NewCertificate()
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{
		{ID: "web", Secret: "web-secret", RequireDPoP: true}, {ID: "tls", Certificate: pair.Leaf},
	}})
	server := api(issuer, jwtVerifier(issuer))
	defer server.Close()
	for name, test := range map[string]struct {
		change func(*client.Config)
		fault  issuertest.Fault
		hc     *http.Client
	}{
		"DPoP": {func(c *client.Config) { c.DPoP = &client.DPoP{} }, issuertest.TokenTypeBearer, server.Client()},
		"TLS": {func(c *client.Config) {
			c.ClientID, c.Auth, c.CertificateBound, c.HTTP = "tls", auth.SelfSignedTLS(), true, issuer.Client(pair)
		}, issuertest.AccessTokenUnbound, withCertificate(server, pair)},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, issuer, func(config *client.Config) {
				test.change(config)
				config.Scopes = []string{"openid", "photos.read"}
			})
			tokens := mustLogin(t, issuer, c)
			if _, err := c.UserInfo(t.Context(), tokens); err != nil {
				t.Errorf("UserInfo: %v", err)
			}
			if status := call(t, test.hc, server.URL, func(r *http.Request) { c.Authorize(r, tokens) }); status != 200 {
				t.Errorf("the API answers %d", status)
			}
			bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokens.AccessToken) }
			if status := call(t, server.Client(), server.URL, bearer); status != 401 {
				t.Errorf("the API answers %d without the proof", status)
			}
			if status := call(t, issuer.Client(), issuer.URL+string(issuertest.UserInfoEndpoint), bearer); status != 401 {
				t.Errorf("UserInfo answers %d without the proof", status)
			}
			if _, err := c.Refresh(t.Context(), tokens); err != nil {
				t.Errorf("Refresh: %v", err)
			}
		})
	}
	c := newClient(t, issuer, func(c *client.Config) { c.DPoP = &client.DPoP{} })
	issuer.Inject(issuertest.TokenTypeBearer)
	if _, err := login(t, issuer, c, client.Request{}); err == nil {
		t.Error("a bearer token is accepted for a bound one")
	}
	issuer.Behave()
	issuer.Inject(issuertest.DPoPNonceRequired)
	mustLogin(t, issuer, c)
	if _, err := tryLogin(t, issuer, newClient(t, issuer, nil)); err == nil {
		t.Error("a client that must use DPoP gets bearer tokens")
	}
}

func withCertificate(server *httptest.Server, pair tls.Certificate) *http.Client {
	hc := *server.Client()
	transport := hc.Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.Certificates = []tls.Certificate{pair}
	hc.Transport = transport
	return &hc
}

func call(t *testing.T, hc *http.Client, address string, authorize func(*http.Request)) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	authorize(r)
	resp, err := hc.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestBoundTokensToOrder(t *testing.T) {
	pair := issuertest.NewCertificate()
	issuer := issuertest.New(t, issuertest.Config{})
	server := api(issuer, jwtVerifier(issuer))
	defer server.Close()
	token := issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.read"}, Certificate: pair.Leaf})
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	if status := call(t, withCertificate(server, pair), server.URL, bearer); status != 200 {
		t.Errorf("with the certificate: %d", status)
	}
	if status := call(t, server.Client(), server.URL, bearer); status != 401 {
		t.Errorf("without the certificate: %d", status)
	}
}
