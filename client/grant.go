package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const grantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1

// functions names the function to use for the grant types that have their own checks.
var functions = map[string]string{
	"client_credentials":                           "grant.ClientCredentials", // RFC 6749 §4.4
	"urn:ietf:params:oauth:grant-type:jwt-bearer":  "grant.JWTBearer",         // RFC 7523 §2.1
	grantTokenExchange:                             "grant.TokenExchange",
	"urn:ietf:params:oauth:grant-type:device_code": "grant.FinishDevice",      // RFC 8628 §3.4
	"urn:openid:params:grant-type:ciba":            "grant.FinishBackchannel", // OpenID Connect CIBA Core 1.0 §10.1
}

// ownGrants are the grant types that Grant never sends.
var ownGrants = map[string]string{
	"authorization_code": "Grant does not send authorization_code: use Finish or Exchange",
	"refresh_token":      "Grant does not send refresh_token: use Refresh",
	"password":           "the password grant is not supported, because it reveals the user's password to the client: use Begin and Finish", // RFC 9700 §2.4
}

// TokenRequest describes tokens that are requested without a browser. The zero value requests
// the server's defaults.
type TokenRequest struct {
	// Scopes are requested. nil sends no scope. For a login on another device
	// (grant.BeginDevice, grant.BeginBackchannel) nil means Config.Scopes.
	Scopes []string

	// Resources are the APIs that the access token is for, RFC 8707: absolute URIs. Empty lets the
	// server decide.
	Resources []string

	// AuthorizationDetails describes the access that the token must grant, RFC 9396. It is any
	// value that encodes to that JSON array. nil requests none.
	AuthorizationDetails any

	// Extra holds more parameters that a server defines, such as audience, or the response_type
	// that OpenAM requires for a login on a device. Parameters that the module sets are rejected
	// here. nil sends none.
	Extra url.Values
}

// reservedGrant are the parameters that the module sets itself in token requests and in the
// steps before them. Those of Request.Extra are reserved too.
var reservedGrant = []string{
	"grant_type", "code", "code_verifier", "refresh_token", "assertion", "subject_token", "subject_token_type", "actor_token",
	"actor_token_type", "requested_token_type", "device_code", "auth_req_id", "login_hint_token", "binding_message", "user_code",
	"requested_expiry", "client_notification_token",
}

func (r *TokenRequest) check() error {
	for name := range r.Extra {
		if slices.Contains(reserved, name) && name != "response_type" || slices.Contains(reservedGrant, name) {
			return fmt.Errorf("TokenRequest.Extra contains %q, which the client sets itself: remove it", name)
		}
	}
	if err := checkScopes(r.Scopes); err != nil {
		return fmt.Errorf("TokenRequest.Scopes: %w", err)
	}
	return checkResources(r.Resources)
}

// Form returns the parameters of the request, or an error if one of them is malformed. The
// error names the field.
func (r *TokenRequest) Form() (url.Values, error) {
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

// Grant describes the token request of a grant (RFC 6749 §4.5) and the required content of its
// response. Package client/grant is built on it.
type Grant struct {
	hidden[Grant]

	// Type is the grant_type: an absolute URI, or a name that the server defines.
	Type string

	// Form holds the parameters of the grant. [TokenRequest.Form] makes the common ones.
	Form url.Values

	// Scopes were requested by an earlier step. nil means the parameter scope of Form.
	Scopes []string

	// Resources were named by an earlier step (RFC 8707). A single resource is sent again,
	// unless Config.OmitTokenResource is set.
	Resources []string

	// DPoPKey is the key that an earlier step made with [Client.NewDPoPKey]. "" means a key of
	// Config.DPoP.Keys or a new one, where Config.DPoP binds tokens to keys.
	DPoPKey string

	// AccessTokenOnly drops a refresh token and an ID token from the response.
	AccessTokenOnly bool

	// IDToken says what the ID token must contain; the response must then have one. nil does not
	// require an ID token. An ID token in the response is still validated, without a nonce.
	IDToken *idtoken.Expected

	// Check rejects a response by returning an error, before the ID token is validated. nil
	// accepts the response. The grant types of package client/grant need a Check.
	Check func(*Tokens) error
}

// Grant gets tokens with a grant that this package does not have, RFC 6749 §4.5. The grants of a
// login, those of package client/grant and the password grant (RFC 9700 §2.4) are rejected. The
// request is sent once, and again only if the server requires a DPoP nonce.
//
// Every error is an [*Error]. For an error of the server errors.As finds a [*TokenError]. Codes of
// the token endpoint (RFC 6749 §5.2): "invalid_grant",
// "invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_scope",
// "invalid_request". Other codes of the server are returned unchanged. The code is
// "temporarily_unavailable" if the server did not answer, and "login_failed" if g or the response
// is wrong.
func (c *Client) Grant(ctx context.Context, g Grant) (*Tokens, error) {
	if err := g.check(); err != nil {
		return nil, fail(StepToken, err)
	}
	key, err := c.grantKey(g.DPoPKey)
	if err != nil {
		return nil, fail(StepToken, err)
	}
	form := cloneValues(g.Form)
	form.Set("grant_type", g.Type)
	c.repeatResource(form, g.Resources)
	response, err := c.requestToken(ctx, form, key)
	if err != nil {
		return nil, err
	}
	if g.AccessTokenOnly {
		response.keepAccessToken()
	}
	scopes := g.Scopes
	if scopes == nil {
		scopes = strings.Fields(form.Get("scope"))
	}
	tokens := response.tokens(scopes, key, c.config.Now())
	if tokens.Resources = slices.Clone(g.Resources); len(tokens.Resources) == 0 {
		tokens.Resources = form["resource"]
	}
	if g.Check != nil {
		if err := g.Check(tokens); err != nil {
			return nil, fail(StepToken, err)
		}
	}
	if response.IDToken == "" && g.IDToken == nil {
		return tokens, nil
	}
	return c.addIDToken(ctx, tokens, response.IDToken, response.expected(g.IDToken))
}

// grantKey returns the key of an earlier step, or a new one.
func (c *Client) grantKey(earlier string) (auth.SigningKey, error) {
	if earlier != "" {
		return c.keyOf(earlier)
	}
	key, _, err := c.newKey()
	return key, err
}

func (g *Grant) check() error {
	if reason := ownGrants[g.Type]; reason != "" {
		return errors.New(reason)
	}
	if function := functions[g.Type]; function != "" && g.Check == nil {
		return fmt.Errorf("Grant does not send %s, because its response needs more checks: use %s", g.Type, function)
	}
	if !isGrantType(g.Type) {
		return fmt.Errorf("Grant.Type is %q, expected an absolute URI or a registered name", g.Type)
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type"} {
		if g.Form.Has(name) {
			return fmt.Errorf("Grant.Form contains %q, which the client sets itself: remove it", name)
		}
	}
	return nil
}

// isGrantType accepts the grant-type of RFC 6749 §A.10: a name or an absolute URI.
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

// keepAccessToken removes the other tokens of a response.
func (t *tokenResponse) keepAccessToken() {
	t.RefreshToken, t.IDToken = "", ""
	delete(t.extra, "refresh_token")
	delete(t.extra, "id_token")
}

// PostForm posts a form with the client's authentication. endpoint selects the URL from the
// server's metadata. PostForm decodes the JSON object of the response into answer by exact
// names. It is for the step of a grant before its token request; step names that step. The form
// is sent once.
//
// Every error is an [*Error]. errors.Is finds [ErrNoEndpoint] if endpoint returns "", and
// errors.As a [*TokenError] if the server sent an error. The code is
// the server's code, unchanged. Without one it is "temporarily_unavailable" if the server did not answer,
// and "login_failed" for everything else.
func (c *Client) PostForm(ctx context.Context, step Step, endpoint func(*discovery.Metadata) string, form url.Values, answer any) error {
	resp, err := c.postTo(ctx, step, func(m *discovery.Metadata) place { return place{url: endpoint(m), failure: notOAuth} }, form, "application/json")
	if err != nil {
		return err
	}
	if err := readAnswer(resp, answer); err != nil {
		return fail(step, tokenError(err))
	}
	return nil
}

func readAnswer(resp *endpoint.Response, answer any) error {
	if resp.MediaType != "application/json" {
		return resp.Refuse(fmt.Errorf("%w: %w", errNotJSON, resp.NotJSON()))
	}
	var failed struct {
		Error *string `json:"error"`
	}
	if err := jose.Decode(resp.Body, &failed, jose.DocumentLimits); err != nil {
		return resp.Refuse(err)
	}
	if failed.Error != nil {
		return resp.Failure(errInBody.Error())
	}
	if err := jose.Decode(resp.Body, answer, jose.DocumentLimits); err != nil {
		return resp.Refuse(err)
	}
	return nil
}
