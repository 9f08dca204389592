package rs

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// checkClaims applies RFC 9068 §4.
func (j *JWT) checkClaims(c *claims) error {
	if err := j.checkIssuer(c); err != nil {
		return err
	}
	if err := j.checkAudience(c); err != nil {
		return err
	}
	if c.principal.Subject == "" && c.principal.ClientID == "" {
		return errors.New("the token names neither a user nor a client")
	}
	if j.strict() {
		if err := c.checkComplete(j); err != nil {
			return err
		}
	} else if err := c.checkNoIDToken(j); err != nil {
		return err
	}
	return checkTimes(now(j.Now), j.Skew, c.expiry, c.issuedAt, c.notBefore)
}

// checkIssuer compares to the letter (RFC 9068 §4). Of a template one tenant is taken
// out, which must be on the list, and the one that the token is of by its tid too.
func (j *JWT) checkIssuer(c *claims) error {
	switch {
	case c.principal.Issuer == "" && j.InsecureMissingIssuer:
		c.principal.Issuer = j.Issuer
	case !j.issues(c.principal.Issuer):
		return fmt.Errorf("iss is %s, not %s", jose.Quote(c.principal.Issuer), jose.Quote(j.Issuer))
	case j.isTemplate() && c.tenant != j.tenantOf(c.principal.Issuer):
		return errors.New("tid is not the tenant that iss names")
	}
	return nil
}

// checkAudience wants this API among those that the token is for. Servers that name
// none must be told by the client the token was issued to.
func (j *JWT) checkAudience(c *claims) error {
	if len(j.AudienceClients) == 0 {
		if !slices.Contains(c.principal.Audience, j.Audience) {
			return c.notFor(j.Audience)
		}
		return nil
	}
	if len(c.principal.Audience) > 0 {
		return errors.New("the token has an aud; say in JWT.Audience which is ours")
	}
	if !slices.Contains(j.AudienceClients, c.principal.ClientID) {
		return fmt.Errorf("client %s is not one of AudienceClients", jose.Quote(c.principal.ClientID))
	}
	return nil
}

// notFor says whom the token is for instead.
func (c *claims) notFor(audience string) error {
	if len(c.principal.Audience) == 0 {
		return fmt.Errorf("aud is missing; it must contain %s", jose.Quote(audience))
	}
	return fmt.Errorf("aud does not contain %s; it is %s", jose.Quote(audience), jose.Quote(strings.Join(c.principal.Audience, " ")))
}

// checkComplete names the claims of RFC 9068 §2.2 that are missing.
func (c *claims) checkComplete(j *JWT) error {
	for _, claim := range []struct {
		name    string
		missing bool
	}{
		{"sub", !j.InsecureMissingSubject && c.principal.Subject == ""},
		{"client_id", j.ClientIDClaim == "" && c.principal.ClientID == ""},
		{"iat", c.issuedAt.IsZero()},
		{"jti", c.principal.ID == ""},
	} {
		if claim.missing {
			return fmt.Errorf("%s is missing (RFC 9068 §2.2)", claim.name)
		}
	}
	return nil
}

// checkNoIDToken refuses the server's other JWTs where typ does not.
func (c *claims) checkNoIDToken(j *JWT) error {
	switch {
	case c.idToken:
		return errors.New("this is an ID token")
	case c.nonce && !j.InsecureNonce:
		return errors.New("this is an ID token by its nonce (see JWT.InsecureNonce)")
	case c.other:
		return errors.New("this is a token of another kind, by its typ, token_use, token_class or tokenName")
	case c.event:
		return errors.New("this is a security event token or an introspection answer")
	case len(j.Claims) == 0 && c.forItself():
		return errors.New("this may be an ID token: it is for the client that it was issued to (azp), and has no scope; say in JWT.Claims what marks access tokens")
	}
	return nil
}

// forItself tells whether nothing sets the token apart from an ID token without nonce, such
// as those of a refresh: azp is its one audience (OpenID Connect Core §2), and it grants nothing.
func (c *claims) forItself() bool {
	p := &c.principal
	return len(p.Scopes) == 0 && len(p.Audience) == 1 && c.party == p.Audience[0]
}

func now(clock func() time.Time) time.Time {
	if clock != nil {
		return clock()
	}
	return time.Now()
}

const tenYears = 3653 * 24 * time.Hour

// checkTimes wants exp, and the others to be right if they are there.
func checkTimes(now time.Time, skew time.Duration, exp, iat, nbf jose.Instant) error {
	if skew == 0 {
		skew = defaultSkew
	}
	switch {
	case exp.IsZero():
		return errors.New("exp is missing")
	case !now.Before(exp.Add(skew)):
		return fmt.Errorf("expired at %s", exp.UTC().Format(time.RFC3339))
	case exp.After(now.Add(tenYears)):
		return errors.New("exp is more than ten years ahead")
	case iat.After(now.Add(skew)):
		return fmt.Errorf("issued at %s, in the future", iat.UTC().Format(time.RFC3339))
	case nbf.After(now.Add(skew)):
		return fmt.Errorf("not valid before %s", nbf.UTC().Format(time.RFC3339))
	}
	return nil
}
