package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// SignedAnswers requests introspection responses that are JWTs, RFC 9701. The server signs them
// and may encrypt them. Recipient and Keys must be set. A response of another kind is rejected.
type SignedAnswers struct {
	// Recipient is the server's name for this API. aud of the response must contain it
	// (RFC 9701 §5). Usually it is the client ID in Auth.
	Recipient string

	// Keys are the server's keys.
	Keys KeySet

	// Algs are the accepted signature algorithms. Empty means only RS256.
	Algs []string

	// DecryptionKeys are private keys of this API. If there are any, a response that is not
	// encrypted is rejected.
	DecryptionKeys []DecryptionKey

	// InsecureRSAOAEP also accepts RSA-OAEP, which uses SHA-1, for servers that offer nothing
	// newer.
	InsecureRSAOAEP bool
}

const (
	signedMediaType = "application/token-introspection+jwt"
	signedMaxAge    = 5 * time.Minute
)

var signedKind = jose.Kind{"token-introspection+jwt"}

// signedClaims are the claims of the JWT around the response, RFC 9701 §5.
type signedClaims struct {
	Issuer   string           `json:"iss"`
	Audience jose.Audience    `json:"aud"`
	IssuedAt jose.NumericDate `json:"iat"`
	Answer   jsontext.Value   `json:"token_introspection"`
}

func (s *SignedAnswers) configured() error {
	if s.Recipient == "" || s.Keys == nil {
		return errors.New("SignedAnswers.Recipient or SignedAnswers.Keys is not set: set both")
	}
	return jose.CheckAlgsOf("SignedAnswers.Algs", s.algs())
}

func (s *SignedAnswers) algs() []string {
	if len(s.Algs) == 0 {
		return defaultAlgs
	}
	return s.Algs
}

// open returns the claim token_introspection of the response and ignores the claims beside it.
func (i *Introspection) open(ctx context.Context, resp *endpoint.Response) ([]byte, error) {
	s := i.Signed
	if resp.MediaType != signedMediaType {
		return nil, errors.New("introspection: Content-Type is " + jose.Quote(resp.MediaType) + ", expected " + signedMediaType + ": configure the server to sign responses, or remove Introspection.Signed")
	}
	raw := string(resp.Body)
	if len(s.DecryptionKeys) > 0 {
		var err error
		if raw, err = decrypt(raw, jose.MaxSize, jose.DecryptionAlgsWith(s.InsecureRSAOAEP), s.DecryptionKeys); err != nil {
			return nil, fmt.Errorf("introspection: %w", err)
		}
	}
	t, err := jose.Parse(raw, jose.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	var c signedClaims
	if err := jose.Decode(t.Payload, &c, jose.TokenLimits); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	if err := i.checkSigned(t.Header, &c); err != nil {
		return nil, fmt.Errorf("introspection: %w", err)
	}
	return c.Answer, jose.VerifyWith(ctx, s.Keys, raw, t)
}

func (i *Introspection) checkSigned(h jose.Header, c *signedClaims) error {
	if err := h.CheckTyp(signedKind); err != nil {
		return err
	}
	if err := h.CheckAlg(i.Signed.algs()); err != nil {
		return err
	}
	skew, clock := i.Skew, now(i.Now)
	if skew == 0 {
		skew = defaultSkew
	}
	switch {
	case c.Issuer != i.Issuer:
		return fmt.Errorf("the signed response: %w", wrongIssuer(c.Issuer, i.Issuer, "Introspection.Issuer"))
	case len(c.Audience) == 0:
		return fmt.Errorf("the signed response: aud is missing, expected %s", jose.Quote(i.Signed.Recipient))
	case !slices.Contains(c.Audience, i.Signed.Recipient):
		return fmt.Errorf("the signed response: aud is %s, expected %s: set SignedAnswers.Recipient to the client ID of this API's credentials",
			jose.Quote(strings.Join(c.Audience, " ")), jose.Quote(i.Signed.Recipient))
	case c.IssuedAt.IsZero():
		return errors.New("the signed response: iat is missing")
	case c.IssuedAt.After(clock.Add(skew)) || c.IssuedAt.Before(clock.Add(-signedMaxAge)):
		return fmt.Errorf("the clocks differ, or the signed response is old: its iat is %s after the local clock", jose.Duration(c.IssuedAt.Sub(clock).Round(time.Second)))
	case c.Answer.Kind() != '{':
		return errors.New("the signed response: token_introspection is missing or not an object")
	}
	return nil
}
