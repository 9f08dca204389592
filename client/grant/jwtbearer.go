package grant

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

const grantTyp = "authorization-grant+jwt" // RFC 10070

// AssertionRequest is a request for tokens with a JWT that names their subject, RFC 7523. The
// JWT is Assertion, or is signed by Keys. It redacts itself in fmt and log/slog. Encoders
// return an error.
type AssertionRequest struct {
	hidden[AssertionRequest]

	client.TokenRequest

	// Assertion is a JWT of another issuer that the server trusts. "" means a JWT that Keys sign.
	Assertion string

	// Keys sign a JWT of this client, a new one for every request. nil is for an Assertion.
	Keys auth.KeySource

	// Issuer is the iss of that JWT. "" means Config.ClientID.
	Issuer string

	// Subject is the sub of that JWT: the party that the tokens are for. With Keys it must be set.
	// For the client itself use Config.ClientID.
	Subject string

	// Audience is the single aud of that JWT. "" means the server's issuer identifier. It is
	// never read from metadata: an attacker who controls the metadata could obtain assertions
	// for another server.
	Audience string

	// Typ is the typ of that JWT. "" means "authorization-grant+jwt". "JWT" and auth.OmitTyp are
	// for servers that reject that value.
	Typ string

	// Lifetime is the lifetime of that JWT. 0 means one minute. The maximum is 5 minutes.
	Lifetime time.Duration

	// Claims are additional claims of that JWT that a server defines. Claims that the module sets
	// are rejected. nil adds none.
	Claims map[string]any
}

// JWTBearer gets tokens with a JWT as the grant, RFC 7523 §2.1. The client authenticates as in a
// login. If the server requires only the JWT, the client is Public (§3.1). An ID token in the
// response is validated as that of a login without nonce.
//
// Every error is a [*client.Error]. Codes of the server (RFC 7523 §3.1, RFC 6749 §5.2):
// "invalid_grant" for a JWT that the server rejects, "invalid_client", "unauthorized_client",
// "unsupported_grant_type", "invalid_scope", "invalid_request". Other codes of the server are
// returned unchanged. The code is "temporarily_unavailable" if the server did not answer, and
// "login_failed" if a setting, req or the response is wrong.
func JWTBearer(ctx context.Context, c *client.Client, req AssertionRequest) (*client.Tokens, error) {
	form, err := req.Form()
	if err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	assertion, err := req.assertion(c)
	if err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	form.Set("assertion", assertion)
	return c.Grant(ctx, client.Grant{Type: "urn:ietf:params:oauth:grant-type:jwt-bearer", Form: form, Check: accept})
}

// assertion returns the given JWT, or a new one.
func (r *AssertionRequest) assertion(c *client.Client) (string, error) {
	switch given := r.Assertion != ""; {
	case given && r.Keys != nil:
		return "", errors.New("AssertionRequest.Assertion and AssertionRequest.Keys are both set: set only one")
	case given && !visible(r.Assertion):
		return "", errors.New("AssertionRequest.Assertion is not a JWT")
	case given:
		return r.Assertion, nil
	case r.Keys == nil:
		return "", errors.New("AssertionRequest.Assertion is empty, and AssertionRequest.Keys is nil: set one of them")
	}
	if err := r.checkOwn(); err != nil {
		return "", err
	}
	b := c.Binding()
	b.ClientID = cmp.Or(r.Issuer, b.ClientID)
	claims := maps.Clone(r.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	claims["sub"] = r.Subject
	return auth.Assertion{Audience: r.Audience, Typ: cmp.Or(r.Typ, grantTyp), Lifetime: r.Lifetime}.Sign(r.Keys, b, claims)
}

func (r *AssertionRequest) checkOwn() error {
	if r.Subject == "" {
		return errors.New("AssertionRequest.Subject is empty: set it to the user that the token is for")
	}
	if r.Lifetime < 0 || r.Lifetime > auth.MaxAssertionLifetime {
		return fmt.Errorf("AssertionRequest.Lifetime is %d seconds, expected 0 to %d", r.Lifetime/time.Second, auth.MaxAssertionLifetime/time.Second)
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti"} {
		if _, set := r.Claims[name]; set {
			return fmt.Errorf("AssertionRequest.Claims contains %q, which the client sets itself: remove it", name)
		}
	}
	return nil
}
