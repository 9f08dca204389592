package rs

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

const (
	sendAccessToken = "send the access token, or accept ID tokens with rs.IDToken"
	distinguish     = "set JWT.Claims to a claim that only such tokens have, or JWT.ScopeClaim and JWT.ClientIDClaim. If nothing distinguishes them, use Introspection"
)

// checkNoIDToken rejects the server's other JWTs where typ does not distinguish them.
func (c *claims) checkNoIDToken(j *JWT) error {
	err := c.otherJWT()
	switch {
	case errors.Is(err, errIDNonce) && j.InsecureNonce:
	case errors.Is(err, errIDNonce):
		return fmt.Errorf("%w. If the server writes nonce into access tokens, set JWT.InsecureNonce", err)
	case err != nil:
		return err
	}
	if why := c.resembles(); why != "" && len(j.Claims) == 0 && len(c.principal.Scopes) == 0 {
		return errors.New("this may be an ID token: " + why + ": send the access token. If it is the access token, " + distinguish)
	}
	return nil
}

var errIDNonce = errors.New("this is an ID token (it has a nonce): " + sendAccessToken)

// otherJWT returns an error if a claim shows that the token is not an access token. The nonce is
// last, because it is the only mark that a setting can accept.
func (c *claims) otherJWT() error {
	switch {
	case c.idToken:
		return errors.New("this is an ID token (it has at_hash, c_hash or s_hash): " + sendAccessToken + ". If the server's access tokens are like this (Dex), use Introspection or rs.IDToken")
	case c.other:
		return errors.New("this is not an access token: its claim typ, token_use, token_class or tokenName names another kind: send the access token")
	case c.event:
		return errors.New("this is a security event token or a signed introspection response, expected an access token")
	case c.nonce:
		return errIDNonce
	}
	return nil
}

// resembles returns why a token without scope may be an ID token without nonce, such as one from
// a refresh. It returns "" if the token cannot be an ID token.
func (c *claims) resembles() string {
	p := &c.principal
	switch {
	case c.mark != "":
		return "it has " + c.mark + " and no scope"
	case p.ClientID == "":
		return "it names no client and grants no scope"
	case len(p.Audience) == 1 && c.party == p.Audience[0]:
		return "its aud is its azp, the client, and it grants no scope"
	}
	return ""
}

// otherClaims returns the error of a token whose claims do not match the configuration. It names
// an ID token first. c is nil if the claims cannot be read.
func (c *claims) otherClaims(j *JWT, strict bool, err error) error {
	if c != nil && !strict {
		if other := c.otherJWT(); other != nil && !(j.InsecureNonce && errors.Is(other, errIDNonce)) {
			return other
		}
	}
	return fmt.Errorf("claims: %w", err)
}

// otherTyp returns the error of a token whose typ is not accepted. The advice to accept that typ
// is for access tokens. For an ID token it would remove a protection.
func (j *JWT) otherTyp(t *jose.Token, err error) error {
	d := j.dialect(false)
	d.claims = nil
	c := &claims{dialect: d}
	if !isRFC9068(t.Header) && c.decode(t.Payload) == nil {
		if other := c.otherJWT(); other != nil && !(c.access && errors.Is(other, errIDNonce)) {
			return other
		}
		if why := c.resemblesAny(t); why != "" {
			return errors.New("this may be an ID token: " + why + ": send the access token. " +
				"If it is the access token, the server does not follow RFC 9068: use its preset, such as rs.Keycloak, or Introspection")
		}
	}
	return fmt.Errorf("%w: set JWT.Typ to the typ of the server's access tokens, and JWT.Claims too. Or use the server's preset", err)
}

// resemblesAny is resembles for a token whose server is not known. It reads the names of scope
// and client that servers use.
func (c *claims) resemblesAny(t *jose.Token) string {
	var names struct {
		Scope    jsontext.Value `json:"scope"`
		Scp      jsontext.Value `json:"scp"`
		ClientID string         `json:"client_id"`
		AppID    string         `json:"appid"`
		CID      string         `json:"cid"`
	}
	if c.access || t.Header.CheckTyp(jose.IDToken) != nil || jose.Decode(t.Payload, &names, jose.TokenLimits) != nil ||
		names.Scope != nil || names.Scp != nil || len(c.principal.Scopes) > 0 {
		return ""
	}
	for _, name := range []string{names.ClientID, names.AppID, names.CID, c.party} {
		if c.principal.ClientID == "" {
			c.principal.ClientID = name
		}
	}
	return c.resembles()
}
