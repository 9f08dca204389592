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

// PingValidateBearer verifies access tokens by the grant that PingFederate had before
// introspection: at the token endpoint. It is for servers that have nothing else, and
// never a fallback of [Introspection]: what the answer says is another, and less. URL,
// Issuer, Clients and Auth must be set; without them every token is refused.
type PingValidateBearer struct {
	// URL is the token endpoint.
	URL string

	// Issuer is the server's issuer identifier: that of every principal.
	Issuer string

	// Clients are the clients whose tokens are meant for this API: the answer has no
	// audience that would say so.
	Clients []string

	// SubjectClaim is the token's attribute that names the user. "" means that nobody
	// is named: then the principal is the client.
	SubjectClaim string

	// Auth authenticates this resource server.
	Auth Authenticator

	// InsecureHTTP accepts http for URL on every host, as that of [Introspection] does.
	InsecureHTTP bool

	// Limit and MaxCalls bound the calls to the server, as those of [Introspection] do.
	Limit    func(*http.Request) (wait time.Duration)
	MaxCalls int

	// HTTP sends the requests, as that of [Introspection] does.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	underWay int32 // calls; atomic
}

// pingAnswer is a good answer. It names no time, only how long the token is good still.
type pingAnswer struct {
	AccessToken map[string]jsontext.Value `json:"access_token"`
	TokenType   string                    `json:"token_type"`
	ExpiresIn   *float64                  `json:"expires_in"`
	Scope       string                    `json:"scope"`
	ClientID    string                    `json:"client_id"`
}

// VerifyToken implements [Verifier].
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
	resp, err := endpoint.Client{HTTP: v.HTTP}.PostForm(ctx, v.URL, v.Auth, form, "application/json")
	if err != nil {
		return nil, &unavailable{fmt.Errorf("validate_bearer: %w", err)}
	}
	if resp.Status != http.StatusOK {
		return nil, v.failure(resp)
	}
	var a pingAnswer
	if err := jose.Decode(resp.Body, &a, jose.TokenLimits); err != nil {
		return nil, &unavailable{fmt.Errorf("validate_bearer: %w", err)}
	}
	return v.principal(&a, resp.Body)
}

func (v *PingValidateBearer) configured() error {
	if v == nil || v.URL == "" || v.Issuer == "" || len(v.Clients) == 0 || slices.Contains(v.Clients, "") || v.Auth == nil {
		return errors.New("PingValidateBearer needs URL, Issuer, Clients and Auth")
	}
	return checkMaxCalls("PingValidateBearer.MaxCalls", v.MaxCalls)
}

// failure: 400 invalid_grant is what the server says of a bad token; anything else is
// about us.
func (v *PingValidateBearer) failure(resp *endpoint.Response) error {
	e := resp.Failure("the server does not answer about the token")
	if resp.Status == http.StatusBadRequest && e.Code == "invalid_grant" {
		return fmt.Errorf("%w: %w", errInactive, e)
	}
	return &unavailable{fmt.Errorf("validate_bearer: %w", e)}
}

func (v *PingValidateBearer) principal(a *pingAnswer, body []byte) (*Principal, error) {
	switch {
	case !strings.EqualFold(a.TokenType, "Bearer"):
		return nil, errors.New("token_type is not Bearer")
	case a.AccessToken == nil:
		return nil, errors.New("access_token is missing in the answer")
	case a.ExpiresIn == nil || !(*a.ExpiresIn > 0 && *a.ExpiresIn < 1e9):
		return nil, errors.New("expires_in is missing, or not a time ahead")
	case !slices.Contains(v.Clients, a.ClientID):
		return nil, fmt.Errorf("client %s is not one of Clients", jose.Quote(a.ClientID))
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
		return nil, fmt.Errorf("attribute %s does not name a user (see SubjectClaim)", jose.Quote(v.SubjectClaim))
	}
	return p, nil
}
