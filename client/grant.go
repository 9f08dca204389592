package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The grants that are not a login in this client's browser.
const (
	grantClientCredentials = "client_credentials"                              // RFC 6749 §4.4
	grantJWTBearer         = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
	grantTokenExchange     = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
	grantDevice            = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	grantBackchannel       = "urn:openid:params:grant-type:ciba"               // OpenID Connect CIBA Core 1.0 §10.1
)

// methods names what to use for the grant types that Grant does not take: each has checks
// of its own.
var methods = map[string]string{
	"authorization_code":   "Finish or Exchange",
	"refresh_token":        "Refresh",
	grantClientCredentials: "ClientCredentials",
	grantJWTBearer:         "JWTBearer",
	grantTokenExchange:     "TokenExchange",
	grantDevice:            "FinishDevice",
	grantBackchannel:       "FinishBackchannel",
}

// TokenRequest is what tokens are asked for without a browser. The zero value asks for
// what the server gives unasked.
type TokenRequest struct {
	// Scopes are asked for. nil asks for none by name; for a login on another device
	// (BeginDevice, BeginBackchannel) it means Config.Scopes.
	Scopes []string

	// Resources are the APIs that the access token is for, RFC 8707: absolute URIs.
	Resources []string

	// AuthorizationDetails is what the access token is to allow, RFC 9396: whatever
	// marshals to that JSON array. nil asks for nothing.
	AuthorizationDetails any

	// Extra holds more parameters, for what a server has of its own, such as audience. The
	// parameters that the module sets are refused here.
	Extra url.Values
}

// reservedGrant are the parameters of token requests, and of those before them, that the
// module sets itself; those of Request.Extra are reserved too.
var reservedGrant = []string{
	"grant_type", "code", "code_verifier", "refresh_token", "assertion", "subject_token", "subject_token_type", "actor_token",
	"actor_token_type", "requested_token_type", "device_code", "auth_req_id", "login_hint_token", "binding_message", "user_code",
	"requested_expiry", "client_notification_token",
}

func (r *TokenRequest) check() error {
	for name := range r.Extra {
		if slices.Contains(reserved, name) || slices.Contains(reservedGrant, name) {
			return fmt.Errorf("TokenRequest.Extra must not hold %q", name)
		}
	}
	if err := checkScopes(r.Scopes); err != nil {
		return fmt.Errorf("TokenRequest.Scopes: %w", err)
	}
	return checkResources(r.Resources)
}

// form gives the parameters.
func (r *TokenRequest) form() (url.Values, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	v := cloneValues(r.Extra)
	if len(r.Scopes) > 0 {
		v.Set("scope", strings.Join(r.Scopes, " "))
	}
	if len(r.Resources) > 0 {
		v["resource"] = slices.Clone(r.Resources)
	}
	return v, setJSON(v, "authorization_details", r.AuthorizationDetails)
}

// Grant gets tokens by a grant that this package knows nothing of (RFC 6749 §4.5): form
// holds its parameters, grantType is an absolute URI or a name of the server's own. Grants
// that have a method of their own are refused, and so is the password grant (RFC 9700
// §2.4). An ID token in the answer is validated as that of a login without nonce. Every
// error is an [*Error].
func (c *Client) Grant(ctx context.Context, grantType string, form url.Values) (*Tokens, error) {
	if err := checkGrant(grantType, form); err != nil {
		return nil, fail(StepToken, err)
	}
	return c.obtain(ctx, grantType, cloneValues(form), nil)
}

func checkGrant(grantType string, form url.Values) error {
	if method := methods[grantType]; method != "" {
		return errors.New("this grant has a method of its own: " + method)
	}
	if grantType == "password" {
		return errors.New("the password grant is not supported; it shows the user's password to the client")
	}
	if !isGrantType(grantType) {
		return errors.New("grantType is neither an absolute URI nor a name")
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if form.Has(name) {
			return fmt.Errorf("form must not hold %q", name)
		}
	}
	return nil
}

// isGrantType takes the grant-type of RFC 6749 §A.10: a name or an absolute URI.
func isGrantType(s string) bool {
	notName := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("-._", r))
	}
	if s != "" && strings.IndexFunc(s, notName) < 0 {
		return true
	}
	u, err := url.Parse(s)
	return err == nil && u.IsAbs() && visible(s)
}

// obtain gets tokens by a grant, once. check, which may be nil, says whether the answer is
// what the grant wants. An ID token that nobody asked for is validated all the same.
func (c *Client) obtain(ctx context.Context, grantType string, form url.Values, check func(*tokenResponse) error) (*Tokens, error) {
	form.Set("grant_type", grantType)
	key, _, err := c.newKey()
	if err != nil {
		return nil, fail(StepToken, err)
	}
	response, err := c.requestToken(ctx, form, key)
	if err != nil {
		return nil, err
	}
	if check != nil {
		if err := check(response); err != nil {
			return nil, fail(StepToken, err)
		}
	}
	tokens := response.tokens(strings.Fields(form.Get("scope")), key, c.config.Now())
	if response.IDToken == "" {
		return tokens, nil
	}
	return c.addIDToken(ctx, tokens, response.IDToken, response.expected())
}
