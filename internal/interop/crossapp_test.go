package interop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
)

// The identity provider that issues grants for other applications (ID-JAG) is an issuertest: no
// server of the suite issues them. Keycloak accepts them with its feature identity-assertion-jwt.

const (
	idpIssuer  = "https://idp.example"
	idpSubject = "alice-at-the-idp" // Keycloak's alice is linked to it
	crossAppID = "cross-app"        // the application's client ID at Keycloak
	appAtIdP   = "app-at-the-idp"   // the application's client ID at the identity provider
)

// enterprise is the identity provider.
type enterprise struct {
	*issuertest.Issuer
	at     string         // the server that the grants are for
	client string         // client_id of the grants
	claims map[string]any // replace those of the grants
}

func newEnterprise(t *testing.T, s *server) *enterprise {
	t.Helper()
	e := &enterprise{at: s.issuer, client: crossAppID}
	issuer, err := issuertest.NewHandler(issuertest.Config{
		Issuer: idpIssuer, Users: []issuertest.User{{Subject: idpSubject}},
		Clients: []issuertest.Client{{ID: appAtIdP, Secret: secret}},
		Grants:  map[string]issuertest.GrantType{"urn:ietf:params:oauth:grant-type:token-exchange": e.exchange},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	e.Issuer = issuer
	theElsewhere(t).serves(issuer)
	return e
}

// exchange issues a grant for an ID token of the application
// (draft-ietf-oauth-identity-assertion-authz-grant §4.3).
func (e *enterprise) exchange(form url.Values) (issuertest.Granted, error) {
	verifier := &idtoken.Verifier{Issuer: idpIssuer, ClientID: appAtIdP, Keys: e.provider().Keys()}
	who, err := verifier.Verify(context.Background(), form.Get("subject_token"), idtoken.Expected{})
	switch {
	case err != nil:
		return issuertest.Granted{}, err
	case form.Get("subject_token_type") != grant.IDTokenType || form.Get("requested_token_type") != crossapp.TokenType:
		return issuertest.Granted{}, errors.New("other types than those of an identity assertion")
	case form.Get("audience") != e.at:
		return issuertest.Granted{}, errors.New("the application may not call that server")
	}
	return issuertest.Granted{Response: map[string]any{
		"access_token": e.grant(who.Subject, form), "issued_token_type": crossapp.TokenType, "token_type": "N_A",
	}}, nil
}

// grant signs a grant, draft-ietf-oauth-identity-assertion-authz-grant §3.1.
func (e *enterprise) grant(subject string, form url.Values) string {
	now := time.Now()
	claims := map[string]any{
		"iss": idpIssuer, "sub": subject, "aud": e.at, "client_id": e.client, "jti": rand.Text(), "scope": form.Get("scope"),
		"resource": form.Get("resource"), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	for name, value := range e.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return e.SignJWT(claims, map[string]any{"typ": "oauth-id-jag+jwt"})
}

func (e *enterprise) provider() *discovery.Provider {
	return &discovery.Provider{Issuer: idpIssuer, HTTP: &http.Client{Transport: toElsewhere{}}}
}

// toElsewhere routes requests for idp.example to the test's server.
type toElsewhere struct{}

func (toElsewhere) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Host = r.URL.Host
	out.URL.Scheme, out.URL.Host = "http", os.Getenv("COUNTERSIGN_INTEROP_ELSEWHERE")
	return http.DefaultTransport.RoundTrip(out)
}

func (e *enterprise) app(t *testing.T, s *server) crossapp.CrossApp {
	t.Helper()
	atIdP := newClient(t, client.Config{Provider: e.provider(), ClientID: appAtIdP, Auth: auth.SecretBasic(secret), HTTP: e.provider().HTTP})
	return crossapp.CrossApp{
		IdP: atIdP, At: newClient(t, s.daemon(crossAppID)), Resource: apiID, Scopes: []string{"photos.read"},
		Subject: func(context.Context) (crossapp.Subject, error) {
			return crossapp.Subject{Token: e.IDToken(issuertest.IDToken{})}, nil
		},
	}
}

// TestCrossApp: the application calls an API of Keycloak for alice, who signed in at the identity
// provider. Keycloak rejects grants that are for another application or server.
func TestCrossApp(t *testing.T) {
	crossAppGrant.each(t, func(t *testing.T, s *server) {
		e := newEnterprise(t, s)
		source, err := e.app(t, s).Source()
		if err != nil {
			t.Fatal(err)
		}
		issued, err := source.Tokens(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		alice := logIn(t, newClient(t, s.config("basic")), client.Request{})
		principal, err := s.tokens[0].verifier(s).VerifyToken(t.Context(), issued.AccessToken)
		if err != nil || principal.ClientID != crossAppID || principal.Subject != alice.IDToken.Subject || issued.RefreshToken != "" {
			t.Errorf("the API knows %+v, %v, refresh token: %t", principal, err, issued.RefreshToken != "")
		}
		works(t, "the API knows alice and the application, without a second login")
		checkSourceAtAPI(t, s, e)
		checkRefusedGrants(t, s, e)
	})
}

// checkSourceAtAPI sends the tokens of a Source to an API.
func checkSourceAtAPI(t *testing.T, s *server, e *enterprise) {
	t.Helper()
	app := e.app(t, s)
	issued, err := app.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, &rs.Protection{Tokens: s.tokens[0].verifier(s)})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/photos", nil)
	if err == nil {
		err = app.At.Authorize(r, issued)
	}
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("the API answers %s", resp.Status)
	}
	works(t, "the API accepts the access token")
}

// checkRefusedGrants sends Keycloak grants that it must reject.
func checkRefusedGrants(t *testing.T, s *server, e *enterprise) {
	t.Helper()
	form := url.Values{"scope": {"photos.read"}, "resource": {apiID}}
	good := e.grant(idpSubject, form)
	stranger := issuertest.NewKey("strange", "RS256")
	claims := map[string]any{"iss": idpIssuer, "sub": idpSubject, "aud": s.issuer, "client_id": crossAppID, "jti": rand.Text(),
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	e.client = "basic"
	refused := []string{e.grant(idpSubject, form), stranger.Sign(claims, map[string]any{"typ": "oauth-id-jag+jwt"})}
	e.client = crossAppID
	refused = append(refused, e.grant("mallory", form))
	e.claims = map[string]any{"aud": "https://other.example"}
	refused = append(refused, e.grant(idpSubject, form))
	e.claims = map[string]any{"iat": nil}
	refused = append(refused, e.grant(idpSubject, form))

	c := newClient(t, s.daemon(crossAppID))
	if _, err := grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Assertion: good}); err != nil {
		t.Fatal(err)
	}
	for _, assertion := range slices.Concat([]string{good}, refused) { // the valid grant a second time
		_, err := grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Assertion: assertion})
		checkToken(t, err, "invalid_grant")
	}
}
