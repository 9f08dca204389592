package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const maxCode = 8 << 10 // characters of an authorization code; the RFC names no limit

// once are the response parameters that must not come twice (RFC 6749 §3.1).
var once = []string{"code", "state", "iss", "error", "error_description", "error_uri", "response", "id_token", "access_token"}

// response holds the values of an authorization response.
type response struct {
	code    string // "" if not requested
	idToken string // "" if not requested
}

// readCallback reads the authorization response for p. It returns a [*CallbackError] if the
// server sent an error. It checks state and issuer first, also for an error response.
func (c *Client) readCallback(ctx context.Context, q url.Values, p *Pending, m *discovery.Metadata) (*response, error) {
	if p.signedResponse() {
		var err error
		if q, err = c.openResponse(ctx, q); err != nil {
			return nil, err
		}
	}
	if err := checkShape(q, p); err != nil {
		return nil, err
	}
	if err := checkState(q, p); err != nil {
		return nil, err
	}
	if err := checkIss(q, p, c.whyIss(m)); err != nil {
		return nil, err
	}
	if q.Has("error") {
		return nil, &CallbackError{
			Code:        endpoint.CleanCode(q.Get("error")),
			odd:         endpoint.OddCode(q.Get("error")),
			Description: endpoint.Clean(q.Get("error_description")),
			URI:         endpoint.Clean(q.Get("error_uri")),
		}
	}
	return readResponse(q, p)
}

// readResponse reads every value that was requested. Each is required.
func readResponse(q url.Values, p *Pending) (*response, error) {
	r := &response{idToken: q.Get("id_token")}
	if p.asksFor("id_token") && r.idToken == "" {
		return nil, errors.New("id_token is missing in the response: check Config.ResponseType")
	}
	if !p.asksFor("code") {
		return r, nil
	}
	var err error
	r.code, err = checkCode(q.Get("code"))
	return r, err
}

// asksFor reports whether the requested response type includes a parameter.
func (p *Pending) asksFor(parameter string) bool {
	return slices.Contains(strings.Fields(p.responseType()), parameter)
}

// checkShape rejects contradictory parameters, and parameters of response types and modes that
// were not requested.
func checkShape(q url.Values, p *Pending) error {
	for _, name := range once {
		if len(q[name]) > 1 {
			return fmt.Errorf("the response has the parameter %s %d times, expected once", name, len(q[name]))
		}
	}
	for _, name := range []string{"response", "id_token", "access_token", "code"} {
		if q.Has(name) && !p.asksFor(name) {
			return fmt.Errorf("the response has the parameter %s, which was not requested", name)
		}
	}
	if q.Has("error") && (q.Has("code") || q.Has("id_token")) {
		return errors.New("the response has both error and code or id_token, expected only one of them")
	}
	return nil
}

// checkState applies RFC 6749 §10.12.
func checkState(q url.Values, p *Pending) error {
	state := q.Get("state")
	switch {
	case state == "" || p.State == "":
		return errors.New("state is missing in the response")
	case subtle.ConstantTimeCompare([]byte(state), []byte(p.State)) != 1:
		return errors.New("state of the response does not match the login in this browser")
	}
	return nil
}

// checkIss applies RFC 9207 §2.4. An iss in the response must match, whether the server
// announced it or not. If the server announced iss, it is required. A response with an ID token
// names its issuer in the ID token. why says why iss is required; "" means that it is optional.
func checkIss(q url.Values, p *Pending, why string) error {
	has := len(q["iss"]) > 0
	switch {
	case !has && why != "" && !q.Has("id_token"):
		return errors.New("iss is missing in the response, but " + why)
	case has && q.Get("iss") != p.Issuer:
		return fmt.Errorf("iss is %s, expected %s: another server sent this response", jose.Quote(q.Get("iss")), jose.Quote(p.Issuer))
	}
	return nil
}

// whyIss says why iss is required in a response. "" means that it is optional.
func (c *Client) whyIss(m *discovery.Metadata) string {
	switch {
	case m.AuthorizationResponseIssParameterSupported:
		return "the server's metadata announces it (authorization_response_iss_parameter_supported)"
	case c.config.RequireIss:
		return "Config.RequireIss is set: the server must support RFC 9207"
	case c.config.Profile.requiresIss():
		return fmt.Sprintf("Config.Profile %s requires it: the server must support RFC 9207", c.config.Profile)
	}
	return ""
}

// checkCode accepts the characters that RFC 6749 §A.11 allows: visible characters and spaces.
func checkCode(code string) (string, error) {
	if code == "" {
		return "", errors.New("code is missing in the response")
	}
	if len(code) > maxCode {
		return "", fmt.Errorf("code has %d characters, expected at most %d", len(code), maxCode)
	}
	if !printable(code) {
		return "", errors.New("code contains a character that is not printable ASCII")
	}
	return code, nil
}

// CallbackState returns the state of an authorization response, or "" if it has none. Use it to
// find the login that the response belongs to. For a signed response (JARM) it returns the
// state that the server signed. It checks nothing else: [Client.Finish] does that. Every error
// is an [*Error]. Codes: "login_failed" for a response that is malformed or has a wrong
// signature, "temporarily_unavailable" if the keys could not be fetched.
func (c *Client) CallbackState(ctx context.Context, callback url.Values) (string, error) {
	if !strings.HasSuffix(c.config.ResponseMode, "jwt") {
		return callback.Get("state"), nil
	}
	inner, err := c.openResponse(ctx, callback)
	if err != nil {
		return "", fail(StepCallback, err)
	}
	return inner.Get("state"), nil
}

// CheckCallback makes the checks of Finish that need no token request: format, state, iss, and the
// signature of a signed response. It does not redeem the code. It stores nothing, so an error
// response uses no memory.
//
// Every error is an [*Error]. errors.As finds a [*CallbackError] if the server sent an error.
// Codes of the server:
//
//   - in the callback (RFC 6749 §4.1.2.1): "access_denied", "invalid_request",
//     "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error",
//     "temporarily_unavailable"
//   - in the callback (OpenID Connect Core §3.1.2.6): "login_required", "interaction_required",
//     "account_selection_required", "consent_required", "invalid_request_uri",
//     "invalid_request_object", "request_not_supported", "request_uri_not_supported",
//     "registration_not_supported"
//
// Other codes of the server are returned unchanged. The code is "temporarily_unavailable" too if
// the metadata or the keys could not be fetched. It is "login_failed" for a response that is wrong
// or belongs to another login.
func (c *Client) CheckCallback(ctx context.Context, pending *Pending, callback url.Values) error {
	_, err := c.checkResponse(ctx, pending, callback)
	return err
}

func (c *Client) checkResponse(ctx context.Context, pending *Pending, callback url.Values) (*response, error) {
	if err := c.checkPending(pending); err != nil {
		return nil, fail(StepCallback, err)
	}
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.readCallback(ctx, callback, pending, m)
	if err != nil {
		return nil, fail(StepCallback, err)
	}
	return r, nil
}
