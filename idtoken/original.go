package idtoken

import (
	"errors"
	"slices"
	"time"
)

// Original has the claims of a login's ID token that the application must store. ID tokens that
// come with later refreshes are compared with it, OpenID Connect Core §12.2. It encodes to plain
// JSON and is not secret.
type Original struct {
	Issuer          string    `json:"iss"`                // iss
	Subject         string    `json:"sub"`                // sub
	Audience        []string  `json:"aud"`                // aud: all values
	AuthorizedParty string    `json:"azp,omitempty"`      // azp; "" if the token has none
	Nonce           string    `json:"nonce,omitempty"`    // "" if the token has none
	IssuedAt        time.Time `json:"iat"`                // iat
	AuthTime        time.Time `json:"auth_time,omitzero"` // zero if the token has no auth_time
}

// Original returns the claims of a login's ID token that the application must store.
func (t *Token) Original() *Original {
	return &Original{
		Issuer: t.Issuer, Subject: t.Subject, Audience: slices.Clone(t.Audience), AuthorizedParty: t.AuthorizedParty,
		Nonce: t.Nonce, IssuedAt: t.IssuedAt, AuthTime: t.AuthTime,
	}
}

// original compares a refreshed token with the token of the login. A difference fails the
// step that checks the claim. Step 11 checks the nonce.
func (c *check) original() {
	o := c.want.Original
	if o == nil {
		return
	}
	differs := func(step int, yes bool, what string) {
		if yes {
			c.report.fail(step, errors.New(what+" differs from the original ID token"))
		}
	}
	differs(stepIssuer, c.claims.Issuer != o.Issuer, "iss")
	differs(stepIssuer, c.claims.Subject != o.Subject, "sub")
	for _, aud := range o.Audience {
		differs(stepAudience, !slices.Contains(c.claims.Audience, aud), "aud")
	}
	if c.claims.AuthorizedParty == nil {
		differs(stepParty, o.AuthorizedParty != "", "azp is missing and")
	} else {
		differs(stepParty, *c.claims.AuthorizedParty != o.AuthorizedParty, "azp")
	}
	differs(stepIssued, c.claims.IssuedAt.Before(o.IssuedAt.Add(-c.v.skew())), "iat is earlier and")
	at := c.claims.AuthTime
	both := !at.IsZero() && !o.AuthTime.IsZero()
	differs(stepAuthTime, both && at.Unix() != o.AuthTime.Unix(), "auth_time")
	if both && c.report.passed(stepAuthTime) {
		c.report.valid(stepAuthTime)
	}
}

// value returns the value of an optional claim, or "" if it is absent.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
