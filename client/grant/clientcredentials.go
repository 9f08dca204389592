package grant

import (
	"context"
	"errors"

	"github.com/countersign/countersign/client"
)

// ClientCredentials gets an access token for the client itself, RFC 6749 §4.4. It names no user.
// Other tokens of the response are dropped. A refresh token is not needed (§4.4.3). An ID token
// would name a user who did not sign in. A public client is rejected.
//
// Every error is a [*client.Error]. Codes: "invalid_client", "unauthorized_client",
// "invalid_scope", "invalid_target", "invalid_request".
func ClientCredentials(ctx context.Context, c *client.Client, req client.TokenRequest) (*client.Tokens, error) {
	if isPublic(c) {
		return nil, client.NewError(client.StepToken, errors.New("a public client cannot use the client credentials grant: set Config.Auth"))
	}
	form, err := req.Form()
	if err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	return c.Grant(ctx, client.Grant{Type: "client_credentials", Form: form, AccessTokenOnly: true, Check: accept})
}

// accept is the check of a grant whose response contains nothing to compare with the request.
func accept(*client.Tokens) error { return nil }

func isPublic(c *client.Client) bool { return c.Config().Auth.Name() == "none" }
