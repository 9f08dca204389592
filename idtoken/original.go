package idtoken

import (
	"errors"
	"slices"
)

// original holds a refreshed token against the one of the login, OpenID Connect
// Core §12.2. A difference fails the step of the claim it is in; the nonce is
// step 11's.
func (c *check) original() {
	o := c.want.Original
	if o == nil {
		return
	}
	differs := func(step int, yes bool, what string) {
		if yes {
			c.report.fail(step, errors.New(what+" differs from the original ID token's"))
		}
	}
	differs(stepIssuer, c.claims.Issuer != o.Issuer, "iss")
	differs(stepIssuer, c.claims.Subject != o.Subject, "sub")
	for _, aud := range o.Audience {
		differs(stepAudience, !slices.Contains(c.claims.Audience, aud), "aud")
	}
	differs(stepParty, text(c.claims.AuthorizedParty) != o.AuthorizedParty, "azp")
	differs(stepIssued, c.claims.IssuedAt.Unix() < o.IssuedAt.Unix(), "iat is earlier and so")
	at := c.claims.AuthTime
	differs(stepAuthTime, !at.IsZero() && !o.AuthTime.IsZero() && !at.Equal(o.AuthTime), "auth_time")
}

// text is the value of an optional claim, "" when it is absent.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
