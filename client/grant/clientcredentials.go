package grant

import (
	"context"
	"errors"

	"github.com/countersign/countersign/client"
)

// ClientCredentials gets an access token for the client itself, RFC 6749 §4.4. The token names no
// user. Other tokens of the response are dropped. A refresh token is not needed (§4.4.3). An ID
// token would name a user who did not sign in. A public client is rejected.
//
// Every error is a [*client.Error]. Codes of the token endpoint (RFC 6749 §5.2): "invalid_client",
// "unauthorized_client", "unsupported_grant_type", "invalid_grant", "invalid_scope",
// "invalid_request". A server that does not know the resource sends "invalid_target". Other codes
// of the server are returned unchanged. The code is "temporarily_unavailable" if the server did
// not answer, and "login_failed" if a setting, req or the response is wrong.
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
