package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// push tests a registration without a login: a pushed authorization request has the client
// authenticate and the server check the redirect URI. The request is never used.
func (x *examination) push(ctx context.Context) {
	const topic = "registration"
	if x.ClientID == "" || x.RedirectURL == "" {
		return
	}
	if x.metadata.PushedAuthorizationRequestEndpoint == "" {
		x.report.note(topic, "the server accepts no pushed requests, so the client and its redirect URI were not tested")
		return
	}
	method := x.Auth
	if method.Name() == "" {
		method = auth.Public()
	}
	c, err := client.New(client.Config{
		Issuer: x.Issuer, ClientID: x.ClientID, RedirectURL: x.RedirectURL, Auth: method, Metadata: x.metadata,
		PAR: client.PARRequired, HTTP: x.http, InsecureHTTP: x.InsecureHTTP, Profile: client.NoProfile,
	})
	if err != nil {
		x.report.problem(topic, err.Error(), "")
		return
	}
	if _, _, err = c.Begin(ctx, client.Request{}); err == nil {
		x.report.note(topic, "a pushed request was accepted: client, authentication and redirect URI are right")
		return
	}
	x.report.problem(topic, err.Error(), x.pushRemedy(err, method))
}

func (x *examination) pushRemedy(err error, method auth.Method) string {
	var e *client.Error
	if !errors.As(err, &e) {
		return ""
	}
	switch e.Code {
	case "invalid_client", "unauthorized_client":
		return fmt.Sprintf("check the client ID, the secret or key, and the authentication method (%s was used)", method.Name())
	case "invalid_request", "invalid_redirect_uri":
		return "register " + x.RedirectURL + " as a redirect URI, exactly as it is written here"
	}
	return ""
}
