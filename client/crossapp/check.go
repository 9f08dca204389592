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
	ID       string            `json:"jti"`
	IssuedAt *jose.NumericDate `json:"iat"`
	Expiry   *jose.NumericDate `json:"exp"`
	Key      *struct{}         `json:"cnf"`
}

// checkGrant rejects a grant that is not for this client, server and API. Sent to At, it could
// get a token for another party
// (draft-ietf-oauth-identity-assertion-authz-grant §3.1, §4.4.1).
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
	return errors.Join(a.checkParties(&c), a.checkResource(&c), a.checkTime(&c), checkKey(&c))
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
		return fmt.Errorf("resource is missing, expected %q: configure the identity provider to add it, or set CrossApp.InsecureMissingResource", a.Resource)
	case len(c.Resource) != 1 || !slices.Contains(c.Resource, a.Resource):
		return fmt.Errorf("resource is %q, expected %q: compare CrossApp.Resource with the identity provider's configuration", c.Resource, a.Resource)
	}
	return nil
}

func (a CrossApp) checkTime(c *claims) error {
	switch {
	case c.ID == "":
		return errors.New("jti is missing")
	case c.IssuedAt == nil:
		return errors.New("iat is missing")
	case c.Expiry == nil:
		return errors.New("exp is missing")
	}
	config := a.At.Config()
	if now := config.Now(); !now.Before(c.Expiry.Time.Add(config.Skew)) {
		return fmt.Errorf("the grant expired at %s, the local time is %s: compare the clocks", c.Expiry.Time.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

// checkKey rejects a grant that is bound to a key (§8.6): the other server would want a proof
// with that key.
func checkKey(c *claims) error {
	if c.Key == nil {
		return nil
	}
	return errors.New("the grant is bound to a key (cnf), which is not supported: use a client without DPoP and CertificateBound as CrossApp.IdP")
}

// isOver reports whether a JWT says that it has expired.
func isOver(raw string, now time.Time) bool {
	token, err := jose.Parse(raw, 0)
	if err != nil {
		return false
	}
	var c struct {
		Expiry *jose.NumericDate `json:"exp"`
	}
	return jose.Decode(token.Payload, &c, jose.TokenLimits) == nil && c.Expiry != nil && !now.Before(c.Expiry.Time)
}
