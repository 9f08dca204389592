package rs

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const tenYears = 3653 * 24 * time.Hour

// errClock marks an error that may come from clocks that differ.
var errClock = errors.New("time")

type clockError struct{ text string }

func (e *clockError) Error() string        { return e.text }
func (e *clockError) Is(target error) bool { return target == errClock }

// serverClock adds the difference between the clocks, from the Date header of the server's
// response.
func serverClock(err error, date string, now time.Time) error {
	at, perr := http.ParseTime(date)
	if perr != nil {
		return err
	}
	switch differs := at.Sub(now).Round(time.Second); {
	case differs > time.Second:
		return fmt.Errorf("%w: the server's clock (Date header) is %s ahead of the local clock", err, jose.Duration(differs))
	case differs < -time.Second:
		return fmt.Errorf("%w: the local clock is %s ahead of the server's clock (Date header)", err, jose.Duration(-differs))
	}
	return err
}

func clockErrorf(format string, args ...any) error { return &clockError{fmt.Sprintf(format, args...)} }

// clock is the local time and the accepted difference to the server's clock.
type clock struct {
	now   time.Time
	skew  time.Duration // 0 means defaultSkew
	field string        // the name of the setting, for errors
}

// check requires exp, and checks iat and nbf if they are present.
func (c clock) check(exp, iat, nbf jose.NumericDate) error {
	if c.skew == 0 {
		c.skew = defaultSkew
	}
	switch {
	case exp.IsZero():
		return errors.New("exp is missing")
	case !c.now.Before(exp.Add(c.skew)):
		return c.expired(exp, iat)
	case exp.After(c.now.Add(tenYears)):
		return c.far(exp, iat)
	case iat.After(c.now.Add(c.skew)):
		return c.ahead("iat", iat)
	case nbf.After(c.now.Add(c.skew)):
		return c.ahead("nbf", nbf)
	}
	return nil
}

// ahead reports that the clocks differ, by how much and in which direction.
func (c clock) ahead(claim string, at jose.NumericDate) error {
	return clockErrorf("the clocks differ: %s is %s, %s ahead of the local clock (%s), expected at most %s (%s). The local clock is behind, or the server's clock is ahead",
		claim, at.UTC().Format(time.RFC3339), jose.Duration(at.Sub(c.now).Round(time.Second)), c.now.UTC().Format(time.RFC3339), jose.Duration(c.skew), c.field)
}

// far reports an exp that no server writes. The local clock may be years behind.
func (c clock) far(exp, iat jose.NumericDate) error {
	err := clockErrorf("exp is %s, more than ten years after the local clock (%s)", exp.UTC().Format(time.RFC3339), c.now.UTC().Format(time.RFC3339))
	if jose.IsMilliseconds(exp.Time) {
		return fmt.Errorf("%w: this is a number of milliseconds, expected seconds: correct the server", err)
	}
	if iat.After(c.now.Add(c.skew)) {
		return fmt.Errorf("%w: the clocks differ: the local clock is %s behind the time at which the token was issued", err, jose.Duration(iat.Sub(c.now).Round(time.Second)))
	}
	return err
}

func (c clock) expired(exp, iat jose.NumericDate) error {
	err := clockErrorf("the token expired at %s, %s before the local clock (%s)",
		exp.UTC().Format(time.RFC3339), jose.Duration(c.now.Sub(exp.Time).Round(time.Second)), c.now.UTC().Format(time.RFC3339))
	if !iat.IsZero() {
		return fmt.Errorf("%w: if it was issued just now, the clocks differ: the local clock is ahead by %s", err, jose.Duration(c.now.Sub(iat.Time).Round(time.Second)))
	}
	return err
}
