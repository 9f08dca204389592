package rs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const pingValidateBearer = "urn:pingidentity.com:oauth2:grant_type:validate_bearer"

// PingValidateBearer verifies access tokens at the token endpoint of PingFederate, with the grant
// type validate_bearer. Use it only for servers without introspection, and not as a fallback of
// [Introspection]: the response contains less. URL, Issuer, Clients and Auth must be set; otherwise
// every token is answered with 503. It is safe for concurrent use after the fields are set.
type PingValidateBearer struct {
	// URL is the token endpoint.
	URL string

	// Issuer is the server's issuer identifier. Every Principal has it.
	Issuer string

	// Clients are the clients whose tokens are for this API. The response has no audience to
	// check.
	Clients []string

	// SubjectClaim is the token attribute with the user. "" means that Subject stays empty and the
	// Principal has only the client.
	SubjectClaim string

	// Auth authenticates this API to the server.
	Auth Authenticator

	// InsecureHTTP accepts http for URL on every host, as in [Introspection].
	InsecureHTTP bool

	// Limit and MaxCalls limit the calls to the server, as in [Introspection].
	Limit    func(*http.Request) (wait time.Duration)
	MaxCalls int

	// HTTP sends the requests, as in [Introspection].
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	underWay int32 // calls; atomic
}

// pingAnswer is a successful response. It has no exp, only expires_in.
type pingAnswer struct {
	AccessToken map[string]jsontext.Value `json:"access_token"`
	TokenType   string                    `json:"token_type"`
	ExpiresIn   *float64                  `json:"expires_in"`
	Scope       string                    `json:"scope"`
	ClientID    string                    `json:"client_id"`
}

// VerifyToken implements [Verifier]. A [Protection] answers 401 invalid_token for a token that
// is rejected; the error names the setting to change. It answers 429 if Limit asks the client
// to wait. It answers 503 if a setting is missing, MaxCalls is reached, or the server did not
// say whether the token is valid.
func (v *PingValidateBearer) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	if err := v.configured(); err != nil {
		return nil, &unavailable{err}
	}
	g := gate{v.Limit, v.MaxCalls, &v.underWay}
	if err := g.enter(ctx); err != nil {
		return nil, err
	}
	defer g.leave()
	ctx = endpoint.With(ctx, endpoint.Policy{InsecureHTTP: v.InsecureHTTP})
	form := url.Values{"grant_type": {pingValidateBearer}, "token": {token}}
	client := &sentAs{Authenticator: v.Auth}
	resp, err := endpoint.Client{HTTP: v.HTTP}.PostForm(ctx, v.URL, client, form, "application/json")
	if err != nil {
		return nil, &unavailable{fmt.Errorf("validate_bearer: %w", err)}
	}
	if resp.Status != http.StatusOK {
		return nil, v.failure(resp, client.text)
	}
	var a pingAnswer
	if err := jose.Decode(resp.Body, &a, jose.TokenLimits); err != nil {
		return nil, &unavailable{fmt.Errorf("validate_bearer: %w", err)}
	}
	return v.principal(&a, resp.Body)
}

func (v *PingValidateBearer) configured() error {
	if v == nil || v.URL == "" || v.Issuer == "" || len(v.Clients) == 0 || slices.Contains(v.Clients, "") || v.Auth == nil {
		return errors.New("PingValidateBearer.URL, Issuer, Clients or Auth is not set: set all four")
	}
	return checkMaxCalls("PingValidateBearer.MaxCalls", v.MaxCalls)
}

// failure returns the error of a response. 400 invalid_grant means that the token is bad. Every
// other error says nothing about the token.
func (v *PingValidateBearer) failure(resp *endpoint.Response, sent string) error {
	e := resp.Failure("the server did not say whether the token is valid")
	if resp.Status == http.StatusBadRequest && e.Code == "invalid_grant" {
		return fmt.Errorf("%w: %w", errInactive, e)
	}
	switch {
	case rejectsAPI(e):
		return &unavailable{fmt.Errorf("validate_bearer: %w (%s): the server does not allow this API to validate tokens: check PingValidateBearer.Auth and the permissions of its client", e, sent)}
	case e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed:
		return &unavailable{fmt.Errorf("validate_bearer: %w: correct PingValidateBearer.URL", e)}
	}
	return &unavailable{fmt.Errorf("validate_bearer: %w", e)}
}

func (v *PingValidateBearer) principal(a *pingAnswer, body []byte) (*Principal, error) {
	switch {
	case !strings.EqualFold(a.TokenType, "Bearer"):
		return nil, errors.New("token_type of the response is not Bearer")
	case a.AccessToken == nil:
		return nil, errors.New("access_token is missing in the response")
	case a.ExpiresIn == nil || !(*a.ExpiresIn > 0 && *a.ExpiresIn < 1e9):
		return nil, errors.New("expires_in is missing or not a positive number of seconds")
	case !slices.Contains(v.Clients, a.ClientID):
		return nil, fmt.Errorf("client %s is not in PingValidateBearer.Clients: add it if its tokens are for this API", jose.Quote(a.ClientID))
	case a.AccessToken["cnf"] != nil:
		return nil, errBound
	}
	p := &Principal{
		Issuer: v.Issuer, ClientID: a.ClientID, Scopes: strings.Fields(a.Scope), payload: body, origin: origin{asked: true},
		Expiry: now(v.Now).Add(time.Duration(*a.ExpiresIn * float64(time.Second))),
	}
	if v.SubjectClaim == "" {
		return p, nil
	}
	if err := setText(&p.Subject, a.AccessToken[v.SubjectClaim], ""); err != nil || p.Subject == "" {
		return nil, fmt.Errorf("attribute %s is missing, empty or not a string: set PingValidateBearer.SubjectClaim to the attribute with the user", jose.Quote(v.SubjectClaim))
	}
	return p, nil
}
