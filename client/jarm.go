package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// openResponse returns the parameters of a signed authorization response, JARM §2.4. Parameters
// outside of the JWT are ignored.
func (c *Client) openResponse(ctx context.Context, q url.Values) (url.Values, error) {
	if len(q["response"]) != 1 {
		return nil, fmt.Errorf("the parameter response was received %d times, expected once, because Config.ResponseMode requests a signed response", len(q["response"]))
	}
	algs := c.config.ResponseAlgs
	if len(algs) == 0 {
		algs = []string{"RS256"}
	}
	payload, claims, err := c.openJWT(ctx, q.Get("response"), agreedJWT{algs: algs, keys: c.config.ResponseDecryptionKeys, kind: plainJWT})
	if err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	if claims.Expiry.IsZero() { // JARM §2.1
		return nil, errors.New("response: exp is missing")
	}
	for _, aud := range value(claims.Audience) {
		if aud != c.config.ClientID && !slices.Contains(c.config.TrustedAudiences, aud) {
			return nil, fmt.Errorf("response: aud also contains %s: if you trust this audience, add it to Config.TrustedAudiences", jose.Quote(aud))
		}
	}
	return responseParameters(payload)
}

// responseParameters are the members of the JWT that are strings.
func responseParameters(payload []byte) (url.Values, error) {
	var all map[string]jsontext.Value
	if err := jose.Decode(payload, &all, jose.TokenLimits); err != nil {
		return nil, fmt.Errorf("response: %w", err)
	}
	q := url.Values{}
	for name, value := range all {
		if value.Kind() != '"' {
			if slices.Contains(once, name) {
				return nil, fmt.Errorf("response: the member %s is not a string", strings.ToLower(name))
			}
			continue
		}
		text, err := jsontext.AppendUnquote(nil, value)
		if err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
		q.Set(name, string(text))
	}
	return q, nil
}
