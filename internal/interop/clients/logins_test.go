package clients

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	cap "github.com/hashicorp/cap/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

const (
	redirectURL = "https://app.example/callback"
	wantedACR   = "urn:example:one"
)

var (
	maxAge = time.Minute
	scopes = []string{"openid", "profile"}
)

// library signs a user in with state, nonce and PKCE, and then calls UserInfo. The code follows the
// documentation of the library. An error means that the login was rejected.
type library struct {
	name    string
	modules []string // whose versions the page names
	login   func(context.Context, *issuertest.Issuer) error
}

var libraries = []library{
	{"Countersign", nil, countersign},
	{"go-oidc + x/oauth2", []string{"github.com/coreos/go-oidc/v3", "golang.org/x/oauth2"}, goOIDC},
	{"zitadel/oidc", []string{"github.com/zitadel/oidc/v3"}, zitadel},
	{"hashicorp/cap", []string{"github.com/hashicorp/cap"}, hashicorp},
}

func countersign(ctx context.Context, issuer *issuertest.Issuer) error {
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), RedirectURL: redirectURL,
		Scopes: scopes, HTTP: issuer.Client(),
	})
	if err != nil {
		return err
	}
	redirect, pending, err := c.Begin(ctx, client.Request{MaxAge: &maxAge, ACRValues: []string{wantedACR}})
	if err != nil {
		return err
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		return err
	}
	tokens, err := c.Finish(ctx, pending, callback)
	if err != nil {
		return err
	}
	_, err = c.UserInfo(ctx, tokens)
	return err
}

func goOIDC(ctx context.Context, issuer *issuertest.Issuer) error {
	ctx = gooidc.ClientContext(ctx, issuer.Client())
	provider, err := gooidc.NewProvider(ctx, issuer.URL)
	if err != nil {
		return err
	}
	config := oauth2.Config{
		ClientID: issuertest.ClientID, ClientSecret: issuertest.ClientSecret, Endpoint: provider.Endpoint(), RedirectURL: redirectURL, Scopes: scopes,
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	redirect := config.AuthCodeURL(state, gooidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier),
		oauth2.SetAuthURLParam("max_age", "60"), oauth2.SetAuthURLParam("acr_values", wantedACR))
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		return err
	}
	if callback.Get("state") != state {
		return errors.New("state did not match")
	}
	token, err := config.Exchange(ctx, callback.Get("code"), oauth2.VerifierOption(verifier))
	if err != nil {
		return err
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return errors.New("no id_token field in oauth2 token")
	}
	idToken, err := provider.Verifier(&gooidc.Config{ClientID: issuertest.ClientID}).Verify(ctx, raw)
	if err != nil {
		return err
	}
	if idToken.Nonce != nonce {
		return errors.New("nonce did not match")
	}
	_, err = provider.UserInfo(ctx, oauth2.StaticTokenSource(token))
	return err
}

// zitadel uses the handlers of rp: state and code_verifier are in cookies.
func zitadel(ctx context.Context, issuer *issuertest.Issuer) error {
	mux := http.NewServeMux()
	app := httptest.NewTLSServer(mux)
	defer app.Close()
	cookies := httphelper.NewCookieHandler([]byte(rand.Text() + "012345")[:32], []byte(rand.Text() + "012345")[:32])
	nonce := rand.Text()
	party, err := rp.NewRelyingPartyOIDC(ctx, issuer.URL, issuertest.ClientID, issuertest.ClientSecret, app.URL+"/callback", scopes,
		rp.WithHTTPClient(issuer.Client()), rp.WithCookieHandler(cookies), rp.WithPKCE(cookies), rp.WithLogger(slog.New(slog.DiscardHandler)),
		rp.WithVerifierOpts(rp.WithNonce(func(context.Context) string { return nonce }), rp.WithIssuedAtOffset(30*time.Second),
			rp.WithAuthTimeMaxAge(maxAge), rp.WithACRVerifier(oidc.DefaultACRVerifier([]string{wantedACR}))))
	if err != nil {
		return err
	}
	mux.Handle("/login", rp.AuthURLHandler(rand.Text, party, rp.WithURLParam("nonce", nonce), rp.WithURLParam("max_age", "60"), rp.WithURLParam("acr_values", wantedACR)))
	signedIn := func(w http.ResponseWriter, _ *http.Request, _ *oidc.Tokens[*oidc.IDTokenClaims], _ string, _ rp.RelyingParty, _ *oidc.UserInfo) {
		io.WriteString(w, "signed in")
	}
	mux.Handle("/callback", rp.CodeExchangeHandler(rp.UserinfoCallback(signedIn), party))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, app.URL+"/login", nil)
	if err != nil {
		return err
	}
	resp, err := issuer.Browser(app.Certificate()).Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && string(body) != "signed in" {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return err
}

func hashicorp(ctx context.Context, issuer *issuertest.Issuer) error {
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issuer.Certificate().Raw})
	config, err := cap.NewConfig(issuer.URL, issuertest.ClientID, issuertest.ClientSecret, []cap.Alg{cap.RS256}, []string{redirectURL}, cap.WithProviderCA(string(ca)))
	if err != nil {
		return err
	}
	provider, err := cap.NewProvider(config)
	if err != nil {
		return err
	}
	defer provider.Done()
	verifier, err := cap.NewCodeVerifier()
	if err != nil {
		return err
	}
	request, err := cap.NewRequest(2*time.Minute, redirectURL, cap.WithScopes(scopes...), cap.WithPKCE(verifier), cap.WithMaxAge(60), cap.WithACRValues(wantedACR))
	if err != nil {
		return err
	}
	redirect, err := provider.AuthURL(ctx, request)
	if err != nil {
		return err
	}
	callback, err := issuer.Authorize(ctx, redirect, "")
	if err != nil {
		return err
	}
	token, err := provider.Exchange(ctx, request, callback.Get("state"), callback.Get("code"))
	if err != nil {
		return err
	}
	var own struct {
		Subject string `json:"sub"`
	}
	if err := token.IDToken().Claims(&own); err != nil {
		return err
	}
	var claims map[string]any
	return provider.UserInfo(ctx, token.StaticTokenSource(), own.Subject, &claims)
}
