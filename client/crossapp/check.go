package crossapp

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
)

const grantTyp = "oauth-id-jag+jwt"

// claims are the claims of the grant that the client can check. The identity provider sent the
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
	Key      *confirmation     `json:"cnf"`
}

// confirmation is the key that a grant is bound to. The client can compare a DPoP key only: the
// HTTP client of the application has the certificate of x5t#S256.
type confirmation struct {
	Thumbprint string `json:"jkt"`
}

// checked is a grant that passed the checks.
type checked struct {
	jwt   string
	bound bool
	key   string // the encoded key that the grant is bound to; "" for the key of CrossApp.At
}

// checkGrant rejects a grant that is not for this client, server and API. Sent to At, it could
// get a token for another party
// (draft-ietf-oauth-identity-assertion-authz-grant §3.1, §4.4.1).
func (a CrossApp) checkGrant(issued *client.Tokens) (*checked, error) {
	token, err := jose.Parse(issued.AccessToken, 0)
	if err != nil {
		return nil, err
	}
	if token.Header.Typ != grantTyp {
		return nil, fmt.Errorf("typ is %s, expected %s", jose.Quote(token.Header.Typ), grantTyp)
	}
	var c claims
	if err := jose.Decode(token.Payload, &c, jose.TokenLimits); err != nil {
		return nil, err
	}
	if err := errors.Join(a.checkParties(&c), a.checkResource(&c), a.checkTime(&c), a.checkKey(&c, issued)); err != nil {
		return nil, err
	}
	out := &checked{jwt: issued.AccessToken, bound: c.Key != nil}
	if !out.bound || a.hasKey(c.Key.Thumbprint) {
		return out, nil
	}
	if out.key, err = issued.DPoPKey.Encode(); err != nil {
		return nil, errors.New("the DPoP key of CrossApp.IdP cannot be exported: set Config.DPoP.Keys of CrossApp.At to the same keys")
	}
	return out, nil
}

// hasKey reports whether At and IdP have the same keys. Such a key need not be exported.
func (a CrossApp) hasKey(thumbprint string) bool {
	keys := a.At.Config().DPoP.Keys // checkKey requires DPoP
	if keys == nil {
		return false
	}
	key := keys.Current().Key
	if key == nil {
		return false
	}
	_, own, err := jose.PublicJWK(key.Public())
	return err == nil && own == thumbprint
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

// checkKey rejects a grant that is bound to another key than the key of the DPoP proof. It also
// rejects one that the identity provider did not bind ("DPoP Key Binding During Token Exchange").
func (a CrossApp) checkKey(c *claims, issued *client.Tokens) error {
	if c.Key == nil {
		return a.checkUnbound()
	}
	if issued.DPoPKey.Key == nil {
		return errors.New("the grant is bound to a key (cnf), but CrossApp.IdP sent no proof of a key: set Config.DPoP of CrossApp.IdP and CrossApp.At. A grant that is bound to a certificate is not supported")
	}
	_, thumbprint, err := jose.PublicJWK(issued.DPoPKey.Key.Public())
	switch at := a.At.Config(); {
	case err != nil:
		return err
	case c.Key.Thumbprint == "":
		return errors.New("cnf has no jkt, expected the thumbprint of the DPoP key: configure the identity provider to bind grants by DPoP")
	case c.Key.Thumbprint != thumbprint:
		return errors.New("the grant is bound to another key than the DPoP key of CrossApp.IdP (cnf.jkt)")
	case at.DPoP == nil:
		return errors.New("the grant is bound to a DPoP key, but CrossApp.At has no Config.DPoP: set it, or use a client without DPoP as CrossApp.IdP")
	}
	return nil
}

func (a CrossApp) checkUnbound() error {
	if d := a.IdP.Config().DPoP; d == nil || d.InsecureAllowBearer {
		return nil
	}
	return errors.New("cnf is missing, but CrossApp.IdP has Config.DPoP: configure the identity provider to bind grants, use a client without DPoP as CrossApp.IdP, or set DPoP.InsecureAllowBearer")
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
