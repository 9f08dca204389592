package rs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Authenticator adds the credentials of this API to a request's header or form. Method.For of
// package client/auth returns one.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Introspection verifies access tokens by asking the server, RFC 7662. Issuer, Auth and one of URL
// and Server must be set; otherwise every token is answered with 503. It is safe for concurrent use
// after the fields are set.
type Introspection struct {
	// URL is the introspection endpoint. "" means the one in Server's metadata.
	URL string

	// Server is where the endpoint is looked up if URL is "", at the first token. Its Issuer
	// must equal Issuer.
	Server *discovery.Provider

	// Issuer is the server's issuer identifier. Every Principal has it. A response with another
	// iss is rejected.
	Issuer string

	// Audience is the identifier of this API. aud in the response must contain it.
	//
	// "" is for servers whose responses have no aud, because they tell an API only about its own
	// tokens. Then a response with an aud is rejected. A response without token_type, token_use and
	// token_class is also rejected, because it may be about a refresh token. Only the first response
	// can show that the server writes aud. Every token is then rejected, and an ERROR in the log
	// names this field.
	Audience string

	// Audiences are further identifiers of this API. aud must contain Audience or one of Audiences.
	// Empty means only Audience.
	Audiences []string

	// InsecureMissingTokenType also accepts responses with neither aud nor token_type. A client
	// can then use refresh tokens as access tokens, if the server's responses include refresh
	// tokens.
	InsecureMissingTokenType bool

	// Auth authenticates this API to the endpoint (RFC 7662 §2.1).
	Auth Authenticator

	// InsecureHTTP accepts http for URL on every host, such as http://keycloak:8080/…. It is for
	// development: every machine on the network can read the tokens and this API's secret. For an
	// endpoint from metadata, set Server.InsecureHTTP. Without it, http is accepted on loopback only.
	InsecureHTTP bool

	// Limit is called before each call to the server. It returns how long the client must wait;
	// 0 allows the call. If the client must wait, the request is answered with 429 and
	// Retry-After. A [Cache] in front of this Introspection calls the server, and so Limit,
	// only for unknown tokens. The request is nil if VerifyToken was called without a
	// [Protection]. nil means no limit.
	Limit func(*http.Request) (wait time.Duration)

	// MaxCalls is the maximum number of concurrent calls to the server. Further requests with
	// unknown tokens are answered with 503. 0 means 100.
	MaxCalls int

	// Signed requests signed responses (RFC 9701) and rejects all others. nil means unsigned
	// responses.
	Signed *SignedAnswers

	// Counter counts the calls to the server. nil means that nothing is counted.
	Counter Counter

	// SubjectClaim is the member with the user, for servers whose responses have no sub, such
	// as "username" for Django OAuth Toolkit. It may be missing if the client acts for itself.
	// "" means "sub".
	SubjectClaim string

	// Skew is the accepted clock difference to the server. 0 means 30 seconds; at most 5
	// minutes.
	Skew time.Duration

	// HTTP sends the requests. Only its Transport (tracing, proxies) and Timeout are used. The
	// time-outs, size limits and the rejection of redirects of this module still apply. nil
	// means the default client of this module.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	underWay    int32 // calls; atomic
	withoutAuds int32 // 1 if a response without aud was accepted and no audience is set; atomic
}

var errInactive = errors.New("the server says that the token is not active")

// VerifyToken implements [Verifier]. As with [JWT], it rejects a token that is bound to a key
// or certificate. A [Protection] accepts it with the proof.
//
// A [Protection] answers 401 invalid_token for a token that is rejected; the error names the
// setting to change. It answers 429 if Limit asks the client to wait. It answers 503 if a
// setting is missing, MaxCalls is reached, or the server did not say whether the token is
// active.
func (i *Introspection) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(i.verify(ctx, token))
}

func (i *Introspection) verify(ctx context.Context, token string) (*Principal, error) {
	if err := i.configured(); err != nil {
		return nil, &unavailable{err}
	}
	g := gate{i.Limit, i.MaxCalls, &i.underWay}
	if err := g.enter(ctx); err != nil {
		count(ctx, i.Counter, Limited)
		return nil, err
	}
	defer g.leave()
	count(ctx, i.Counter, Asked)
	p, err := i.askAndRead(ctx, token)
	if isUnavailable(err) {
		count(ctx, i.Counter, Failed)
	}
	return p, err
}

func (i *Introspection) askAndRead(ctx context.Context, token string) (*Principal, error) {
	body, date, err := i.ask(ctx, token)
	switch {
	case errors.Is(err, errInactive):
		return nil, err
	case err != nil:
		return nil, &unavailable{err}
	}
	p, err := i.read(body)
	if errors.Is(err, errClock) {
		err = serverClock(err, date, now(i.Now))
	}
	return p, err
}

// read builds a Principal from the members of the response.
func (i *Introspection) read(body []byte) (*Principal, error) {
	d := dialect{subject: i.SubjectClaim, issuer: i.Issuer, audience: i.Audience}
	c := &claims{dialect: d, answer: &answerClaims{}}
	if err := c.decode(body); err != nil {
		return nil, &unavailable{fmt.Errorf("introspection: %w: check that Introspection.URL is the introspection endpoint", err)}
	}
	if c.answer.active == nil {
		return nil, &unavailable{errors.New("introspection: active is missing in the response")}
	}
	if !*c.answer.active {
		return nil, errInactive
	}
	if err := cmp.Or(i.check(c), d.check(c, body)); err != nil {
		return nil, err
	}
	p, err := c.finish(body)
	if err != nil {
		return nil, err
	}
	if !i.hasAudience() {
		atomic.StoreInt32(&i.withoutAuds, 1)
	}
	p.Issuer, p.origin.asked = i.Issuer, true
	return p, nil
}

// isPadded reports whether a setting begins or ends with white space, as one that was read with its
// line end.
func isPadded(s string) bool { return strings.TrimSpace(s) != s }

func (i *Introspection) configured() error {
	switch {
	case i == nil:
		return errors.New("the *Introspection is nil")
	case i.URL == "" && i.Server == nil:
		return errors.New("Introspection.URL is empty and Introspection.Server is nil: set one of them")
	case i.URL == "" && i.Server.Issuer != i.Issuer:
		return errors.New("Introspection.Server.Issuer does not equal Introspection.Issuer: set both to the same value")
	case i.Issuer == "":
		return errors.New("Introspection.Issuer is empty: set it to the server's issuer URL")
	case i.InsecureHTTP && i.URL == "":
		return errors.New("Introspection.InsecureHTTP applies to Introspection.URL, which is empty: set Server.InsecureHTTP instead")
	case i.Auth == nil:
		return errors.New("Introspection.Auth is nil: set it to the credentials of this API at the server")
	case isPadded(i.Audience):
		return fmt.Errorf("Introspection.Audience is %q, which begins or ends with white space: remove it", i.Audience)
	case slices.ContainsFunc(i.Audiences, isPadded):
		return fmt.Errorf("Introspection.Audiences is %q, where one begins or ends with white space: remove it", i.Audiences)
	case slices.Contains(i.Audiences, ""):
		return errors.New("Introspection.Audiences contains an empty string: remove it")
	case i.Skew < 0 || i.Skew > maxSkew:
		return fmt.Errorf("Introspection.Skew is %s, expected 0 to %s", jose.Duration(i.Skew), jose.Duration(maxSkew))
	}
	if err := checkMaxCalls("Introspection.MaxCalls", i.MaxCalls); err != nil {
		return err
	}
	if i.Signed != nil {
		return i.Signed.configured()
	}
	return nil
}

// ask posts the token and returns the response and its Date. Except for errInactive, an error
// says nothing about the token.
func (i *Introspection) ask(ctx context.Context, token string) (body []byte, date string, err error) {
	ctx, u, err := i.endpoint(ctx)
	if err != nil {
		return nil, "", err
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	client := &sentAs{Authenticator: i.Auth}
	resp, err := endpoint.Client{HTTP: i.HTTP}.PostForm(ctx, u, client, form, i.accept())
	if err != nil {
		return nil, "", fmt.Errorf("introspection: %w", err)
	}
	date = resp.Header.Get("Date")
	switch {
	case resp.Status != http.StatusOK:
		return nil, date, i.failure(resp, client.text)
	case i.Signed != nil:
		body, err = i.open(ctx, resp)
		return body, date, err
	case resp.MediaType != "application/json":
		return nil, date, fmt.Errorf("introspection: Content-Type is %s, expected application/json: check that Introspection.URL is the introspection endpoint", jose.Quote(resp.MediaType))
	}
	return resp.Body, date, nil
}

func (i *Introspection) accept() string {
	if i.Signed != nil {
		return signedMediaType
	}
	return "application/json"
}

// failure returns the error of a response. Some servers do not introspect JWTs and respond with
// unsupported_token_type (RFC 7009 §2.2.1): that rejects the token. Other errors say nothing
// about it.
func (i *Introspection) failure(resp *endpoint.Response, sent string) error {
	e := resp.Failure("the response is not an OAuth error (RFC 6749 §5.2)")
	if e.Code == "unsupported_token_type" {
		return fmt.Errorf("%w: %w", errInactive, e)
	}
	switch {
	case rejectsAPI(e):
		return fmt.Errorf("introspection: %w (%s): the server does not allow this API to introspect tokens: check Introspection.Auth and the permissions of its client", e, sent)
	case resp.Status == http.StatusNotFound || resp.Status == http.StatusMethodNotAllowed:
		return fmt.Errorf("introspection: %w: correct Introspection.URL, or IntrospectionEndpoint in the metadata of Introspection.Server", e)
	}
	advice := ""
	if e.Code == "" && resp.Status == http.StatusBadRequest {
		advice = ": check that Introspection.URL is the introspection endpoint"
	}
	return fmt.Errorf("introspection: %w: the server did not say whether the token is active%s", e, advice)
}

// endpoint returns the URL and the context for the call. A URL from metadata must not lead to a
// private address unless the issuer has one.
func (i *Introspection) endpoint(ctx context.Context) (context.Context, string, error) {
	if i.URL != "" {
		policy := endpoint.Policy{InsecureHTTP: i.InsecureHTTP}
		if err := policy.CheckURL(i.URL); err != nil {
			return ctx, "", fmt.Errorf("Introspection.URL is %w", err)
		}
		return endpoint.With(ctx, policy), i.URL, nil
	}
	ctx = i.Server.Context(ctx)
	m, err := i.Server.Metadata(ctx)
	if err != nil {
		return ctx, "", err
	}
	if m.IntrospectionEndpoint == "" {
		return ctx, "", errors.New("the server's metadata has no introspection_endpoint: set Introspection.URL")
	}
	return ctx, m.IntrospectionEndpoint, nil
}

// check compares the response with the configuration. That a token is active does not mean that
// it is for this API (RFC 7662 §4).
func (i *Introspection) check(c *claims) error {
	switch {
	case c.principal.Issuer != "" && c.principal.Issuer != i.Issuer:
		return wrongIssuer(c.principal.Issuer, i.Issuer, "Introspection.Issuer")
	case !i.hasAudience() && len(c.principal.Audience) > 0:
		return i.noAudience(c)
	case i.hasAudience() && !c.isFor(i.Audience, i.Audiences):
		return c.notFor(i.Audience, i.Audiences, "Introspection.Audience", `. If the server answers this API only about tokens for this API, set Introspection.Audience to ""`)
	case c.cnf == nil && strings.EqualFold(c.answer.tokenType, "DPoP"): // RFC 9449 §6.2
		return errors.New("token_type is DPoP, but the response has no cnf")
	case c.answer.otherKind() != "":
		return errors.New("this is not an access token: " + c.answer.otherKind() + ": send the access token")
	case !i.isAccessToken(c.answer):
		return errors.New("the response has neither aud nor token_type, so this may be a refresh token: configure the server to write them. If it never answers about refresh tokens, set Introspection.InsecureMissingTokenType")
	case (c.idToken || c.nonce) && c.answer.tokenType == "" && c.answer.tokenUse == "" && !i.InsecureMissingTokenType:
		return errors.New("this is an ID token (it has nonce, at_hash, c_hash or s_hash): send the access token")
	case c.answer.expired:
		return errors.New("the token has expired (exp is 0)")
	case c.principal.Subject == "" && c.principal.ClientID == "":
		return errors.New("the response names neither a user nor a client: this may be a refresh token")
	case c.expiry.IsZero(): // optional here: the server has just said that the token is active
		return i.clock().check(jose.NumericDate{Time: now(i.Now).Add(time.Second)}, c.issuedAt, c.notBefore)
	}
	return i.clock().check(c.expiry, c.issuedAt, c.notBefore)
}

// noAudience is the error of a token with an aud at an API without an audience. Until a response
// without aud was accepted, the setting seems to be missing. Later the token is for another API.
func (i *Introspection) noAudience(c *claims) error {
	err := fmt.Errorf("aud is %s, and no audience is configured: set Introspection.Audience to this API's audience", jose.Quote(strings.Join(c.principal.Audience, " ")))
	if atomic.LoadInt32(&i.withoutAuds) == 0 {
		return operatorFault{err}
	}
	return err
}

func (i *Introspection) hasAudience() bool { return i.Audience != "" || len(i.Audiences) > 0 }

func (i *Introspection) clock() clock { return clock{now(i.Now), i.Skew, "Introspection.Skew"} }

// accessTyps are the values of typ, in lower case, that servers use for access tokens. Keycloak
// writes Bearer, Refresh, Offline or ID there.
var accessTyps = []string{"bearer", "dpop", "at+jwt", "application/at+jwt", "jwt", "access_token"}

// accessTypes are the values of token_type, in lower case, that servers write for access tokens.
var accessTypes = []string{"bearer", "dpop", "access_token"}

// otherKind returns the member that names another kind than an access token, or "". Servers write
// "Bearer" or the kind of the token into token_type.
func (a *answerClaims) otherKind() string {
	switch {
	case a.tokenUse != "" && !strings.EqualFold(a.tokenUse, "access_token"):
		return "token_use or token_class is " + jose.Quote(a.tokenUse)
	case a.typ != "" && !slices.Contains(accessTyps, strings.ToLower(a.typ)):
		return "typ is " + jose.Quote(a.typ)
	case a.tokenType != "" && !slices.Contains(accessTypes, strings.ToLower(a.tokenType)):
		return "token_type is " + jose.Quote(a.tokenType)
	}
	return ""
}

// isAccessToken reports whether something shows that a token of no other kind is an access
// token. token_type is optional, and servers omit it for refresh tokens. So it is required if no
// audience distinguishes the two.
func (i *Introspection) isAccessToken(a *answerClaims) bool {
	return a.tokenType != "" || a.tokenUse != "" || i.hasAudience() || i.InsecureMissingTokenType
}
