package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Introspected is the server's response about a token, RFC 7662 §2.2. For an inactive token all
// other fields are empty; Claims decodes what else the server sent.
type Introspected struct {
	Active bool // active: the server accepts the token

	Issuer    string    // iss; "": not in the response
	Subject   string    // sub; "": not in the response
	Username  string    // human-readable
	ClientID  string    // of the client that the token was issued to
	TokenType string    // token_type, such as Bearer or DPoP; "": not in the response
	ID        string    // jti
	Audience  []string  // nil: not in the response
	Scopes    []string  // nil: not in the response; this does not mean all scopes
	Expiry    time.Time // exp; zero: not in the response
	IssuedAt  time.Time // iat; zero: not in the response
	NotBefore time.Time // nbf; zero: not in the response

	payload []byte
}

// Claims decodes the response into v by exact names. It returns an error if v cannot hold the
// response.
func (i *Introspected) Claims(v any) error { return jose.Decode(i.payload, v, jose.DocumentLimits) }

// answer is an introspection response as received. Some servers send null or 0 for missing
// values.
type answer struct {
	Active    *bool              `json:"active"`
	Issuer    string             `json:"iss"`
	Subject   string             `json:"sub"`
	Username  informative        `json:"username"`
	ClientID  string             `json:"client_id"`
	TokenType informative        `json:"token_type"`
	ID        string             `json:"jti"`
	Audience  *jose.Audience     `json:"aud"`
	Scope     *scopes            `json:"scope"`
	Expiry    *jose.OptionalDate `json:"exp"`
	IssuedAt  *jose.OptionalDate `json:"iat"`
	NotBefore *jose.OptionalDate `json:"nbf"`
}

// scopes is a list in one string, or an array of strings, as some servers send it.
type scopes []string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *scopes) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var list jose.Audience
	if err := list.UnmarshalJSONFrom(d); err != nil {
		return errors.New("scope is neither a string nor an array of strings")
	}
	*s = strings.Fields(strings.Join(list, " "))
	return nil
}

const signedAnswer = "application/token-introspection+jwt" // RFC 9701 §4

var signedAnswerKind = jose.Kind{"token-introspection+jwt"}

const maxAnswerAge = 5 * time.Minute

// Introspect asks the server about a token, RFC 7662. hint is the kind of the token,
// "access_token" or "refresh_token"; "" means that the server finds out. A token that is not
// active is a result and not an error. An API uses rs.Introspection, which checks more.
//
// With Config.IntrospectionAlgs the response must be signed (RFC 9701). Members beside
// token_introspection are ignored.
//
// Every error is an [*Error]. errors.Is finds [ErrNoEndpoint] if the server has no introspection
// endpoint. errors.As finds the [*TokenError]. Codes of the server (RFC 7662 §2.3,
// RFC 6749 §5.2): "invalid_client", "unauthorized_client", "invalid_request". Other codes of the
// server are returned unchanged. The code is "temporarily_unavailable" if the server did not answer,
// and "login_failed" for everything else.
func (c *Client) Introspect(ctx context.Context, token, hint string) (*Introspected, error) {
	form, err := aboutToken(token, hint)
	if err != nil {
		return nil, fail(StepIntrospect, err)
	}
	resp, err := c.postTo(ctx, StepIntrospect, introspection, form, c.introspectionJWT().accept())
	if err != nil {
		return nil, err
	}
	body, err := c.answerBody(c.provider.Context(ctx), resp)
	if err != nil {
		return nil, fail(StepIntrospect, tokenError(resp.Refuse(err)))
	}
	out, err := c.readAnswer(body)
	if err != nil {
		return nil, fail(StepIntrospect, tokenError(resp.Refuse(err)))
	}
	return out, nil
}

func introspection(m *discovery.Metadata) place {
	return place{m.IntrospectionEndpoint, m.IntrospectionEndpointAuthMethodsSupported, "the server rejected the introspection request"}
}

func (c *Client) introspectionJWT() agreedJWT {
	return agreedJWT{"IntrospectionAlgs", c.config.IntrospectionAlgs, c.config.IntrospectionDecryptionKeys, signedAnswer, signedAnswerKind, false}
}

// answerBody returns the members of the response. A signed response has them in one claim (RFC
// 9701 §5).
func (c *Client) answerBody(ctx context.Context, resp *endpoint.Response) ([]byte, error) {
	payload, claims, err := c.openBody(ctx, resp, c.introspectionJWT())
	if err != nil || claims == nil {
		return payload, err
	}
	if claims.IssuedAt.Before(c.config.Now().Add(-maxAnswerAge)) { // also for a missing iat, which is the zero time
		return nil, fmt.Errorf("iat of the signed response is missing or more than %s ago", jose.Duration(maxAnswerAge))
	}
	var around struct {
		Answer jsontext.Value `json:"token_introspection"`
	}
	err = jose.Decode(payload, &around, jose.TokenLimits)
	return around.Answer, err
}

func (c *Client) readAnswer(body []byte) (*Introspected, error) {
	var a answer
	if err := jose.Decode(body, &a, jose.DocumentLimits); err != nil {
		return nil, fmt.Errorf("the introspection response: %w", err)
	}
	switch {
	case a.Active == nil:
		return nil, errors.New("active is missing in the introspection response")
	case !*a.Active:
		return &Introspected{payload: body}, nil
	case a.Issuer != "" && a.Issuer != c.config.Issuer:
		return nil, fmt.Errorf("iss is %s, expected %s (Config.Issuer)", jose.Quote(a.Issuer), jose.Quote(c.config.Issuer))
	}
	return &Introspected{
		Active: true, Issuer: a.Issuer, Subject: a.Subject, Username: string(a.Username), ClientID: a.ClientID, TokenType: string(a.TokenType),
		ID: a.ID, Audience: value(a.Audience), Scopes: value(a.Scope), Expiry: value(a.Expiry).Time, IssuedAt: value(a.IssuedAt).Time,
		NotBefore: value(a.NotBefore).Time, payload: body,
	}, nil
}

// value returns the zero value for nil.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
