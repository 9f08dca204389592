package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/dpop"
	"github.com/countersign/countersign/par"
)

// pushes decides whether the request is pushed. A push that the server requires cannot be
// switched off (RFC 9126 §5).
func (c *Client) pushes(m *discovery.Metadata) (bool, error) {
	has := m.PushedAuthorizationRequestEndpoint != ""
	required := c.config.PAR == PARRequired || c.config.Profile.requiresPAR() || m.RequirePushedAuthorizationRequests
	switch {
	case c.config.PAR == PAROff && m.RequirePushedAuthorizationRequests:
		return false, errors.New("the server requires pushed authorization requests, but Config.PAR is PAROff: set PARAuto")
	case required && !has:
		return false, errors.New("pushed authorization requests are required, but the server's metadata has no endpoint for them: check Config.PAR and Config.Profile")
	}
	return has && c.config.PAR != PAROff, nil
}

// push sends the parameters to the server. It returns those that remain for the browser:
// client_id and request_uri (RFC 9126 §4).
func (c *Client) push(ctx context.Context, m *discovery.Metadata, params url.Values) (url.Values, error) {
	pushed, err := par.Push(ctx, c.config.HTTP, m.PushedAuthorizationRequestEndpoint, c.auth(m), params)
	if err != nil {
		return nil, c.rejectedPush(m, params, c.explain(m, err))
	}
	if pushed.DPoPNonce != "" {
		c.learn(dpop.Authorization, m.PushedAuthorizationRequestEndpoint, http.Header{"Dpop-Nonce": {pushed.DPoPNonce}})
	}
	return url.Values{"client_id": params["client_id"], "request_uri": {pushed.RequestURI}}, nil
}

// explain adds a remedy for servers that reject a client that follows the RFCs, and for those that
// do not let public clients push. For client authentication, RFC 9126 §2 requires the rules of the
// token endpoint.
func (c *Client) explain(m *discovery.Metadata, err error) error {
	var e *par.Error
	if !errors.As(err, &e) {
		return err
	}
	if hint := c.hint(m, answered{e.Code, e.Status}); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	if c.config.Auth.Name() != "none" || e.Status != http.StatusUnauthorized {
		return err
	}
	return fmt.Errorf("%w (if the server rejects pushed requests of public clients, set Config.PAR to PAROff)", err)
}

// hint returns what else may be wrong if a server rejects the client's authentication, or "".
func (c *Client) hint(m *discovery.Metadata, with answered) string {
	if with.code != "invalid_client" && with.status != http.StatusUnauthorized {
		return ""
	}
	return c.method(m).Hint(c.config.ClientID)
}

// rejectedPush adds to a server's rejection what was sent.
func (c *Client) rejectedPush(m *discovery.Metadata, params url.Values, err error) error {
	var e *par.Error
	if !errors.As(err, &e) || e.Status < http.StatusBadRequest {
		return err
	}
	return c.withSent(m, params, answered{e.Code, e.Status}, err)
}

// answered describes how an endpoint rejected a request. code is "" if the response is not an OAuth
// error.
type answered struct {
	code   string
	status int
}

// withSent adds to a server's rejection the sent parameters and the setting to compare with the
// registration. It adds no secret, code or token.
func (c *Client) withSent(m *discovery.Metadata, form url.Values, with answered, err error) error {
	sent := fmt.Sprintf("sent client_id %q, authentication %s", c.config.ClientID, c.method(m).Name())
	uri := form.Get("redirect_uri")
	if form.Has("request") { // the request object contains it
		uri = c.config.RedirectURL
	}
	if uri != "" {
		sent += fmt.Sprintf(", redirect_uri %q", uri)
	}
	advice := with.remedy(uri != "")
	if with.code == "invalid_grant" && form.Get("grant_type") == "refresh_token" {
		advice = ": the refresh token has expired, was revoked or was used before: the user must sign in again"
	}
	return &rejection{err, sent, advice}
}

// rejection is a server's error, with what was sent and what to do.
type rejection struct {
	err          error
	sent, advice string
}

func (r *rejection) Error() string { return r.err.Error() + "; " + r.sent + r.advice }
func (r *rejection) Unwrap() error { return r.err }

// AdviseRedirect replaces the advice for a redirect_uri that the server does not know. Package
// loopback calls it, because its port differs at each login.
func (r *rejection) AdviseRedirect(advice string) {
	r.advice = strings.Replace(r.advice, setOrRegister, ": "+advice, 1)
}

// remedies name the setting to change for a server's error (RFC 6749 §4.1.2.1, §5.2).
var remedies = map[string]string{
	"invalid_client":               "compare Config.ClientID and Config.Auth with the client's registration at the server",
	"unauthorized_client":          "allow this grant or endpoint for the client at the server, or correct Config.ClientID and Config.Auth",
	"incorrect_client_credentials": "compare Config.ClientID and Config.Auth with the client's registration at the server", // GitHub
	"invalid_scope":                "compare Config.Scopes with the scopes that the server allows for the client",
	"invalid_target":               "compare Request.Resources with the APIs that the server allows for the client", // RFC 8707 §2
	"unsupported_grant_type":       "enable this grant at the server",
	"unsupported_response_type":    "set Config.ResponseType to a type that the server supports",
	"server_error":                 "read the server's log",
}

// endpointRemedies are for codes that only an endpoint responds with.
var endpointRemedies = map[string]string{
	"access_denied":              "compare Config.ClientID and Config.Auth with the client's registration at the server", // Auth0
	"invalid_client_id":          "compare Config.ClientID with the client's registration at the server",                 // Salesforce and Slack
	"invalid_client_credentials": "compare Config.Auth with the client's registration at the server",                     // Salesforce
	"bad_client_secret":          "compare Config.Auth with the client's registration at the server",                     // Slack
	"deleted_client":             "register the client again: it was deleted at the server",                              // Google
	"disabled_client":            "enable the client at the server",                                                      // Google
	"invalid_resource":           "compare Config.Scopes and Request.Resources with the APIs that the server knows",      // Entra ID
}

// statusRemedies are for a response that is not an OAuth error.
var statusRemedies = map[int]string{
	http.StatusUnauthorized:     "compare Config.ClientID and Config.Auth with the client's registration at the server",
	http.StatusForbidden:        "compare Config.ClientID and Config.Auth with the client's registration at the server, and look for a proxy or firewall that rejects the request",
	http.StatusNotFound:         "compare the endpoint's address with the server's metadata, or correct Config.Metadata",
	http.StatusMethodNotAllowed: "compare the endpoint's address with the server's metadata, or correct Config.Metadata",
}

// statusRemedy returns what to do about a response that is not an OAuth error. Facebook, for example,
// has its own errors with status 400.
func statusRemedy(status int, redirect bool) string {
	text := statusRemedies[status]
	switch {
	case text != "" || status < 400 || status == http.StatusTooManyRequests || status >= 500:
		return text
	case redirect:
		return "compare Config.ClientID, Config.Auth and Config.RedirectURL with the client's registration at the server"
	}
	return "compare Config.ClientID and Config.Auth with the client's registration at the server"
}

const setOrRegister = ": set Config.RedirectURL to the registered URL, or register this URL; both must be equal, including a final slash"

// redirectRemedies are for a rejected request with a redirect_uri. Servers report an unregistered
// one with these codes (RFC 6749 §5.2, RFC 9126 §2.3).
var redirectRemedies = map[string]string{
	"invalid_request":       "if the server does not know this redirect_uri" + setOrRegister,
	"redirect_uri_mismatch": "the server does not know this redirect_uri" + setOrRegister, // GitHub, Google
	"invalid_redirect_uri":  "the server does not know this redirect_uri" + setOrRegister,
	"invalid_grant":         "the code has expired or was used before, or Config.RedirectURL does not match the registration. For Client.Exchange, code_verifier may be of another request",
}

// remedy returns ": " and what to do about the rejection, or "".
func (a answered) remedy(redirect bool) string {
	text := endpointRemedies[a.code]
	switch {
	case a.code == "":
		text = statusRemedy(a.status, redirect)
	case a.code == "access_denied" && !redirect: // the user denied it (RFC 8628 §3.5)
		text = ""
	}
	if text == "" {
		return remedy(a.code, redirect)
	}
	return ": " + text
}

// remedy returns ": " and what to do about a server's error, or "".
func remedy(code string, redirect bool) string {
	text := remedies[code]
	if text == "" && redirect {
		text = redirectRemedies[code]
	}
	if text == "" {
		return ""
	}
	return ": " + text
}
