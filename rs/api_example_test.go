package rs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// server returns an issuer of the test kit, and a Provider for its keys. Close the issuer after
// use.
func server(config issuertest.Config) (*issuertest.Issuer, *discovery.Provider) {
	issuer, err := issuertest.Start(config)
	if err != nil {
		panic(err)
	}
	return issuer, &discovery.Provider{Issuer: issuer.URL, HTTP: issuer.Client()}
}

// call sends a request with an access token, "" for none, and prints the status.
func call(h http.Handler, token string) {
	r := httptest.NewRequest(http.MethodGet, "/photos", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Header().Get("WWW-Authenticate"))))
}

// ok is the handler behind the middleware.
var ok = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})

// An API for JWTs of one server, with real tokens.
func ExampleProtection() {
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	api := &rs.Protection{Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}}
	photos := api.Handler(rs.RequireScope("photos.read")(ok))

	call(photos, issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.read"}}))
	call(photos, issuer.AccessToken(issuertest.AccessToken{Audience: []string{"https://other.example"}}))
	call(photos, "")
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
	// 401 Bearer
}

// Before the API listens, and for a readiness probe.
func ExampleProtection_Ready() {
	api := &rs.Protection{Tokens: &rs.JWT{Issuer: "https://as.example"}}
	fmt.Println(api.Ready(context.Background()) == nil) // the error names Audience and Keys
	// Output: false
}

// A handler that answers rejected requests in the format of the API. Error.Err is for the log.
func ExampleProtection_Check() {
	api := &rs.Protection{Tokens: rstest.Tokens{"token-of-alice": {Subject: "alice"}}}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := api.Check(r)
		var rejected *rs.Error
		if errors.As(err, &rejected) {
			http.Error(w, rejected.Description, rejected.Status)
			return
		}
		fmt.Fprint(w, who.Subject)
	})
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 401 an access token is required
}

// An API that asks the server about opaque tokens, and remembers its answers for 30 seconds.
func ExampleIntrospection() {
	issuer, provider := server(issuertest.Config{AccessTokens: issuertest.Opaque})
	defer issuer.Close()
	api := &rs.Protection{Tokens: &rs.Cache{Tokens: &rs.Introspection{
		Server: provider, Issuer: issuer.URL, Audience: issuertest.Audience, HTTP: issuer.Client(),
		Auth: auth.SecretBasic(issuertest.ClientSecret).For(issuertest.ClientID, issuer.URL),
	}}}
	call(api.Handler(ok), issuer.AccessToken(issuertest.AccessToken{}))
	// Output: 200
}

// Concurrent requests with one token cause one call to the server. Invalidate removes the answer
// from the cache, for example after the token was revoked.
func ExampleCache() {
	issuer, provider := server(issuertest.Config{AccessTokens: issuertest.Opaque})
	defer issuer.Close()
	cache := &rs.Cache{MaxAge: time.Minute, Tokens: &rs.Introspection{
		Server: provider, Issuer: issuer.URL, Audience: issuertest.Audience, HTTP: issuer.Client(),
		Auth: auth.SecretBasic(issuertest.ClientSecret).For(issuertest.ClientID, issuer.URL),
	}}
	photos, token := (&rs.Protection{Tokens: cache}).Handler(ok), issuer.AccessToken(issuertest.AccessToken{})
	for range 3 {
		call(photos, token)
	}
	fmt.Println(len(issuer.Exchanges(issuertest.IntrospectionEndpoint)), "call")
	issuer.RevokeAll()
	if err := cache.Invalidate(context.Background(), token); err != nil {
		panic(err)
	}
	call(photos, token)
	// Output:
	// 200
	// 200
	// 200
	// 1 call
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
}

// A server that issues JWTs and opaque tokens.
func ExampleJWTOrOpaque() {
	issuer, provider := server(issuertest.Config{AccessTokens: issuertest.Opaque})
	defer issuer.Close()
	api := &rs.Protection{Tokens: &rs.JWTOrOpaque{
		JWT: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()},
		Opaque: &rs.Introspection{
			Server: provider, Issuer: issuer.URL, Audience: issuertest.Audience, HTTP: issuer.Client(),
			Auth: auth.SecretBasic(issuertest.ClientSecret).For(issuertest.ClientID, issuer.URL),
		},
	}}
	call(api.Handler(ok), issuer.AccessToken(issuertest.AccessToken{}))
	// Output: 200
}

// An API that accepts tokens of several servers, and no others.
func ExampleIssuers() {
	work, atWork := server(issuertest.Config{})
	defer work.Close()
	school, atSchool := server(issuertest.Config{})
	defer school.Close()
	other, _ := server(issuertest.Config{})
	defer other.Close()
	api := &rs.Protection{Tokens: rs.Issuers{
		{Issuer: work.URL, Audience: issuertest.Audience, Keys: atWork.Keys()},
		{Issuer: school.URL, Audience: issuertest.Audience, Keys: atSchool.Keys()},
	}}
	for _, issuer := range []*issuertest.Issuer{work, school, other} {
		_, err := api.Check(withToken(issuer.AccessToken(issuertest.AccessToken{})))
		fmt.Println(err == nil)
	}
	// Output:
	// true
	// true
	// false
}

func withToken(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/photos", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// A product whose customers have their own servers. Find reads the customer's configuration.
func ExampleDynamicIssuers() {
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	customers := map[string]*rs.JWT{issuer.URL: {Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}}
	api := &rs.Protection{Tokens: &rs.DynamicIssuers{Find: func(_ context.Context, iss string) (rs.Verifier, error) {
		if j := customers[iss]; j != nil {
			return j, nil
		}
		return nil, nil // rejected
	}}}
	call(api.Handler(ok), issuer.AccessToken(issuertest.AccessToken{}))
	// Output: 200
}

// An API that accepts ID tokens, for a server that has no access tokens for APIs.
func ExampleIDToken() {
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	api := &rs.Protection{Tokens: &rs.IDToken{Issuer: issuer.URL, ClientIDs: []string{issuertest.ClientID}, Keys: provider.Keys()}}
	call(api.Handler(ok), issuer.IDToken(issuertest.IDToken{}))
	// Output: 200
}

// An API that accepts tokens only with a proof of the client's key.
func ExampleDPoP() {
	ctx := context.Background()
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	api := &rs.Protection{Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()}}
	web := httptest.NewServer(api.Handler(ok))
	defer web.Close()
	api.DPoP = &rs.DPoP{BaseURL: web.URL, Required: true} // the URL at which clients reach the API

	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client(), DPoP: &client.DPoP{},
	})
	if err != nil {
		panic(err)
	}
	issued, err := grant.ClientCredentials(ctx, c, client.TokenRequest{})
	if err != nil {
		panic(err)
	}
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		panic(err)
	}
	withProof := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{web.URL}}}
	resp, err := withProof.Get(web.URL + "/photos")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	_, err = api.Check(withToken(issued.AccessToken)) // a client that stole the token
	fmt.Println(resp.StatusCode, err == nil)
	// Output: 200 false
}

// Tokens that are bound to the certificate of the client's TLS connection.
func ExampleMTLS() {
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	certificate := issuertest.NewCertificate()
	api := &rs.Protection{
		Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()},
		MTLS:   &rs.MTLS{Required: true},
	}
	r := withToken(issuer.AccessToken(issuertest.AccessToken{Certificate: certificate.Leaf}))
	_, err := api.Check(r)
	fmt.Println(err == nil) // a connection without the certificate
	// Output: false
}

// Users, sessions and tokens whose access ends before their tokens expire.
func ExampleRevocations() {
	issuer, provider := server(issuertest.Config{})
	defer issuer.Close()
	revoked := &rs.Revocations{} // with Shared for several processes
	api := &rs.Protection{
		Tokens:     &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: provider.Keys()},
		Revocation: []rs.RevocationCheck{revoked},
	}
	token := issuer.AccessToken(issuertest.AccessToken{Subject: "alice"})
	call(api.Handler(ok), token)
	if err := revoked.Revoke(context.Background(), rs.RevokedAccess{Issuer: issuer.URL, Subject: "alice", Before: time.Now()}); err != nil {
		panic(err) // other processes may not have the entry
	}
	call(api.Handler(ok), token)
	// Output:
	// 200
	// 401 Bearer error="invalid_token", error_description="the access token is not valid here"
}

// guarded prints how a guard answers a request of a caller.
func guarded(guard func(http.Handler) http.Handler, caller rstest.Principal) {
	w := httptest.NewRecorder()
	guard(ok).ServeHTTP(w, rstest.With(httptest.NewRequest(http.MethodDelete, "/photos/1", nil), caller))
	fmt.Println(w.Code)
}

// A guard with a condition of the application.
func ExampleRequire() {
	owner := rs.Require(func(_ *http.Request, who *rs.Principal) error {
		if who.Subject != "alice" { // the owner of r.PathValue("id")
			return errors.New("the photo belongs to somebody else")
		}
		return nil
	})
	guarded(owner, rstest.Principal{Subject: "alice"})
	guarded(owner, rstest.Principal{Subject: "bob"})
	// Output:
	// 200
	// 403
}

// A route for tokens with a scope.
func ExampleRequireScope() {
	guard := rs.RequireScope("photos.write")
	guarded(guard, rstest.Principal{Scopes: []string{"photos.read", "photos.write"}})
	guarded(guard, rstest.Principal{Scopes: []string{"photos.read"}})
	// Output:
	// 200
	// 403
}

// A route for users who signed in with a second factor, a few minutes ago. The answer tells the
// client how the user must sign in again.
func ExampleRequireACR() {
	guard := func(next http.Handler) http.Handler {
		return rs.RequireACR("urn:example:mfa")(rs.RequireMaxAge(5 * time.Minute)(next))
	}
	guarded(guard, rstest.Principal{ACR: "urn:example:mfa", AuthTime: time.Now()})
	guarded(guard, rstest.Principal{ACR: "urn:example:password", AuthTime: time.Now()})
	guarded(guard, rstest.Principal{ACR: "urn:example:mfa", AuthTime: time.Now().Add(-time.Hour)})
	// Output:
	// 200
	// 401
	// 401
}

// A route for one service that acts for the user.
func ExampleRequireActor() {
	guard := rs.RequireActor(1, func(_ *http.Request, actor *rs.Actor) error {
		if actor.Subject != "assistant" {
			return errors.New("another service")
		}
		return nil
	})
	guarded(guard, rstest.Principal{Subject: "alice", Claims: map[string]any{"act": map[string]any{"sub": "assistant"}}})
	guarded(guard, rstest.Principal{Subject: "alice"})
	// Output:
	// 200
	// 403
}

// A route for a token that was granted for one payment.
func ExampleRequireAuthorizationDetails() {
	guard := rs.RequireAuthorizationDetails("payment", func(_ *http.Request, d rs.AuthorizationDetail) bool {
		var payment struct {
			Amount string `json:"amount"`
		}
		return d.Decode(&payment) == nil && payment.Amount == "10.00"
	})
	for _, amount := range []string{"10.00", "99.00"} {
		guarded(guard, rstest.Principal{Claims: map[string]any{"authorization_details": []any{map[string]any{"type": "payment", "amount": amount}}}})
	}
	// Output:
	// 200
	// 403
}

// The metadata of an API, by which clients find its authorization server.
func ExampleMetadata() {
	meta := &rs.Metadata{Resource: "https://photos.example/v1", AuthorizationServers: []string{"https://as.example"}}
	http.Handle(meta.Path(), meta) // outside of the handler of api: it needs no token
	api := &rs.Protection{Tokens: rstest.Tokens{}, ResourceMetadata: meta.URL()}
	call(api.Handler(ok), "")
	// Output: 401 Bearer resource_metadata="https://photos.example/.well-known/oauth-protected-resource/v1"
}

// The identity for a server behind this one. The client's fields with these names are removed.
func ExampleForwardIdentity() {
	out := http.Header{"X-User": {"mallory"}, "X_user": {"mallory"}}
	rs.ForwardIdentity(out, map[string]string{"X-User": "alice"})
	fmt.Println(out)
	// Output: map[X-User:[alice]]
}

// The tokens of service accounts of a Kubernetes cluster.
func ExampleKubernetes() {
	accounts := rs.Kubernetes("https://kubernetes.example", "photos")
	accounts.Keys = discovery.KeysAt("https://kubernetes.example/openid/v1/jwks", nil)
	api := &rs.Protection{Tokens: accounts}
	_, err := api.Check(withToken("not-a-token"))
	fmt.Println(err == nil)
	// Output: false
}
