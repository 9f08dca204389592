package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/pkce"
)

// registered returns a client and its issuer, which is the server and the user of the examples.
// Close the issuer after use.
func registered(config client.Config) (*client.Client, *issuertest.Issuer) {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	config.Issuer, config.ClientID, config.Auth = issuer.URL, issuertest.ClientID, auth.Secret(issuertest.ClientSecret)
	config.RedirectURL, config.HTTP = "https://app.example/callback", issuer.Client()
	c, err := client.New(config)
	if err != nil {
		log.Fatal(err)
	}
	return c, issuer
}

// signIn makes a complete login, as in the example of the package.
func signIn(c *client.Client, issuer *issuertest.Issuer) *client.Tokens {
	ctx := context.Background()
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		log.Fatal(err)
	}
	issued, err := c.Finish(ctx, pending, callback)
	if err != nil {
		log.Fatal(err)
	}
	return issued
}

// The claims of a user that the ID token does not have.
func ExampleClient_UserInfo() {
	c, issuer := registered(client.Config{Scopes: []string{"openid", "email"}})
	defer issuer.Close()
	issued := signIn(c, issuer)

	info, err := c.UserInfo(context.Background(), issued)
	if err != nil {
		log.Fatal(err)
	}
	var claims struct {
		Email    string               `json:"email"`
		Verified idtoken.BooleanClaim `json:"email_verified"`
	}
	if err := info.Claims(&claims); err != nil {
		log.Fatal(err)
	}
	fmt.Println(info.Subject, claims.Email, claims.Verified)
	// Output: alice alice@example.com true
}

// The backend of a mobile app. The app signed the user in with the system's browser, and sends
// the code and its code_verifier.
func ExampleClient_Exchange() {
	ctx := context.Background()
	c, issuer := registered(client.Config{})
	defer issuer.Close()

	verifier := pkce.New() // in the app
	request := url.Values{
		"client_id": {issuertest.ClientID}, "response_type": {"code"}, "redirect_uri": {"https://app.example/callback"}, "scope": {"openid"},
		"state": {"of the app"}, "code_challenge": {verifier.Challenge(pkce.S256)}, "code_challenge_method": {"S256"},
	}
	callback, err := issuer.Authorize(ctx, issuer.URL+string(issuertest.AuthorizationEndpoint)+"?"+request.Encode(), "")
	if err != nil {
		log.Fatal(err)
	}

	issued, err := c.Exchange(ctx, callback.Get("code"), verifier) // in the backend
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.IDToken.Subject)
	// Output: alice
}

// New tokens before the old ones expire. Store the result instead of the old tokens: most
// servers accept a refresh token once. tokens.Refresher does this for many callers.
func ExampleClient_Refresh() {
	c, issuer := registered(client.Config{Scopes: []string{"openid", "offline_access"}})
	defer issuer.Close()
	old := signIn(c, issuer)

	fresh, err := c.Refresh(context.Background(), old)
	var failed *client.Error
	switch {
	case errors.As(err, &failed) && failed.EndsLogin():
		log.Fatal("sign in again")
	case err != nil:
		log.Fatal(err) // later
	}
	fmt.Println(fresh.AccessToken != old.AccessToken, fresh.Refreshed)
	// Output: true true
}

// Is a token still valid? An API uses rs.Introspection, which checks more.
func ExampleClient_Introspect() {
	ctx := context.Background()
	c, issuer := registered(client.Config{})
	defer issuer.Close()
	issued := signIn(c, issuer)

	before, err := c.Introspect(ctx, issued.AccessToken, "access_token")
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Revoke(ctx, issued.AccessToken, "access_token"); err != nil {
		log.Fatal(err)
	}
	after, err := c.Introspect(ctx, issued.AccessToken, "access_token")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(before.Active, before.Subject, after.Active)
	// Output: true alice false
}

// An application with clients at several issuers also checks where a response arrived.
func ExampleClient_FinishAt() {
	ctx := context.Background()
	c, issuer := registered(client.Config{})
	defer issuer.Close()
	redirect, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		log.Fatal(err)
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		log.Fatal(err)
	}

	for _, path := range []string{"/callback/other", "/callback"} { // of r.URL in the handler
		_, err = c.FinishAt(ctx, pending, &url.URL{Scheme: "https", Host: "app.example", Path: path}, callback)
		fmt.Println(path, err == nil)
	}
	// Output:
	// /callback/other false
	// /callback true
}

// Before a program listens: does the server fit the configuration? Here the server requires another
// authentication method.
func ExampleClient_Ready() {
	issuer, err := issuertest.Start(issuertest.Config{Metadata: map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.SecretBasic(issuertest.ClientSecret),
		RedirectURL: "https://app.example/callback", HTTP: issuer.Client(),
	})
	if err != nil {
		log.Fatal(err)
	}
	err = c.Ready(context.Background())
	var failed *client.Error
	fmt.Println(errors.As(err, &failed), failed.Step, failed.Temporary()) // the text names Config.Auth
	// Output: true discovery false
}

// The server says that a session has ended. Each logout token is accepted once.
func ExampleClient_VerifyLogout() {
	ctx := context.Background()
	c, issuer := registered(client.Config{})
	defer issuer.Close()
	raw := issuer.LogoutToken(issuertest.ClientID, issuertest.Subject, "") // what the server posts

	ended, err := c.VerifyLogout(ctx, raw, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("end every session of", ended.Subject)
	_, err = c.VerifyLogout(ctx, raw, nil)
	fmt.Println(errors.Is(err, idtoken.ErrReplayed))
	// Output:
	// end every session of alice
	// true
}

// A request to an API with a token that is bound to a key of this client.
func ExampleClient_Authorize() {
	c, issuer := registered(client.Config{DPoP: &client.DPoP{}})
	defer issuer.Close()
	issued := signIn(c, issuer)

	r, err := http.NewRequest(http.MethodGet, "https://photos.example/albums", nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := c.Authorize(r, issued); err != nil { // last: the proof is for this request only
		log.Fatal(err)
	}
	fmt.Println(issued.TokenType, r.Header.Get("DPoP") != "")
	// Output: DPoP true
}

// A login that another page starts, at the application's initiate_login_uri.
func ExampleClient_Initiated() {
	c, issuer := registered(client.Config{})
	defer issuer.Close()
	ask, err := c.Initiated(url.Values{"iss": {issuer.URL}, "login_hint": {"alice"}, "target_link_uri": {"https://app.example/albums?year=2026"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ask.Request.LoginHint, ask.Target) // pass Request to Begin
	// Output: alice /albums?year=2026
}

// The browser comes back after a logout at the server.
func ExampleCheckLogout() {
	state := "the second result of LogoutURL, stored for this browser"
	fmt.Println(client.CheckLogout(state, url.Values{"state": {state}}))
	// Output: <nil>
}

// Two servers must not share a RedirectURL, unless they name themselves in the response.
func ExampleCheckMixUpDefense() {
	at := func(issuer, redirect string) *client.Client {
		c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Secret("of the registration"), RedirectURL: redirect})
		if err != nil {
			log.Fatal(err)
		}
		return c
	}
	work, school := at("https://sso.work.example", "https://app.example/callback"), at("https://sso.school.example", "https://app.example/callback")
	fmt.Println(client.CheckMixUpDefense(work, school) == nil)
	school = at("https://sso.school.example", "https://app.example/callback/school")
	fmt.Println(client.CheckMixUpDefense(work, school) == nil)
	// Output:
	// false
	// true
}

// A server with a preset. ClientID, Auth and RedirectURL come from the registration.
func ExampleKeycloak() {
	config := client.Keycloak("https://sso.example", "main")
	config.ClientID, config.Auth, config.RedirectURL = "web", auth.Secret("of the registration"), "https://app.example/callback"
	c, err := client.New(config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Issuer())
	// Output: https://sso.example/realms/main
}

// A profile enforces its rules for the configuration, the server and each response. This one
// requires pushed requests, a client with a key, and access tokens that are bound to a key.
func ExampleProfile() {
	key := issuertest.NewKey("key-1", "ES256")
	issuer, err := issuertest.Start(issuertest.Config{Algorithm: "ES256", Clients: []issuertest.Client{{ID: "bank", Keys: issuertest.JWKS(key)}}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Profile: client.FAPI2Security, Issuer: issuer.URL, ClientID: "bank",
		Auth:        auth.PrivateKeyJWT(auth.SigningKey{KeyID: "key-1", Key: key.Private}, auth.Assertion{}),
		RedirectURL: "https://app.example/callback", DPoP: &client.DPoP{}, IDTokenAlgs: []string{"ES256"}, HTTP: issuer.Client(),
	})
	if err != nil {
		log.Fatal(err) // every rule that the configuration violates
	}
	issued := signIn(c, issuer)
	fmt.Println(issued.IDToken.Subject, issued.TokenType)
	// Output: alice DPoP
}

// An authorization request in a JWT that the client signs.
func ExampleRequestObject() {
	key := issuertest.NewKey("key-1", "ES256")
	issuer, err := issuertest.Start(issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: "web-secret", Keys: issuertest.JWKS(key)}}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: "web", Auth: auth.Secret("web-secret"), RedirectURL: "https://app.example/callback", HTTP: issuer.Client(),
		RequestObject: &client.RequestObject{Keys: auth.SigningKey{KeyID: "key-1", Key: key.Private}},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(signIn(c, issuer).IDToken.Subject)
	// Output: alice
}

// A token for the program itself, RFC 6749 §4.4.
func Example_clientCredentials() {
	c, issuer := registered(client.Config{})
	defer issuer.Close()
	issued, err := grant.ClientCredentials(context.Background(), c, client.TokenRequest{Scopes: []string{"photos.read"}})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(issued.TokenType, issued.Scopes) // tokens.Refresher renews it before it expires
	// Output: Bearer [photos.read]
}
