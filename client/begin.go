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
	"github.com/countersign/countersign/pkce"
)

// Request is what one login asks for beyond the Config. The zero value is a plain login.
type Request struct {
	unprinted[Request]

	// Scopes are asked for beside those of Config.Scopes.
	Scopes []string

	// ACRValues are the authentication context classes that will do, best first. The
	// ID token must then hold one of them.
	ACRValues []string

	// MaxAge is how long ago the user may have authenticated, in whole seconds. The ID
	// token must then say when that was. nil means that it does not matter.
	MaxAge *time.Duration

	// Prompt holds values such as "login", "consent", "select_account" or "none"
	// (OpenID Connect Core §3.1.2.1). After "login" an ID token with an auth_time before the
	// request is refused; to have one for certain, ask for MaxAge too.
	Prompt []string

	// Subject is the sub of the user who must sign in: set it for prompt "login" and for
	// step-up, where another user at the same browser must not take over the session. A login
	// of another user fails with a [*SubjectError]. It is not sent to the server. "" means any
	// user.
	Subject string

	// LoginHint names the user who is about to sign in, as far as is known.
	LoginHint string

	// IDTokenHint is an ID token of the user: Tokens.IDTokenHint. It is in no JSON.
	IDTokenHint string `json:"-"`

	// UILocales are the user's languages as BCP 47 tags, best first.
	UILocales []string

	// Display is how the server shows its pages: "page", "popup", "touch" or "wap".
	Display string

	// Claims asks for single claims, OpenID Connect Core §5.5: whatever marshals to that
	// JSON object. nil asks for none. Values of an acr that is essential in the ID token
	// (§5.5.1.1) take the place of ACRValues when the answer is checked.
	Claims any

	// Resources are the APIs that the access token is for, RFC 8707: absolute URIs.
	Resources []string

	// AuthorizationDetails is what the access token is to allow, RFC 9396: whatever
	// marshals to that JSON array. nil asks for nothing.
	AuthorizationDetails any

	// Extra holds more parameters, for what a server has of its own. The parameters
	// that the module sets are refused here.
	Extra url.Values
}

// LogValue implements slog.LogValuer with what helps to read a log.
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

// Begin makes the URL to redirect the browser to, and the Pending to store for this browser
// until it comes back. It pushes the request if the server supports that (RFC 9126).
//
// Every error is an [*Error]. Codes of a pushed request: "invalid_request" (also for a redirect
// URI that is not registered), "invalid_client", "unauthorized_client", "invalid_scope",
// "invalid_target", "invalid_request_object" and those of Finish.
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

// signsIn reports an error unless this client can begin and end logins.
func (c *Client) signsIn() error {
	if c.config.RedirectURL == "" {
		return errors.New("Config.RedirectURL is empty, and a login needs it")
	}
	return nil
}

// checkOffer wants of the server what every login needs. One that knows no other method
// than plain would not look at an S256 challenge; what it says about S256 is its own.
func (c *Client) checkOffer(m *discovery.Metadata) error {
	methods := m.CodeChallengeMethodsSupported
	switch {
	case m.AuthorizationEndpoint == "":
		return errors.New("the metadata has no authorization_endpoint")
	case !c.config.InsecureNoPKCE && c.config.PKCE == pkce.S256 && slices.Contains(methods, "plain") && !slices.Contains(methods, "S256"):
		return errors.New("the server supports PKCE by plain alone, and Config.PKCE is S256")
	}
	return nil
}

// front gives the parameters for the browser's address: all of them, or those that
// stand for them once they were packed or pushed.
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
		return nil, fail(StepRequest, errors.New("the server requires signed request objects, and Config.RequestObject is nil"))
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

// repeat adds parameters beside request or request_uri. An OpenID request that is not
// pushed must have response_type, client_id and a scope with openid there (OpenID Connect
// Core §6.1, §6.2), and so must every request of FAPI 1.0 Advanced (§5.2.3). Some servers
// want them beside a pushed request too.
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
			return fmt.Errorf("Request.Extra must not hold %q", name)
		}
	}
	if r.MaxAge != nil && *r.MaxAge < 0 {
		return errors.New("Request.MaxAge is negative")
	}
	if err := checkScopes(r.Scopes); err != nil {
		return fmt.Errorf("Request.Scopes: %w", err)
	}
	for name, list := range map[string][]string{"Request.Prompt": r.Prompt, "Request.ACRValues": r.ACRValues, "Request.UILocales": r.UILocales} {
		if i := slices.IndexFunc(list, isNoWord); i >= 0 {
			return fmt.Errorf("%s: %q is not one value", name, list[i])
		}
	}
	return checkResources(r.Resources)
}

// isNoWord tells of an element of a list that the server would read as none, or as several.
func isNoWord(s string) bool { return len(strings.Fields(s)) != 1 || strings.TrimSpace(s) != s }

// checkResources applies RFC 8707 §2.
func checkResources(resources []string) error {
	for _, resource := range resources {
		if u, err := url.Parse(resource); err != nil || !u.IsAbs() || strings.Contains(resource, "#") {
			return fmt.Errorf("Request.Resources: %q is not an absolute URI without a fragment", resource)
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
		return nil, errors.New("Request.Subject is set, and the scopes have no openid: no ID token names the user")
	}
	return p, err
}

// essentialACR gives the values of acr that Claims has the server keep to, OpenID Connect
// Core §5.5.1.1.
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
		return nil, errors.New("Request.Claims is not the object of OpenID Connect Core §5.5")
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

// union is a, and what b has beyond it.
func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// parameters are those of the authorization request: RFC 6749 §4.1.1, RFC 7636
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

// setJSON sets a parameter whose value is JSON.
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

// checkOwnQuery wants no parameter to come twice (RFC 6749 §3.1), in the endpoint's own query
// and beside it.
func checkOwnQuery(at string, params url.Values) error {
	_, query, _ := strings.Cut(at, "?")
	own, _ := url.ParseQuery(query)
	for name := range own {
		if params.Has(name) {
			return fmt.Errorf("the server's authorization_endpoint has a parameter %q of its own", name)
		}
	}
	return nil
}

// authorizationURL keeps a query that the endpoint has (RFC 6749 §3.1). Spaces are
// written as %20: in an address not every server takes + for one.
func authorizationURL(at string, params url.Values) string {
	query := strings.ReplaceAll(params.Encode(), "+", "%20")
	if strings.Contains(at, "?") {
		return strings.TrimSuffix(at, "&") + "&" + query
	}
	return at + "?" + query
}
