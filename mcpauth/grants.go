package mcpauth

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
)

// Workload gets tokens with the identity of the workload (RFC 7523): assertion returns a JWT whose
// audience is the issuer identifier of the authorization server. Examples are a Kubernetes
// service account token and a JWT-SVID. A server may expect its token endpoint as the audience, as
// the draft of MCP's extension "Workload Identity Federation" does: assertion may ignore its
// argument. The token endpoint of the metadata is not passed to assertion: a hostile server could
// name the token endpoint of another server.
// The client comes from Config.Registered or Config.Client.
func Workload(assertion func(ctx context.Context, audience string) (string, error)) Grant {
	return func(ctx context.Context, c *client.Client, req client.TokenRequest) (*client.Tokens, error) {
		jwt, err := assertion(ctx, c.Issuer())
		if err != nil {
			return nil, client.NewError(client.StepToken, fmt.Errorf("the assertion of the workload: %w", err))
		}
		return grant.JWTBearer(ctx, c, grant.AssertionRequest{TokenRequest: req, Assertion: jwt})
	}
}

// EnterpriseManaged gets tokens for a user who signed in at the identity provider of an enterprise,
// without a login at the MCP server. This is the extension enterprise-managed authorization. idp is
// this application's client at the identity provider. subject returns the user's ID token, see
// [crossapp.CrossApp]. The client at the MCP server's authorization server comes from
// Config.Registered or Config.Client.
func EnterpriseManaged(idp *client.Client, subject func(ctx context.Context) (crossapp.Subject, error)) Grant {
	return func(ctx context.Context, c *client.Client, req client.TokenRequest) (*client.Tokens, error) {
		app := crossapp.CrossApp{IdP: idp, At: c, Scopes: req.Scopes, Subject: subject}
		if len(req.Resources) == 1 {
			app.Resource = req.Resources[0]
		}
		return app.Fetch(ctx)
	}
}
