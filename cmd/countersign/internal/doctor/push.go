package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/par"
)

// push tests a registration without a login: a pushed authorization request has the client
// authenticate and the server check the redirect URI. The request is never used.
func (x *examination) push(ctx context.Context) {
	const topic = "registration"
	if x.ClientID == "" || x.RedirectURL == "" {
		return
	}
	if x.metadata.PushedAuthorizationRequestEndpoint == "" {
		x.report.note(topic, "not tested: without pushed requests, doctor cannot test the client and its redirect URI")
		return
	}
	method := x.Auth
	if method.Name() == "" {
		method = auth.Public()
	}
	c, err := client.New(x.pushing(method))
	if err != nil {
		x.report.problem(topic, err.Error(), "")
		return
	}
	if _, _, err = c.Begin(ctx, client.Request{}); err == nil {
		x.report.note(topic, "a pushed request was accepted: client, authentication and redirect URI are correct")
		return
	}
	x.report.problem(topic, err.Error(), x.pushRemedy(err, method))
}

// pushing is the configuration of the test. What the client needs in addition (signed requests,
// DPoP) does not matter for the question.
func (x *examination) pushing(method auth.Method) client.Config {
	c := client.Config{
		Issuer: x.Issuer, ClientID: x.ClientID, RedirectURL: x.RedirectURL, Auth: method, Metadata: x.metadata,
		PAR: client.PARRequired, HTTP: x.http, InsecureHTTP: x.InsecureHTTP, Profile: client.NoProfile,
	}
	if x.SigningKeys != nil && (x.SignRequest || x.metadata.RequireSignedRequestObject) {
		c.RequestObject = &client.RequestObject{Keys: x.SigningKeys}
	}
	return c
}

// pushRemedy says what to set, by the code of the server and by its text.
func (x *examination) pushRemedy(err error, method auth.Method) string {
	var e *client.Error
	if !errors.As(err, &e) {
		return ""
	}
	text := strings.ToLower(err.Error())
	redirect := "set -redirect-uri to the registered redirect URI, or register " + x.RedirectURL + "; both must be equal, including a final slash"
	client := fmt.Sprintf("check the client ID, the credential (-secret-env, -key, -cert) and the authentication method: it must be the registered method (used: %s; -auth sets another)", method.Name())
	var answer *par.Error
	switch {
	case errors.As(err, &answer) && answer.Status == http.StatusUnauthorized, e.Code == "invalid_client", e.Code == "unauthorized_client":
		return client
	case e.Code == "invalid_redirect_uri" || e.Code == "invalid_request" && strings.Contains(redirectText(text, x.RedirectURL), "redirect"):
		return redirect
	case strings.Contains(text, "request object") || strings.Contains(text, "'request'"):
		return "the server requires a signed request of this client: use -jar with -key, and set client.Config.RequestObject"
	case e.Code == "invalid_scope":
		return "allow the scope openid for this client at the server"
	case e.Code == "invalid_request" || e.Code == "invalid_grant":
		return "compare the registration with the values that were sent. If the server gives no other reason, " + redirect
	}
	return "look for the reason in the server's log"
}

// redirectText returns the server's part of an error, without the values that were sent.
func redirectText(text, sent string) string {
	before, _, _ := strings.Cut(text, "; sent client_id")
	return strings.ReplaceAll(before, strings.ToLower(sent), "")
}
