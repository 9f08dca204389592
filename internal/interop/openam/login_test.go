package openam

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// config configures a client in a realm. The preset is not changed.
func config(realm, clientID string) client.Config {
	out := client.PingOneAdvancedIdentityCloud(host, realm)
	out.ClientID, out.Auth = clientID, auth.SecretBasic(secret)
	out.RedirectURL, out.PostLogoutRedirectURL = appURL+"/callback", appURL+"/bye"
	out.Scopes = []string{"openid", "profile", "email"}
	return out
}

func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newSession signs the user in at the server.
func newSession(t *testing.T, realm string) string {
	t.Helper()
	token, err := authenticate(t.Context(), realm, user, password)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// authorize sends an authorization request as the user of the session, who allows it.
func authorize(t *testing.T, address, session string) *http.Response {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	form := u.Query()
	form.Set("csrf", session)
	form.Set("decision", "allow")
	u.RawQuery = ""
	return post(t, u.String(), form, session)
}

func post(t *testing.T, address string, form url.Values, session string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: session})
	resp, err := direct.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// redirected returns the parameters of a redirect to the application.
func redirected(t *testing.T, resp *http.Response, to string) url.Values {
	t.Helper()
	at, err := resp.Location()
	if err != nil || !strings.HasPrefix(at.String(), to+"?") {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<12))
		t.Fatalf("status %d to %v, want a redirect to %s: %s", resp.StatusCode, at, to, body)
	}
	return at.Query()
}

// logIn makes a complete login of the user.
func logIn(t *testing.T, c *client.Client, session string, request client.Request) *client.Tokens {
	t.Helper()
	address, pending, err := c.Begin(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := c.Finish(t.Context(), pending, redirected(t, authorize(t, address, session), appURL+"/callback"))
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// checkStep requires that err is a client.Error of that step, with that code.
func checkStep(t *testing.T, err error, step client.Step, code string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Step != step || e.Code != code {
		t.Fatalf("error %v, want step %q with %q", err, step, code)
	}
	t.Logf("rejected: %v", err)
}

func TestLogin(t *testing.T) {
	skipWithout(t)
	for _, realm := range []string{"alpha", "bravo"} {
		for _, id := range []string{"web", "implied", "public"} {
			config := config(realm, id)
			if id == "public" {
				config.Auth = auth.Public()
			}
			c := newClient(t, config)
			address, pending, err := c.Begin(t.Context(), client.Request{})
			if err != nil {
				t.Fatal(err)
			}
			callback := redirected(t, authorize(t, address, newSession(t, realm)), appURL+"/callback")
			if callback.Get("iss") != config.Issuer {
				t.Errorf("iss is %q", callback.Get("iss"))
			}
			tokens, err := c.Finish(t.Context(), pending, callback)
			if err != nil {
				t.Fatalf("%s, %s: %v", realm, id, err)
			}
			info, err := c.UserInfo(t.Context(), tokens)
			if err != nil {
				t.Fatal(err)
			}
			var claims struct {
				Email string `json:"email"`
			}
			if err := info.Claims(&claims); err != nil || claims.Email != user+"@example.com" || info.Subject != tokens.IDToken.Subject {
				t.Errorf("UserInfo is about %q (%q), %v", info.Subject, claims.Email, err)
			}
		}
	}
}

// TestLoginRejected: the wrong secret, the issuer of another realm in the callback, and a code
// of another login.
func TestLoginRejected(t *testing.T) {
	skipWithout(t)
	session := newSession(t, "alpha")
	begin := func(config client.Config) (*client.Client, *client.Pending, url.Values) {
		c := newClient(t, config)
		address, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		return c, pending, redirected(t, authorize(t, address, session), appURL+"/callback")
	}
	wrong := config("alpha", "web")
	wrong.Auth = auth.SecretBasic("another")
	c, pending, callback := begin(wrong)
	_, err := c.Finish(t.Context(), pending, callback)
	checkStep(t, err, client.StepToken, "invalid_client")

	c, pending, callback = begin(config("alpha", "web"))
	callback.Set("iss", config("bravo", "web").Issuer)
	_, err = c.Finish(t.Context(), pending, callback)
	checkStep(t, err, client.StepCallback, "login_failed")

	_, _, other := begin(config("alpha", "web"))
	c, pending, callback = begin(config("alpha", "web"))
	callback.Set("code", other.Get("code"))
	_, err = c.Finish(t.Context(), pending, callback)
	checkStep(t, err, client.StepToken, "invalid_grant")
}

// TestRefresh: each refresh returns a new refresh token, and the previous one ends.
func TestRefresh(t *testing.T) {
	skipWithout(t)
	c := newClient(t, config("alpha", "web"))
	first := logIn(t, c, newSession(t, "alpha"), client.Request{})
	second, err := c.Refresh(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if second.RefreshToken == "" || second.RefreshToken == first.RefreshToken || second.AccessToken == first.AccessToken {
		t.Error("the tokens are the old ones")
	}
	_, err = c.Refresh(t.Context(), first)
	checkStep(t, err, client.StepToken, "invalid_grant")
}

// withEndpoints adds the endpoints that the server's metadata lacks.
func withEndpoints(t *testing.T, config client.Config) client.Config {
	t.Helper()
	metadata, err := newClient(t, config).Metadata(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if metadata.IntrospectionEndpoint != "" || metadata.RevocationEndpoint != "" {
		t.Error("the metadata has introspection and revocation: docs/servers.md says that it lacks them")
	}
	changed := *metadata
	changed.IntrospectionEndpoint, changed.RevocationEndpoint = config.Issuer+"/introspect", config.Issuer+"/token/revoke"
	config.DiscoveryURL, config.Metadata = "", &changed
	return config
}

func TestIntrospectAndRevoke(t *testing.T) {
	skipWithout(t)
	for _, realm := range []string{"alpha", "bravo"} {
		c := newClient(t, withEndpoints(t, config(realm, "web")))
		tokens := logIn(t, c, newSession(t, realm), client.Request{})
		about, err := c.Introspect(t.Context(), tokens.AccessToken, "access_token")
		if err != nil || !about.Active || about.ClientID != "web" || !slices.Contains(about.Scopes, "email") {
			t.Fatalf("%s: about the access token: %+v, %v", realm, about, err)
		}
		if about, err := c.Introspect(t.Context(), "garbage", ""); err != nil || about.Active {
			t.Errorf("%s: about a token that is none: %+v, %v", realm, about, err)
		}
		if err := c.RevokeTokens(t.Context(), tokens); err != nil {
			t.Fatal(err)
		}
		_, err = c.Refresh(t.Context(), tokens)
		checkStep(t, err, client.StepToken, "invalid_grant")
		if about, err := c.Introspect(t.Context(), tokens.AccessToken, ""); err != nil || about.Active {
			t.Errorf("%s: about a revoked token: %+v, %v", realm, about, err)
		}
	}
}

// TestAPI verifies access tokens that are JWTs. An ID token of the same client is rejected.
func TestAPI(t *testing.T) {
	skipWithout(t)
	settings := config("bravo", "web")
	c := newClient(t, settings)
	tokens := logIn(t, c, newSession(t, "bravo"), client.Request{})
	provider := &discovery.Provider{Issuer: settings.Issuer, URL: settings.DiscoveryURL}
	api := &rs.JWT{
		Issuer: settings.Issuer, Audience: "web", Keys: provider.Keys(), Typ: "JWT",
		Claims: map[string]string{"tokenName": "access_token"}, InsecureNonce: true,
	}
	principal, err := api.VerifyToken(t.Context(), tokens.AccessToken)
	if err != nil || principal.Subject != tokens.IDToken.Subject || !slices.Contains(principal.Scopes, "email") {
		t.Fatalf("the API knows %+v, %v", principal, err)
	}
	strict := *api
	strict.InsecureNonce = false
	if _, err := strict.VerifyToken(t.Context(), tokens.AccessToken); err == nil {
		t.Error("the access token has no nonce: docs/servers.md says that it has one")
	}
	for name, token := range map[string]string{
		"ID token": tokens.IDTokenHint, "refresh token": tokens.RefreshToken, "changed": tokens.AccessToken[:len(tokens.AccessToken)-8] + "AAAAAAAA",
	} {
		if _, err := api.VerifyToken(t.Context(), token); err == nil {
			t.Errorf("%s: accepted", name)
		} else {
			t.Logf("%s: %v", name, err)
		}
	}
}

// field matches the fields of the page that posts the response.
var field = regexp.MustCompile(`(?i)<input[^>]*name="([^"]*)"[^>]*value="([^"]*)"`)

func TestFormPost(t *testing.T) {
	skipWithout(t)
	settings := config("alpha", "web")
	settings.ResponseMode = "form_post"
	c := newClient(t, settings)
	address, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	resp := authorize(t, address, newSession(t, "alpha"))
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	callback := url.Values{}
	for _, m := range field.FindAllStringSubmatch(string(body), -1) {
		callback.Set(m[1], m[2])
	}
	if _, err := c.Finish(t.Context(), pending, callback); err != nil {
		t.Fatalf("%v, from %s", err, body)
	}
}

// TestStepUp requests a class of login that the session has, one that it lacks, and a recent
// authentication.
func TestStepUp(t *testing.T) {
	skipWithout(t)
	c := newClient(t, config("alpha", "web"))
	session := newSession(t, "alpha")
	tokens := logIn(t, c, session, client.Request{ACRValues: []string{"silver"}})
	if tokens.IDToken.ACR != "silver" {
		t.Errorf("acr is %q", tokens.IDToken.ACR)
	}
	address, pending, err := c.Begin(t.Context(), client.Request{ACRValues: []string{"gold"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Finish(t.Context(), pending, redirected(t, authorize(t, address, session), appURL+"/callback"))
	checkStep(t, err, client.StepIDToken, "login_failed")

	time.Sleep(2 * time.Second)
	second := time.Second
	if address, pending, err = c.Begin(t.Context(), client.Request{MaxAge: &second}); err != nil {
		t.Fatal(err)
	}
	_, err = c.Finish(t.Context(), pending, redirected(t, authorize(t, address, session), appURL+"/callback"))
	checkStep(t, err, client.StepCallback, "login_required")
}

// TestMaxAge: the server honors max_age, but the ID token has auth:time instead of auth_time.
// docs/servers.md says that the client then rejects it.
func TestMaxAge(t *testing.T) {
	skipWithout(t)
	c := newClient(t, config("alpha", "web"))
	hour := time.Hour
	address, pending, err := c.Begin(t.Context(), client.Request{MaxAge: &hour})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Finish(t.Context(), pending, redirected(t, authorize(t, address, newSession(t, "alpha")), appURL+"/callback"))
	checkStep(t, err, client.StepIDToken, "login_failed")
}

// TestLogout ends the session at the server. The browser comes back with the state.
func TestLogout(t *testing.T) {
	skipWithout(t)
	c := newClient(t, config("alpha", "web"))
	session := newSession(t, "alpha")
	tokens := logIn(t, c, session, client.Request{})
	address, state, err := c.LogoutURL(t.Context(), client.Logout{IDTokenHint: tokens.IDTokenHint})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := get(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := client.CheckLogout(state, redirected(t, resp, appURL+"/bye")); err != nil {
		t.Error(err)
	}
	if address, _, err = c.Begin(t.Context(), client.Request{}); err != nil {
		t.Fatal(err)
	}
	if at, err := authorize(t, address, session).Location(); err == nil && strings.HasPrefix(at.String(), appURL) && at.Query().Has("code") {
		t.Error("the session goes on")
	}
}

// TestExample runs the example with the commands of its page.
func TestExample(t *testing.T) {
	skipWithout(t)
	for password, want := range map[string]string{password: "signed in: ", "wrong": "status 401"} {
		cmd := exec.CommandContext(t.Context(), os.Getenv("COUNTERSIGN_OPENAM_EXAMPLE"))
		cmd.Env = append(os.Environ(), "HOST="+host, "REALM=alpha", "CLIENT_ID=web", "CLIENT_SECRET="+secret,
			"REDIRECT_URL="+appURL+"/callback", "LOGIN_NAME="+user, "LOGIN_PASSWORD="+password)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (password != "wrong") || !strings.Contains(string(out), want) {
			t.Errorf("password %q: %v, %s", password, err, out)
		}
	}
}
