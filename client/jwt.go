package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// plainJWT is the kind of signed authorization responses (JARM) and UserInfo responses: their
// specifications define no typ. One server, Glewlwyd, writes its own typ into UserInfo responses.
var (
	plainJWT    = jose.Kind{"JWT", ""}
	userInfoJWT = jose.Kind{"JWT", "", "token-userinfo+jwt"}
)

// serverClaims are the common claims of such JWTs.
type serverClaims struct {
	Issuer    *string          `json:"iss"`
	Audience  *jose.Audience   `json:"aud"`
	Expiry    jose.NumericDate `json:"exp"`
	IssuedAt  jose.NumericDate `json:"iat"`
	NotBefore jose.NumericDate `json:"nbf"`
}

// checkParties checks iss and aud. If they are optional, it checks them only if present.
func (s *serverClaims) checkParties(issuer, clientID string, optional bool) error {
	iss, aud := value(s.Issuer), value(s.Audience)
	switch {
	case iss != issuer && !(optional && s.Issuer == nil):
		return fmt.Errorf("iss is %s, expected %s", jose.Quote(iss), jose.Quote(issuer))
	case !slices.Contains(aud, clientID) && !(optional && s.Audience == nil):
		return fmt.Errorf("aud does not contain %s: check Config.ClientID", jose.Quote(clientID))
	}
	return nil
}

// checkTimes checks the times that are present. Each specification decides whether exp is
// required.
func (s *serverClaims) checkTimes(now time.Time, skew time.Duration) error {
	switch latest := now.Add(skew); {
	case !s.Expiry.IsZero() && !now.Before(s.Expiry.Add(skew)):
		return fmt.Errorf("expired %s ago: compare the clocks, or increase Config.Skew", jose.Duration(now.Sub(s.Expiry.Time).Round(time.Second)))
	case s.Expiry.After(now.AddDate(10, 0, 0)):
		return fmt.Errorf("exp is more than ten years after the local clock (%s): compare the clocks", now.UTC().Format(time.RFC3339))
	case s.IssuedAt.After(latest):
		return fmt.Errorf("iat is %s ahead of the local clock: synchronize the clocks, or increase Config.Skew", jose.Duration(s.IssuedAt.Sub(now).Round(time.Second)))
	case s.NotBefore.After(latest):
		return fmt.Errorf("nbf is %s ahead of the local clock: synchronize the clocks, or increase Config.Skew", jose.Duration(s.NotBefore.Sub(now).Round(time.Second)))
	}
	return nil
}

// agreedJWT describes the signed responses of an endpoint.
type agreedJWT struct {
	field     string   // the field of Config that configures this
	algs      []string // empty: the responses are plain JSON
	keys      []idtoken.DecryptionKey
	mediaType string
	kind      jose.Kind
	unnamed   bool // iss and aud may be missing
}

// accept returns the media type for the Accept header.
func (a agreedJWT) accept() string {
	if len(a.algs) == 0 {
		return "application/json"
	}
	return a.mediaType
}

// openBody returns the members of a response: plain JSON, or a JWT with its claims. The
// configuration decides which of the two is accepted.
func (c *Client) openBody(ctx context.Context, resp *endpoint.Response, agreed agreedJWT) ([]byte, *serverClaims, error) {
	signed := len(agreed.algs) > 0
	switch is := resp.MediaType == agreed.accept(); {
	case !is && signed:
		return nil, nil, fmt.Errorf("%w: configure the server to sign its responses, or leave Config.%s empty", resp.NotOfType(agreed.mediaType), agreed.field)
	case !is:
		return nil, nil, fmt.Errorf("%w: for signed responses set Config.%s", resp.NotJSON(), agreed.field)
	case !signed:
		return resp.Body, nil, nil
	}
	return c.openJWT(ctx, string(resp.Body), agreed)
}

// openJWT decrypts a JWT of the server if it is encrypted. It checks kind, algorithm, issuer,
// audience and signature, and returns the payload.
func (c *Client) openJWT(ctx context.Context, raw string, agreed agreedJWT) ([]byte, *serverClaims, error) {
	raw, err := c.decrypt(raw, agreed.keys)
	if err != nil {
		return nil, nil, err
	}
	token, err := jose.Parse(raw, c.config.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	if err := errors.Join(token.Header.CheckTyp(agreed.kind), token.Header.CheckAlg(agreed.algs)); err != nil {
		return nil, nil, err
	}
	claims := &serverClaims{}
	if err := jose.Decode(token.Payload, claims, jose.TokenLimits); err != nil {
		return nil, nil, fmt.Errorf("claims: %w", err)
	}
	if err := claims.checkParties(c.config.Issuer, c.config.ClientID, agreed.unnamed); err != nil {
		return nil, nil, err
	}
	if err := claims.checkTimes(c.config.Now(), c.skew()); err != nil {
		return nil, nil, err
	}
	if err := jose.VerifyWith(ctx, c.verifier.Keys, raw, token); err != nil {
		return nil, nil, err
	}
	return token.Payload, claims, nil
}

// decrypt returns the inner JWT of an encrypted one. The configuration, not the sender, decides
// whether encryption is required.
func (c *Client) decrypt(raw string, agreed []idtoken.DecryptionKey) (string, error) {
	inner, _, err := jose.OpenNested(raw, c.config.MaxSize, jose.DecryptionAlgsWith(c.config.InsecureRSAOAEP), agreed)
	return inner, err
}

// informative is a string that no check needs. A value of another JSON type counts as absent.
type informative string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *informative) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil || v.Kind() != '"' {
		return err
	}
	text, err := jsontext.AppendUnquote(nil, v)
	*s = informative(text)
	return err
}
