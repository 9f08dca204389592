package issuertest_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
)

// wantCode reports whether err is an OAuth error response with the code.
func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	var e *client.TokenError
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("error %v, want %s", err, code)
	}
}

func TestRefreshRotatesAndSeesReuse(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	c := newClient(t, issuer, nil)
	first := mustLogin(t, issuer, c)
	second, err := c.Refresh(t.Context(), first)
	if err != nil || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Fatalf("no new tokens: %v", err)
	}
	if _, err := c.UserInfo(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	_, err = c.Refresh(t.Context(), first)
	wantCode(t, err, "invalid_grant")
	_, err = c.Refresh(t.Context(), second)
	wantCode(t, err, "invalid_grant")
	if _, err := c.UserInfo(t.Context(), second); err == nil {
		t.Error("the access token is good after the reuse")
	}
}

func TestRefreshOfAnotherUser(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{issuertest.RefreshOtherUser}})
	c := newClient(t, issuer, nil)
	if _, err := c.Refresh(t.Context(), mustLogin(t, issuer, c)); err == nil {
		t.Error("the tokens of another user are accepted")
	}
}

func TestUserInfoFaults(t *testing.T) {
	for _, fault := range []issuertest.Fault{issuertest.UserInfoOtherUser, issuertest.UserInfoSubjectMissing} {
		issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}})
		c := newClient(t, issuer, nil)
		if _, err := c.UserInfo(t.Context(), mustLogin(t, issuer, c)); err == nil {
			t.Errorf("%s: UserInfo is accepted", fault)
		}
	}
}

func TestMetadataFaults(t *testing.T) {
	for _, fault := range []issuertest.Fault{issuertest.MetadataIssuerForeign, issuertest.MetadataEndpointsPlain} {
		issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}})
		if _, err := login(t, issuer, newClient(t, issuer, nil), client.Request{}); err == nil {
			t.Errorf("%s: the login succeeds", fault)
		}
	}
}

func TestRevocation(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	c := newClient(t, issuer, nil)
	tokens := mustLogin(t, issuer, c)
	if err := c.RevokeTokens(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UserInfo(t.Context(), tokens); err == nil {
		t.Error("a revoked token is good")
	}
	tokens = mustLogin(t, issuer, c)
	issuer.RevokeAll()
	if _, err := c.Refresh(t.Context(), tokens); err == nil {
		t.Error("after RevokeAll a refresh succeeds")
	}
}

func TestRequestObject(t *testing.T) {
	key := issuertest.NewKey("client-key", "ES256")
	config := issuertest.Config{Clients: []issuertest.Client{{ID: "web", Keys: issuertest.JWKS(key)}}}
	for name, metadata := range map[string]map[string]any{"pushed": nil, "in the browser": {"pushed_authorization_request_endpoint": nil}} {
		t.Run(name, func(t *testing.T) {
			config.Metadata = metadata
			issuer := issuertest.New(t, config)
			signing := auth.SigningKey{KeyID: key.ID, Key: key.Private}
			sign := func(c *client.Config) {
				c.Auth, c.RequestObject = auth.PrivateKeyJWT(signing, auth.Assertion{}), &client.RequestObject{Keys: signing}
			}
			mustLogin(t, issuer, newClient(t, issuer, sign))
			other := auth.SigningKey{KeyID: key.ID, Key: issuertest.NewKey("client-key", "ES256").Private}
			if _, err := tryLogin(t, issuer, newClient(t, issuer, func(c *client.Config) {
				sign(c)
				c.RequestObject.Keys = other
			})); err == nil {
				t.Error("an object by another key is accepted")
			}
		})
	}
}

// tryLogin is login for requests that the issuer may reject on a page.
func tryLogin(t *testing.T, issuer *issuertest.Issuer, c *client.Client) (*client.Tokens, error) {
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		return nil, err
	}
	callback, err := issuer.Authorize(t.Context(), redirect, "")
	if err != nil {
		return nil, err
	}
	return c.Finish(t.Context(), pending, callback)
}

func TestRedirectURLs(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{
		ID: "web", Secret: "web-secret", RedirectURLs: []string{"https://app.example/callback", "http://127.0.0.1/callback"},
	}}})
	for redirect, good := range map[string]bool{
		"https://app.example/callback": true, "http://127.0.0.1:4711/callback": true, "https://app.example/other": false,
		"https://other.example/callback": false, "http://127.0.0.1:4711/other": false, "https://app.example:444/callback": false,
	} {
		_, err := tryLogin(t, issuer, newClient(t, issuer, func(c *client.Config) { c.RedirectURL = redirect }))
		if (err == nil) != good {
			t.Errorf("%s: %v", redirect, err)
		}
	}
}

// TestRedirectPort: a web application is registered with its port. A program on a desktop uses any.
func TestRedirectPort(t *testing.T) {
	uris := []string{"http://127.0.0.1:8080/callback"}
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{
		{ID: "web", Secret: "web-secret", RedirectURLs: uris}, {ID: "desktop", RedirectURLs: uris},
	}})
	web, desktop := auth.Secret("web-secret"), auth.Public()
	for _, test := range []struct {
		id, port string
		method   auth.Method
		good     bool
	}{{"web", "8080", web, true}, {"web", "8088", web, false}, {"desktop", "8080", desktop, true}, {"desktop", "8088", desktop, true}} {
		_, err := tryLogin(t, issuer, newClient(t, issuer, func(c *client.Config) {
			c.ClientID, c.Auth, c.RedirectURL = test.id, test.method, "http://127.0.0.1:"+test.port+"/callback"
		}))
		if (err == nil) != test.good {
			t.Errorf("%s, port %s: %v", test.id, test.port, err)
		}
	}
}

func TestClientAuthentication(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{
		{ID: "web", Secret: "web-secret", AuthMethod: "client_secret_basic"}, {ID: "public"},
	}})
	for name, test := range map[string]struct {
		id     string
		method auth.Method
		good   bool
	}{
		"right": {"web", auth.SecretBasic("web-secret"), true}, "wrong secret": {"web", auth.SecretBasic("other-secret"), false},
		"wrong method": {"web", auth.SecretPost("web-secret"), false}, "none": {"web", auth.Public(), false},
		"unknown": {"other", auth.SecretBasic("web-secret"), false}, "public": {"public", auth.Public(), true},
		"secret of a public client": {"public", auth.SecretBasic("web-secret"), false},
	} {
		_, err := tryLogin(t, issuer, newClient(t, issuer, func(c *client.Config) { c.ClientID, c.Auth = test.id, test.method }))
		if (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeyRotation(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	v := jwtVerifier(issuer)
	before := issuer.AccessToken(issuertest.AccessToken{})
	issuer.RotateKey()
	for _, token := range []string{before, issuer.AccessToken(issuertest.AccessToken{})} {
		if _, err := v.VerifyToken(t.Context(), token); err != nil {
			t.Error(err)
		}
	}
	issuer.ReplaceKey()
	if _, err := jwtVerifier(issuer).VerifyToken(t.Context(), before); err == nil {
		t.Error("a token by a key that is gone is accepted")
	}
}

func TestClock(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	v := jwtVerifier(issuer)
	token := issuer.AccessToken(issuertest.AccessToken{})
	if _, err := v.VerifyToken(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	issuer.Advance(time.Hour)
	if _, err := v.VerifyToken(t.Context(), token); err == nil {
		t.Error("a token is good after an hour")
	}
}

func TestLogoutTokens(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	c := newClient(t, issuer, nil)
	got, err := c.VerifyLogout(t.Context(), issuer.LogoutToken("web", "alice", "session-1"), nil)
	if err != nil || got.SessionID != "session-1" {
		t.Fatal(err)
	}
	for _, fault := range []issuertest.Fault{issuertest.LogoutTokenNonce, issuertest.LogoutTokenExpired, issuertest.LogoutTokenAudience,
		issuertest.LogoutTokenEvents, issuertest.LogoutTokenKeySwapped} {
		issuer.Inject(fault)
		if _, err := c.VerifyLogout(t.Context(), issuer.LogoutToken("web", "alice", ""), nil); err == nil {
			t.Errorf("%s: accepted", fault)
		}
		issuer.Behave()
	}
}

// TestLogout: the browser leaves the issuer, and the application gets a logout token.
func TestLogout(t *testing.T) {
	heard := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { heard <- r.PostFormValue("logout_token") }))
	defer app.Close()
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{
		ID: "web", Secret: "web-secret", BackChannelLogoutURL: app.URL, FrontChannelLogoutURL: "https://app.example/frame",
		PostLogoutRedirectURLs: []string{"https://app.example/"},
	}}})
	c := newClient(t, issuer, func(c *client.Config) { c.PostLogoutRedirectURL = "https://app.example/" })
	tokens := mustLogin(t, issuer, c)
	redirect, _, err := c.LogoutURL(t.Context(), client.Logout{IDTokenHint: tokens.IDTokenHint})
	if err != nil {
		t.Fatal(err)
	}
	if err := visit(issuer, redirect, nil); err != nil {
		t.Fatal(err)
	}
	token, err := c.VerifyLogout(t.Context(), <-heard, nil)
	if err != nil || token.SessionID != tokens.IDToken.SessionID || token.Subject != "alice" {
		t.Error(err)
	}
	frame, err := url.Parse(issuer.FrontChannelLogoutURL("web", "s1"))
	if err != nil || frame.Query().Get("sid") != "s1" || frame.Query().Get("iss") != issuer.URL {
		t.Errorf("%v, %v", frame, err)
	}
	if status, err := issuer.SendLogout(t.Context(), "web", "alice", ""); err != nil || status != 200 || <-heard == "" {
		t.Errorf("%d, %v", status, err)
	}
	if err := visit(issuer, issuer.URL+"/logout?client_id=web&post_logout_redirect_uri=https://other.example/", nil); err == nil {
		t.Error("the browser is sent to an address that is not registered")
	}
}

func TestRegistration(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	registrar := &registration.Registrar{Server: &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}, HTTP: issuer.Client()}
	made, err := registrar.Register(t.Context(), registration.Metadata{RedirectURIs: []string{callbackURL}, TokenEndpointAuthMethod: "client_secret_basic"})
	if err != nil {
		t.Fatal(err)
	}
	clients := issuer.Clients()
	added := clients[len(clients)-1]
	mustLogin(t, issuer, newClient(t, issuer, func(c *client.Config) { c.ClientID, c.Auth = added.ID, auth.SecretBasic(added.Secret) }))
	if err := registrar.Delete(t.Context(), made); err != nil {
		t.Error(err)
	}
	if n := len(issuer.Clients()); n != 1 {
		t.Errorf("%d clients after Delete", n)
	}
}

func TestEncryptedIDTokens(t *testing.T) {
	key := issuertest.NewKey("enc", "ES256")
	jwk := key.JWK()
	jwk["use"], jwk["alg"] = "enc", "ECDH-ES"
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{{
		ID: "web", Secret: "web-secret", Keys: marshal(t, map[string]any{"keys": []any{jwk}}), IDTokenEncryptionAlg: "ECDH-ES", IDTokenEncryptionEnc: "A256GCM",
	}}})
	mustLogin(t, issuer, newClient(t, issuer, func(c *client.Config) {
		c.DecryptionKeys = []auth.DecryptionKey{{KeyID: "enc", Key: key.Private}}
	}))
	if _, err := tryLogin(t, issuer, newClient(t, issuer, nil)); err == nil {
		t.Error("an encrypted token is accepted by a client without keys")
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
