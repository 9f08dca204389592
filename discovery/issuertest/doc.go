// Package issuertest provides an OpenID provider for tests and for development. It issues real
// tokens, and it misbehaves on request: every [Fault] has a name.
//
// In a test, [New] starts it and stops it again:
//
//	issuer := issuertest.New(t, issuertest.Config{})
//	c, err := client.New(client.Config{
//		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
//		RedirectURL: "https://app.example/callback", HTTP: issuer.Client(),
//	})
//	redirect, pending, err := c.Begin(ctx, client.Request{})
//	tokens, err := c.Finish(ctx, pending, issuer.SignIn(t, redirect))
//
// A fault needs one line before the login: issuer.Inject(issuertest.IDTokenNonceWrong).
//
// A program without a test uses [Start] or [NewHandler]. The package does not import testing,
// net/http/httptest or the module's client.
//
// The issuer is not for production. It accepts any redirect URI of a client that registered none.
// Without [Config.Page] it signs in without a password.
package issuertest
