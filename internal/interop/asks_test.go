package interop

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
)

// TestResources requests a token for one API, and for one that the server does not know.
func TestResources(t *testing.T) {
	resourceParameter.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		tokens := logIn(t, c, client.Request{Resources: []string{apiID}})
		principal, err := s.rfc9068().VerifyToken(t.Context(), tokens.AccessToken)
		if err != nil || !slices.Equal(principal.Audience, []string{apiID}) {
			t.Errorf("the token is for %+v, %v", principal, err)
		}
		works(t, "the token is for the API that was asked for")

		_, _, err = c.Begin(t.Context(), client.Request{Resources: []string{"https://unknown.example"}})
		checkPush(t, err, "invalid_target")
	})
}

// payment is an authorization detail that the server knows, RFC 9396 §2.
type payment struct {
	Type   string `json:"type"`
	Amount string `json:"amount,omitempty"`
}

// TestAuthorizationDetails requests a payment, and one without the amount.
func TestAuthorizationDetails(t *testing.T) {
	details.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("details"))
		for _, kind := range s.tokens {
			if kind.resource != "" { // without an API the server grants no details
				checkPayment(t, s, kind, logIn(t, c, withPayment(kind, "12.30")))
			}
		}
		_, _, err := c.Begin(t.Context(), withPayment(s.tokens[0], ""))
		checkPush(t, err, "invalid_authorization_details")
	})
}

func withPayment(kind tokenKind, amount string) client.Request {
	request := kind.request()
	request.AuthorizationDetails = []payment{{"payment", amount}}
	return request
}

func checkPayment(t *testing.T, s *server, kind tokenKind, tokens *client.Tokens) {
	t.Helper()
	principal, err := kind.verifier(s).VerifyToken(t.Context(), tokens.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	var granted payment
	if len(principal.AuthorizationDetails) != 1 || principal.AuthorizationDetails[0].Decode(&granted) != nil || granted.Amount != "12.30" {
		t.Errorf("%s: the API knows %+v", kind.name, principal.AuthorizationDetails)
	}
	works(t, "%s: the API knows the payment", kind.name)
}

// classClient is the client whose users can sign in with several classes (acr).
var classClient = map[string]string{"oidc-provider": "step-up", "keycloak": "basic", "hydra": "basic"}

// TestACRValues accepts the requested class. It rejects the class that the server uses when it
// does not know the requested one.
func TestACRValues(t *testing.T) {
	acrValues.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config(classClient[s.name]))
		v := newVisitor(t, nil)
		silver := finish(t, c, authorizeAs(t, v, c, client.Request{ACRValues: []string{"silver"}}, nil))
		if silver.IDToken.ACR != "silver" {
			t.Errorf("acr is %q", silver.IDToken.ACR)
		}
		works(t, "acr %s, as asked for", silver.IDToken.ACR)

		l := authorizeAs(t, v, c, client.Request{ACRValues: []string{"platinum"}}, nil)
		_, err := c.Finish(t.Context(), l.pending, l.callback)
		checkStep(t, err, client.StepIDToken, "login_failed")
	})
}

// essential is a claims parameter with an essential acr. OpenID Connect Core §5.5.1.1.
func essential(class string) map[string]any {
	acr := map[string]any{"essential": true, "values": []string{class}}
	return map[string]any{"id_token": map[string]any{"acr": acr}}
}

// TestStepUp signs a user in with a higher class than that of the session. acr_values is not
// sent, because oidc-provider would use it instead of claims.
func TestStepUp(t *testing.T) {
	stepUp.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config(classClient[s.name]))
		v := newVisitor(t, nil)
		for _, class := range []string{"silver", "gold"} {
			tokens := finish(t, c, authorizeAs(t, v, c, client.Request{Claims: essential(class)}, nil))
			if tokens.IDToken.ACR != class {
				t.Errorf("acr is %q, want %q", tokens.IDToken.ACR, class)
			}
			works(t, "acr %s in the same browser", tokens.IDToken.ACR)
		}
	})
}

// TestClaims requests a claim in the ID token that the scopes do not contain.
func TestClaims(t *testing.T) {
	singleClaim.each(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		config.Scopes = []string{"openid"}
		wanted := map[string]any{"id_token": map[string]any{"email": nil}}
		tokens := logIn(t, newClient(t, config), client.Request{Claims: wanted})
		var claims struct {
			Email string `json:"email"`
		}
		if err := tokens.IDToken.Claims(&claims); err != nil || claims.Email != user+"@example.com" {
			t.Errorf("the ID token has the address %q, %v", claims.Email, err)
		}
		works(t, "the ID token has the claim that was asked for")
	})
}

// TestMaxAge signs in again after two seconds: the user must authenticate again. If a visitor has
// removed max_age, the client rejects the response.
func TestMaxAge(t *testing.T) {
	maxAge.each(t, func(t *testing.T, s *server) {
		t.Parallel()
		second := time.Second
		config := s.config("basic")
		config.PAR = client.PAROff
		c := newClient(t, config)
		config.Skew = time.Millisecond
		strict := newClient(t, config)
		v := newVisitor(t, nil)
		finish(t, c, authorizeAs(t, v, c, client.Request{}, nil))
		time.Sleep(2 * second)

		request := client.Request{MaxAge: &second}
		l := authorizeAs(t, v, strict, request, func(q url.Values) { q.Del("max_age") })
		_, err := strict.Finish(t.Context(), l.pending, l.callback)
		checkStep(t, err, client.StepIDToken, "login_failed")
		v.seen = nil
		finish(t, c, authorizeAs(t, v, c, request, nil))
		if !slices.Contains(v.seen, "signs in") {
			t.Errorf("the visitor %v", v.seen)
		}
		works(t, "the visitor signs in again")
	})
}
