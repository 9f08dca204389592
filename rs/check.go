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
func (j *JWT) checkClaims(c *claims, strict bool) error {
	if err := j.checkIssuer(c); err != nil {
		return err
	}
	if !strict { // before aud: the aud of an ID token is the client, and must not become this API's
		if err := c.checkNoIDToken(j); err != nil {
			return err
		}
	}
	if err := j.checkAudience(c); err != nil {
		return err
	}
	if c.principal.Subject == "" && c.principal.ClientID == "" {
		return errors.New("the token names neither a user nor a client: configure the server to write sub, or set JWT.ClientIDClaim")
	}
	if strict {
		if err := c.checkComplete(j); err != nil {
			return err
		}
	}
	return clock{now(j.Now), j.Skew, "JWT.Skew"}.check(c.expiry, c.issuedAt, c.notBefore)
}

// checkIssuer compares byte for byte (RFC 9068 §4). With a template, the tenant in iss must be
// in Tenants and must equal tid.
func (j *JWT) checkIssuer(c *claims) error {
	switch {
	case c.principal.Issuer == "" && j.InsecureMissingIssuer:
		c.principal.Issuer = j.Issuer
	case !j.issues(c.principal.Issuer):
		return wrongIssuer(c.principal.Issuer, j.Issuer, "JWT.Issuer")
	case j.isTemplate() && c.tenant != j.tenantOf(c.principal.Issuer):
		return errors.New("tid does not match the tenant in iss")
	}
	return nil
}

// wrongIssuer reports expected and received issuer and the setting to change.
func wrongIssuer(got, want, field string) error {
	if err := checkEntraIssuer(want); err != nil {
		return err
	}
	if got == "" {
		return fmt.Errorf("iss is missing, expected %s", jose.Quote(want))
	}
	return fmt.Errorf("iss is %s, expected %s: set %s to the issuer exactly as the server writes it", jose.Quote(got), jose.Quote(want), field)
}

// checkAudience requires this API in aud. For servers that write no aud, it requires the client
// to be in AudienceClients.
func (j *JWT) checkAudience(c *claims) error {
	if len(j.AudienceClients) == 0 {
		if !c.isFor(j.Audience, j.Audiences) {
			return c.notFor(j.Audience, j.Audiences, "JWT.Audience", j.withoutAudience())
		}
		return nil
	}
	if len(c.principal.Audience) > 0 {
		return fmt.Errorf("aud is %s, expected a token without aud: set JWT.Audience instead of JWT.AudienceClients", jose.Quote(strings.Join(c.principal.Audience, " ")))
	}
	if !slices.Contains(j.AudienceClients, c.principal.ClientID) {
		return fmt.Errorf("client %s is not in JWT.AudienceClients: add it if its tokens are for this API", jose.Quote(c.principal.ClientID))
	}
	return nil
}

// withoutAudience is the setting for servers that write no aud. RFC 9068 requires aud.
func (j *JWT) withoutAudience() string {
	if j.strict() {
		return ""
	}
	return ". If it cannot, list the clients whose tokens are for this API in JWT.AudienceClients"
}

// isFor reports whether aud contains one of the identifiers. configured has rejected empty
// strings in more; first may be empty.
func (c *claims) isFor(first string, more []string) bool {
	aud := c.principal.Audience
	if first != "" && slices.Contains(aud, first) {
		return true
	}
	return slices.ContainsFunc(more, func(own string) bool { return slices.Contains(aud, own) })
}

// notFor reports the audience of the token and the setting to change. otherwise says what helps
// if the server cannot write aud.
func (c *claims) notFor(first string, more []string, field, otherwise string) error {
	audience := strings.Join(append([]string{first}, more...), " ")
	if first == "" {
		audience = strings.Join(more, " ")
	}
	if len(c.principal.Audience) == 0 {
		return fmt.Errorf("aud is missing, expected %s: configure the server to put this API's audience into its access tokens%s", jose.Quote(audience), otherwise)
	}
	return fmt.Errorf("aud is %s, expected %s: configure the server to add this API's audience (in Keycloak an audience mapper), or set %s",
		jose.Quote(strings.Join(c.principal.Audience, " ")), jose.Quote(audience), field)
}

// checkComplete requires the claims of RFC 9068 §2.2.
func (c *claims) checkComplete(j *JWT) error {
	for _, claim := range []struct {
		name    string
		missing bool
	}{
		{"sub", !j.InsecureMissingSubject && c.principal.Subject == ""},
		{"client_id", c.principal.ClientID == ""},
		{"iat", c.issuedAt.IsZero()},
		{"jti", c.principal.ID == ""},
	} {
		if claim.missing {
			return fmt.Errorf("%s is missing, and typ at+jwt requires it (RFC 9068 §2.2): configure the server to write it", claim.name)
		}
	}
	return nil
}

func now(clock func() time.Time) time.Time {
	if clock != nil {
		return clock()
	}
	return time.Now()
}
