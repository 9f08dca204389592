package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const maxLifetime = 10 * 365 * 24 * time.Hour

// notApplicable is the token_type of a token that grants no access (RFC 8693 §2.2.1).
const notApplicable = "N_A"

const accessTokenType = "urn:ietf:params:oauth:token-type:access_token" // RFC 8693 §3

// tokenResponse is the response of the token endpoint, RFC 6749 §5.1 and OpenID Connect Core
// §3.1.3.3. It is parsed strictly.
type tokenResponse struct {
	AccessToken  string         `json:"access_token"`
	TokenType    string         `json:"token_type"`
	ExpiresIn    jsontext.Value `json:"expires_in"`
	RefreshToken string         `json:"refresh_token"`
	Scope        *scopeList     `json:"scope"`
	IDToken      string         `json:"id_token"`
	Error        *string        `json:"error"`

	IssuedTokenType string `json:"issued_token_type"` // RFC 8693 §2.2.1

	lifetime  *time.Duration // nil: not in the response
	extra     map[string]any
	exchanged bool // the response to a token exchange, which may contain a token of any kind
	date      time.Time
}

// requestToken sends a grant to the token endpoint once, because a code that may have arrived must
// not be sent again. It is sent again only if the server requires a DPoP nonce. key is the key that
// the tokens are bound to with Config.DPoP.
func (c *Client) requestToken(ctx context.Context, form url.Values, key auth.SigningKey) (*tokenResponse, error) {
	ctx = c.provider.Context(ctx)
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	prover, err := c.prover(key)
	if err != nil {
		return nil, fail(StepToken, err)
	}
	resp, err := c.post(ctx, m.TokenEndpoint, c.auth(m), form, prover)
	if err != nil {
		return nil, fail(StepToken, tokenError(err))
	}
	if resp.Status != http.StatusOK {
		return nil, fail(StepToken, c.rejected(m, form, resp.Failure(notOAuth)))
	}
	parsed, err := parseTokenResponse(resp, &c.config, form.Get("grant_type"))
	switch {
	case errors.Is(err, errInBody):
		return nil, fail(StepToken, c.rejected(m, form, resp.Failure(err.Error())))
	case err != nil:
		return nil, fail(StepToken, tokenError(resp.Refuse(resp.Explained(err))))
	}
	return parsed, nil
}

const notOAuth = "the response is not an OAuth error (RFC 6749 §5.2)"

// rejected is the error of a request that the server rejected, with what was sent.
func (c *Client) rejected(m *discovery.Metadata, form url.Values, err error) *TokenError {
	e := c.explainAuth(m, form, tokenError(err))
	e.Err = c.withSent(m, form, answered{e.Code, e.Status}, e.Err)
	return e
}

// explainAuth adds a remedy if the server rejects the client although it follows the RFCs. Some
// servers do not decode ID and secret. Some require assertions as they were before RFC 10070.
// LinkedIn responds in the same way to a code_verifier.
func (c *Client) explainAuth(m *discovery.Metadata, form url.Values, e *TokenError) *TokenError {
	if hint := c.hint(m, answered{e.Code, e.Status}); hint != "" {
		e.Err = fmt.Errorf("%w (%s)", e.Err, hint)
	}
	if form.Has("code_verifier") && len(m.CodeChallengeMethodsSupported) == 0 && (e.Code == "invalid_client" || e.Code == "invalid_request") {
		e.Err = fmt.Errorf("%w (the server does not announce PKCE and may reject the code_verifier: enable PKCE for this client, or set Config.InsecureNoPKCE)", e.Err)
	}
	return e
}

var (
	errInBody  = errors.New("the response has status 200 and contains an error")
	errNotJSON = errors.New("the response is not JSON")
)

// parseTokenResponse parses the response to a request with that grant.
func parseTokenResponse(resp *endpoint.Response, c *Config, grant string) (*tokenResponse, error) {
	if resp.MediaType != "application/json" {
		return nil, fmt.Errorf("%w: %w", errNotJSON, resp.NotJSON())
	}
	t := &tokenResponse{exchanged: grant == grantTokenExchange}
	t.date, _ = http.ParseTime(resp.Header.Get("Date"))
	if err := jose.Decode(resp.Body, t, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if t.Error != nil {
		return nil, errInBody
	}
	if err := jose.Decode(resp.Body, &t.extra, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if t.TokenType == "" && c.InsecureMissingTokenType && c.DPoP == nil {
		t.TokenType = "Bearer"
	}
	if isNull(t.ExpiresIn) && c.DefaultLifetime > 0 {
		t.ExpiresIn = jsontext.Value(strconv.Itoa(int(c.DefaultLifetime / time.Second)))
	}
	if c.DPoP == nil && slices.ContainsFunc(c.TokenTypes, func(kind string) bool { return strings.EqualFold(kind, t.TokenType) }) {
		t.TokenType = "Bearer"
	}
	return t, t.check(c.DPoP)
}

func (t *tokenResponse) check(bound *DPoP) (err error) {
	switch {
	case t.AccessToken == "":
		return errors.New("access_token is missing")
	case t.TokenType == "":
		return errors.New("token_type is missing: correct the server, or set Config.InsecureMissingTokenType")
	case !t.isOfType(bound):
		return fmt.Errorf("token_type is %s, expected %s%s", jose.Quote(t.TokenType), bound.tokenType(), bound.typeHint())
	}
	if err := t.checkAlphabets(); err != nil {
		return err
	}
	t.lifetime, err = ParseSeconds("expires_in", t.ExpiresIn)
	return err
}

// isOfType applies RFC 6749 §7.1 and RFC 9449 §5. It rejects an unknown token type. It accepts a
// weaker type than requested only if the operator allows it.
func (t *tokenResponse) isOfType(bound *DPoP) bool {
	if strings.EqualFold(t.TokenType, notApplicable) {
		return t.exchanged && t.IssuedTokenType != accessTokenType
	}
	if bound != nil && strings.EqualFold(t.TokenType, "DPoP") {
		return true
	}
	return strings.EqualFold(t.TokenType, "Bearer") && (bound == nil || bound.InsecureAllowBearer)
}

// ParseSeconds parses a number of seconds in a response, such as expires_in. It also accepts a
// string, which some servers send. It returns nil for a missing value, null and "". A value above
// ten years is reduced to ten years, so that it does not break a login. It returns an error for
// everything that is not a number of seconds, 0 or more; name is the member that the error names.
func ParseSeconds(name string, value []byte) (*time.Duration, error) {
	v := jsontext.Value(value)
	if isNull(v) {
		return nil, nil
	}
	number := jsontext.Value(strings.Trim(string(v), `"`))
	if len(number) == 0 {
		return nil, nil
	}
	seconds, err := strconv.ParseFloat(string(number), 64)
	if err != nil || !number.IsValid() || !(seconds >= 0) { // Go reads 0x10p0 too
		return nil, fmt.Errorf("%s is %s, expected a number of seconds: correct the server", name, jose.Quote(string(v)))
	}
	d := time.Duration(min(seconds, maxLifetime.Seconds())) * time.Second
	return &d, nil
}

// isNull reports whether a member is missing or null.
func isNull(v jsontext.Value) bool { return len(v) == 0 || v.Kind() == 'n' }

// tokens returns the application's Tokens. If the response has no scope, the granted scope is
// the requested one (RFC 6749 §5.1).
func (t *tokenResponse) tokens(asked []string, key auth.SigningKey, now time.Time) *Tokens {
	out := &Tokens{
		Token: (&oauth2.Token{
			AccessToken: t.AccessToken, TokenType: t.kind(), RefreshToken: t.RefreshToken,
		}).WithExtra(t.extra),
		Scopes: slices.Clone(asked), DPoPKey: key,
	}
	if t.lifetime != nil {
		out.Expiry = now.Add(*t.lifetime)
		out.ExpiresIn = int64(*t.lifetime / time.Second)
	}
	if t.Scope != nil {
		out.Scopes = *t.Scope
	}
	return out
}

// kind returns the token type in the standards' spelling.
func (t *tokenResponse) kind() string {
	for _, kind := range []string{"DPoP", notApplicable} {
		if strings.EqualFold(t.TokenType, kind) {
			return kind
		}
	}
	return "Bearer"
}

// expected returns what the ID token of a response without nonce must contain, in addition to
// more.
func (t *tokenResponse) expected(more *idtoken.Expected) idtoken.Expected {
	var out idtoken.Expected
	if more != nil {
		out = *more
	}
	out.AccessToken, out.FromTokenEndpoint, out.Date = t.AccessToken, true, t.date
	return out
}

// scopeList is the scope of a response: a list in one string (RFC 6749 §3.3), or an array of
// strings, as Twitch sends it.
type scopeList []string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *scopeList) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var list jose.Audience
	if err := list.UnmarshalJSONFrom(d); err != nil {
		return errors.New("scope is neither a string nor an array of strings")
	}
	*s = strings.FieldsFunc(strings.Join(list, " "), func(r rune) bool { return r == ' ' })
	return nil
}

// The alphabets of RFC 6749 appendix A. Codes, tokens and identifiers are made of VSCHAR:
// printable ASCII, spaces included. A value that goes into a header is limited to visible
// characters, because a space would end it (RFC 6750 §2.1).

// printable reports whether s consists of VSCHAR (%x20-7E).
func printable(s string) bool { return consistsOf(s, 0x20) }

// visible reports whether s consists of visible ASCII (%x21-7E).
func visible(s string) bool { return consistsOf(s, 0x21) }

func consistsOf(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > 0x7e {
			return false
		}
	}
	return true
}

var (
	errAccessTokenAlphabet  = errors.New("access_token contains a space or a character that is not printable ASCII, and cannot be sent in a header")
	errIDTokenAlphabet      = errors.New("id_token contains a space or a character that is not printable ASCII, expected a JWT")
	errRefreshTokenAlphabet = errors.New("refresh_token contains a character that is not printable ASCII")
)

// checkAlphabets checks the tokens of a response. What a token exchange returns as N_A is
// never sent in a header, and may be a refresh token.
func (t *tokenResponse) checkAlphabets() error {
	fits := visible
	if t.kind() == notApplicable {
		fits = printable
	}
	switch {
	case !fits(t.AccessToken):
		return errAccessTokenAlphabet
	case !visible(t.IDToken):
		return errIDTokenAlphabet
	case !printable(t.RefreshToken):
		return errRefreshTokenAlphabet
	}
	return nil
}
