package idtoken

import (
	"cmp"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Most tokens that are rejected for their time come from clocks that differ. The errors state
// the size and the direction of the difference.

// notable is the smallest difference between the clocks that an error mentions.
const notable = 2 * time.Second

// ahead returns the error for a time claim that is in the future.
func (c *check) ahead(claim string, at time.Time) error {
	return fmt.Errorf("%s is %s, in the future by %s, expected at most %s (Skew) after %s%s",
		claim, stamp(at), jose.Duration(at.Sub(c.now).Round(time.Second)), jose.Duration(c.v.skew()), stamp(c.now), cmp.Or(c.remedy(c.now.Sub(at)), ": check why the server writes a time in the future"))
}

// expired returns the error for a token with an exp in the past.
func (c *check) expired(exp time.Time) error {
	return fmt.Errorf("expired at %s, %s before now (%s)%s", stamp(exp), jose.Duration(c.now.Sub(exp).Round(time.Second)), stamp(c.now), c.clocks())
}

// tooOld returns the error for a token that was issued too long ago.
func (c *check) tooOld(within time.Duration, setting string) error {
	return fmt.Errorf("issued at %s, more than %s before now (%s)%s%s", stamp(c.claims.IssuedAt.Time), jose.Duration(within), stamp(c.now), setting, c.clocks())
}

// clocks describes what is known about this machine's clock when a token seems too old.
func (c *check) clocks() string {
	iat := c.claims.IssuedAt.Time
	if c.want.Date.IsZero() && (iat.IsZero() || !c.want.FromTokenEndpoint) {
		return ""
	}
	return c.remedy(c.now.Sub(iat)) // a token endpoint issues its token just before it responds
}

// remedy describes how the clocks differ. It uses the Date header if there is one, and
// otherwise the estimate. A positive estimate means that this machine's clock is ahead.
func (c *check) remedy(estimate time.Duration) string {
	ahead, says := estimate, "this machine's clock seems to be"
	if !c.want.Date.IsZero() {
		ahead, says = c.now.Sub(c.want.Date), "according to the Date header, this machine's clock is"
	}
	direction := "ahead of"
	if ahead < 0 {
		ahead, direction = -ahead, "behind"
	}
	if ahead < notable {
		return ""
	}
	return fmt.Sprintf(": %s %s %s the server's clock: synchronize the clocks, or increase Skew (at most %s)", says, jose.Duration(ahead.Round(time.Second)), direction, jose.Duration(maxSkew))
}
