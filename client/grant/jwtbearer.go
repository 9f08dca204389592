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

// AssertionRequest is a request for tokens with a JWT that says for whom, RFC 7523. The
// JWT is Assertion, or is made by Keys. It redacts itself in fmt, log/slog and encoding.
type AssertionRequest struct {
	hidden[AssertionRequest]

	client.TokenRequest

	// Assertion is a JWT that somebody else made, whom the server trusts.
	Assertion string

	// Keys sign a JWT of this client's own, a new one for every request.
	Keys auth.KeySource

	// Issuer is its iss. "" means Config.ClientID.
	Issuer string

	// Subject is its sub: for whom the tokens are. There is no default; for the client
	// itself say Config.ClientID.
	Subject string

	// Audience is its one aud. "" means the server's issuer identifier. It is never taken
	// from metadata: whoever controls that could have the client make assertions for
	// another server.
	Audience string

	// Typ is its typ. "" means "authorization-grant+jwt"; "JWT" and NoTyp are for servers
	// that refuse that.
	Typ string

	// Lifetime is how long it is good. 0 means a minute; at most 5.
	Lifetime time.Duration

	// Claims are more claims of it, for what a server has of its own. Those that the module
	// sets are refused here.
	Claims map[string]any
}

// JWTBearer gets tokens with a JWT as the grant, RFC 7523 §2.1. The client authenticates as in a
// login. If the server requires only the JWT, the client is Public (§3.1). An ID token in the
// response is validated as that of a login without nonce.
//
// Every error is a [*client.Error]. Codes: "invalid_grant" for a JWT that the server rejects,
// "invalid_client", "unauthorized_client", "invalid_scope", "invalid_request".
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

// assertion is the one that was given, or a new one.
func (r *AssertionRequest) assertion(c *client.Client) (string, error) {
	switch given := r.Assertion != ""; {
	case given && r.Keys != nil:
		return "", errors.New("there is an Assertion, and there are Keys to make one")
	case given && !visible(r.Assertion):
		return "", errors.New("the field Assertion is not a JWT")
	case given:
		return r.Assertion, nil
	case r.Keys == nil:
		return "", errors.New("there is neither an Assertion nor Keys to make one")
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
		return errors.New("AssertionRequest.Subject is empty; a JWT says for whom it asks")
	}
	if r.Lifetime < 0 || r.Lifetime > auth.MaxAssertionLifetime {
		return fmt.Errorf("AssertionRequest.Lifetime is %v; it goes from 0 to %v", r.Lifetime, auth.MaxAssertionLifetime)
	}
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "jti"} {
		if _, set := r.Claims[name]; set {
			return fmt.Errorf("AssertionRequest.Claims must not hold %q", name)
		}
	}
	return nil
}
