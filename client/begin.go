package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/pkce"
)

// Request holds the settings of one login that Config does not hold. The zero value is a plain
// login.
type Request struct {
	unprinted[Request]

	// Scopes are requested in addition to Config.Scopes. Empty means only Config.Scopes.
	Scopes []string

	// ACRValues are the accepted authentication context classes, in order of preference. The ID
	// token must contain one of them. Empty means that acr is not checked.
	ACRValues []string

	// MaxAge is the maximum time since the user authenticated, in whole seconds. If it is set,
	// the ID token must contain auth_time. nil means no maximum.
	MaxAge *time.Duration

	// Prompt holds values such as "login", "consent", "select_account" or "none" (OpenID Connect
	// Core §3.1.2.1). With "login", an ID token whose auth_time is before the request is rejected.
	// Set MaxAge too if the ID token must contain auth_time. Empty lets the server decide.
	Prompt []string

	// Subject is the sub of the user who must sign in. Set it for prompt "login" and for step-up,
	// so that another user of the same browser cannot take over the session. A login of another
	// user fails with a [*SubjectError]. The client does not send Subject to the server. "" means
	// any user.
	Subject string

	// LoginHint identifies the user who is about to sign in, if the application knows the user. ""
	// sends no hint.
	LoginHint string

	// IDTokenHint is an ID token of the user: Tokens.IDTokenHint. It is not encoded in JSON.
	IDTokenHint string `json:"-"`

	// UILocales are the user's languages as BCP 47 tags, in order of preference. Empty lets the
	// server decide.
	UILocales []string

	// Display tells the server how to show its pages: "page", "popup", "touch" or "wap". "" lets
	// the server decide.
	Display string

	// Claims requests individual claims (OpenID Connect Core §5.5). It is any value that encodes
	// to that JSON object. nil requests none. If acr is essential in the ID token (§5.5.1.1),
	// its values replace ACRValues when the ID token is checked.
	Claims any

	// Resources are the APIs that the access token is for, RFC 8707: absolute URIs. Empty lets the
	// server decide.
	Resources []string

	// AuthorizationDetails describes the access that the token must grant, RFC 9396. It is any
	// value that encodes to that JSON array. nil requests none.
	AuthorizationDetails any

	// Extra holds additional parameters that a server defines. Parameters that the module sets are
	// rejected. nil sends none.
	Extra url.Values
}

// LogValue implements slog.LogValuer. It logs only prompt and acr_values.
func (r Request) LogValue() slog.Value {
	return slog.StringValue(fmt.Sprintf("[request, prompt %q, acr_values %q]", strings.Join(r.Prompt, " "), strings.Join(r.ACRValues, " ")))
}

// reserved are the parameters that the module sets itself.
var reserved = []string{
	"client_id", "response_type", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
	"request", "request_uri", "response_mode", "acr_values", "max_age", "prompt", "login_hint", "client_secret",
	"client_assertion", "client_assertion_type", "id_token_hint", "ui_locales", "display", "claims", "resource",
	"authorization_details", "dpop_jkt", "code_verifier",
}

// Begin returns the URL to redirect the browser to. It also returns the Pending to store for
// this browser until the callback. It pushes the request if the server supports that (RFC 9126).
//
// Every error is an [*Error]. Codes of a pushed request (RFC 9126 §2.3): "invalid_request" (also
// for a redirect URI that is not registered), "invalid_client", "unauthorized_client",
// "invalid_scope", "unsupported_response_type", "access_denied", "server_error",
// "temporarily_unavailable". Extensions add "invalid_target" and "invalid_request_object". Other
// codes of the server are returned unchanged. The code is "temporarily_unavailable" too if the
// server did not answer, and "login_failed" if a setting, req or the metadata is wrong. Errors of
// a request that is not pushed arrive in the callback: see [Client.Finish].
func (c *Client) Begin(ctx context.Context, req Request) (redirect string, pending *Pending, err error) {
	if err := c.signsIn(); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	if err := req.check(); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	ctx = c.provider.Context(ctx)
	m, err := c.metadata(ctx)
	if err != nil {
		return "", nil, err
	}
	if err := c.checkOffer(m); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	if pending, err = c.newPending(req); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	params, err := c.parameters(req, pending)
	if err != nil {
		return "", nil, fail(StepRequest, err)
	}
	if err := c.bindRequest(pending, params); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	front, err := c.front(ctx, m, params)
	if err != nil {
		return "", nil, err
	}
	if err := checkOwnQuery(m.AuthorizationEndpoint, front); err != nil {
		return "", nil, fail(StepRequest, err)
	}
	return authorizationURL(m.AuthorizationEndpoint, front), pending, nil
}

// signsIn reports an error if the client has no RedirectURL for logins.
func (c *Client) signsIn() error {
	if c.config.RedirectURL == "" {
		return errors.New("Config.RedirectURL is empty: set it to the callback URL that is registered at the server")
	}
	return nil
}

// checkOffer checks that the server supports what every login needs. A server that supports only
// the PKCE method plain would ignore an S256 challenge.
func (c *Client) checkOffer(m *discovery.Metadata) error {
	methods := m.CodeChallengeMethodsSupported
	switch {
	case m.AuthorizationEndpoint == "":
		return errors.New("the server's metadata has no authorization_endpoint: check Config.Issuer, or set Config.Metadata")
	case !c.config.InsecureNoPKCE && c.config.PKCE == pkce.S256 && slices.Contains(methods, "plain") && !slices.Contains(methods, "S256"):
		return errors.New("the server supports only the PKCE method plain, and Config.PKCE is S256: enable S256 at the server, or set Config.PKCE to pkce.Plain")
	}
	return nil
}

// front returns the parameters for the browser's address. These are all parameters, or those
// that replace them after the request was packed or pushed.
func (c *Client) front(ctx context.Context, m *discovery.Metadata, params url.Values) (url.Values, error) {
	push, err := c.pushes(m)
	if err != nil {
		return nil, fail(StepRequest, err)
	}
	packed := params
	if c.config.RequestObject != nil {
		if packed, err = c.pack(ctx, params); err != nil {
			return nil, fail(StepRequest, err)
		}
	} else if m.RequireSignedRequestObject {
		return nil, fail(StepRequest, errors.New("the server requires signed request objects, and Config.RequestObject is nil: set it"))
	}
	switch {
	case push:
		if packed, err = c.push(ctx, m, packed); err != nil {
			return nil, fail(StepPush, err)
		}
	case c.config.RequestObject == nil:
		return packed, nil
	default:
		if packed, err = c.refer(ctx, packed); err != nil {
			return nil, fail(StepRequest, err)
		}
	}
	return c.repeat(packed, params, push), nil
}

// repeat adds parameters beside request or request_uri. An OpenID request that is not pushed
// must have response_type, client_id and a scope with openid there (OpenID Connect Core §6.1,
// §6.2). Every request of FAPI 1.0 Advanced must too (§5.2.3). Some servers also require them
// beside a pushed request.
func (c *Client) repeat(packed, params url.Values, pushed bool) url.Values {
	var names []string
	switch {
	case c.config.RepeatParameters:
		names = []string{"response_type", "scope", "redirect_uri"}
	case !pushed && (c.config.Profile == FAPI1Advanced || slices.Contains(strings.Fields(params.Get("scope")), "openid")):
		names = []string{"response_type", "scope"}
	}
	for _, name := range names {
		if params.Has(name) {
			packed[name] = params[name]
		}
	}
	return packed
}

func (r *Request) check() error {
	for name := range r.Extra {
		if slices.Contains(reserved, name) {
			return fmt.Errorf("Request.Extra contains %q, which the client sets itself: remove it", name)
		}
	}
	if r.MaxAge != nil && *r.MaxAge < 0 {
		return fmt.Errorf("Request.MaxAge is %s, expected 0 or more", jose.Duration(*r.MaxAge))
	}
	if err := checkScopes(r.Scopes); err != nil {
		return fmt.Errorf("Request.Scopes: %w", err)
	}
	for name, list := range map[string][]string{"Request.Prompt": r.Prompt, "Request.ACRValues": r.ACRValues, "Request.UILocales": r.UILocales} {
		if i := slices.IndexFunc(list, isNoWord); i >= 0 {
			return fmt.Errorf("%s: %q is not a single value: use one list element for each value", name, list[i])
		}
	}
	return checkResources(r.Resources)
}

// isNoWord reports whether a list element is empty or contains white space. The server would
// read it as no value or as several.
func isNoWord(s string) bool { return len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s }

// checkResources applies RFC 8707 §2.
func checkResources(resources []string) error {
	for _, resource := range resources {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return fmt.Errorf("Request.Resources contains %q, expected absolute URIs without a fragment", resource)
		}
	}
	return nil
}

func (c *Client) newPending(req Request) (*Pending, error) {
	acr, err := req.essentialACR()
	if len(acr) == 0 {
		acr = req.ACRValues
	}
	p := &Pending{
		Issuer: c.config.Issuer, ClientID: c.config.ClientID, RedirectURL: c.config.RedirectURL,
		State: random(), CodeVerifier: c.newVerifier(), Scopes: union(c.config.Scopes, req.Scopes),
		ACRValues: acr, MaxAge: req.MaxAge, Prompt: req.Prompt, Subject: req.Subject, CreatedAt: c.config.Now(),
		ResponseType: c.config.ResponseType, ResponseMode: c.config.ResponseMode, Resources: req.Resources,
	}
	if p.wantsIDToken() {
		p.Nonce = random()
	}
	if p.Subject != "" && !p.wantsIDToken() {
		return nil, errors.New("Request.Subject is set, but no ID token will name the user: add openid to Config.Scopes")
	}
	return p, err
}

// essentialACR returns the values of acr that Claims requests as essential (OpenID Connect Core
// §5.5.1.1).
func (r *Request) essentialACR() ([]string, error) {
	if r.Claims == nil {
		return nil, nil
	}
	raw, err := json.Marshal(r.Claims)
	if err != nil {
		return nil, fmt.Errorf("Request.Claims: %w", err)
	}
	var claims struct {
		IDToken struct {
			ACR struct {
				Essential bool     `json:"essential"`
				Value     string   `json:"value"`
				Values    []string `json:"values"`
			} `json:"acr"`
		} `json:"id_token"`
	}
	if json.Unmarshal(raw, &claims) != nil {
		return nil, errors.New("Request.Claims cannot be encoded as a claims request object (OpenID Connect Core §5.5)")
	}
	acr := claims.IDToken.ACR
	switch {
	case !acr.Essential:
		return nil, nil
	case acr.Value != "":
		return append(acr.Values, acr.Value), nil
	}
	return acr.Values, nil
}

// union returns a, followed by the elements of b that are not in a.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// parameters returns the parameters of the authorization request: RFC 6749 §4.1.1, RFC 7636
// §4.3, OpenID Connect Core §3.1.2.1.
func (c *Client) parameters(req Request, p *Pending) (url.Values, error) {
	v := cloneValues(req.Extra)
	setGiven(v, map[string]string{
		"client_id":             p.ClientID,
		"response_type":         p.responseType(),
		"response_mode":         p.ResponseMode,
		"redirect_uri":          p.RedirectURL,
		"scope":                 strings.Join(p.Scopes, " "),
		"state":                 p.State,
		"nonce":                 p.Nonce,
		"code_challenge":        c.challenge(p),
		"code_challenge_method": c.challengeMethod(),
		"acr_values":            strings.Join(req.ACRValues, " "),
		"prompt":                strings.Join(req.Prompt, " "),
		"login_hint":            req.LoginHint,
		"id_token_hint":         req.IDTokenHint,
		"ui_locales":            strings.Join(req.UILocales, " "),
		"display":               req.Display,
	})
	if len(req.Resources) > 0 {
		v["resource"] = slices.Clone(req.Resources)
	}
	if p.MaxAge != nil {
		v.Set("max_age", strconv.FormatInt(int64(*p.MaxAge/time.Second), 10))
	}
	return v, errors.Join(setJSON(v, "claims", req.Claims), setJSON(v, "authorization_details", req.AuthorizationDetails))
}

// setJSON sets a parameter to the JSON encoding of value.
func setJSON(v url.Values, name string, value any) error {
	if value == nil {
		return nil
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	v.Set(name, string(b))
	return nil
}

// checkOwnQuery rejects a parameter that is both in the endpoint's own query and in params: no
// parameter may be repeated (RFC 6749 §3.1).
func checkOwnQuery(at string, params url.Values) error {
	_, query, _ := strings.Cut(at, "?")
	own, _ := url.ParseQuery(query)
	for name := range own {
		if params.Has(name) {
			return fmt.Errorf("the server's authorization_endpoint already contains the parameter %q: correct the server's metadata, or set Config.Metadata", name)
		}
	}
	return nil
}

// authorizationURL keeps the query of the endpoint (RFC 6749 §3.1). It encodes a space as %20,
// because not every server decodes + in an address as a space.
func authorizationURL(at string, params url.Values) string {
	query := strings.ReplaceAll(params.Encode(), "+", "%20")
	if strings.Contains(at, "?") {
		return strings.TrimSuffix(at, "&") + "&" + query
	}
	return at + "?" + query
}
