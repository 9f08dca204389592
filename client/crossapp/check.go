package crossapp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const grantTyp = "oauth-id-jag+jwt"

// claims are those of the grant that the client can check. The identity provider sent the
// grant over TLS; the authorization server checks its signature.
type claims struct {
	Issuer   string            `json:"iss"`
	Subject  string            `json:"sub"`
	Audience jose.Audience     `json:"aud"`
	ClientID string            `json:"client_id"`
	Resource jose.Audience     `json:"resource"`
	Expiry   *jose.NumericDate `json:"exp"`
}

// checkGrant rejects a grant that is not for this client, server and API. Sent to At, it could
// get a token for another party.
func (a CrossApp) checkGrant(raw string) error {
	token, err := jose.Parse(raw, 0)
	if err != nil {
		return err
	}
	if token.Header.Typ != grantTyp {
		return fmt.Errorf("typ is %s, expected %s", jose.Quote(token.Header.Typ), grantTyp)
	}
	var c claims
	if err := jose.Decode(token.Payload, &c, jose.TokenLimits); err != nil {
		return err
	}
	return errors.Join(a.checkParties(&c), a.checkResource(&c), a.checkTime(&c))
}

func (a CrossApp) checkParties(c *claims) error {
	switch at := a.At.Issuer(); {
	case c.Issuer != a.IdP.Issuer():
		return fmt.Errorf("iss is %s, expected %q", jose.Quote(c.Issuer), a.IdP.Issuer())
	case c.Subject == "":
		return errors.New("sub is missing")
	case len(c.Audience) != 1 || c.Audience[0] != at:
		return fmt.Errorf("aud is %q, expected %q: correct the audience at the identity provider", c.Audience, at)
	case c.ClientID != a.At.Config().ClientID:
		return fmt.Errorf("client_id is %s, expected %q: register the client_id of CrossApp.At at the identity provider", jose.Quote(c.ClientID), a.At.Config().ClientID)
	}
	return nil
}

func (a CrossApp) checkResource(c *claims) error {
	switch {
	case len(c.Resource) == 0 && a.InsecureMissingResource:
		return nil
	case len(c.Resource) == 0:
		return fmt.Errorf("resource is missing, expected %q: let the identity provider add it, or set CrossApp.InsecureMissingResource", a.Resource)
	case len(c.Resource) != 1 || !slices.Contains(c.Resource, a.Resource):
		return fmt.Errorf("resource is %q, expected %q", c.Resource, a.Resource)
	}
	return nil
}

func (a CrossApp) checkTime(c *claims) error {
	if c.Expiry == nil {
		return errors.New("exp is missing")
	}
	config := a.At.Config()
	if now := config.Now(); !now.Before(c.Expiry.Time.Add(config.Skew)) {
		return fmt.Errorf("exp is %s, it is %s now", c.Expiry.Time.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}
