package grant

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/client"
)

const (
	defaultInterval = 5 * time.Second // RFC 8628 §3.2, CIBA Core §7.3
	minInterval     = time.Second
	slowDown        = 5 * time.Second // RFC 8628 §3.5
	maxBackoff      = time.Minute     // between two tries at a server that does not answer
	maxPollLifetime = 24 * time.Hour
)

// poll repeats a token request until the user has answered on another device.
type poll struct {
	grant    client.Grant
	interval time.Duration
	expiry   time.Time
	atOnce   bool // do not wait before the first request

	failures   int           // one after the other
	retryAfter time.Duration // from the last failed response
}

// run returns the tokens or an error. It ends when the server rejects the request, when p expires
// by the client's clock, or with ctx.
func (p *poll) run(ctx context.Context, c *client.Client) (*client.Tokens, error) {
	now := c.Config().Now
	if last := now().Add(maxPollLifetime); p.expiry.After(last) { // of what was stored
		p.expiry = last
	}
	for {
		if err := p.pause(ctx, now()); err != nil {
			return nil, client.NewError(client.StepToken, err)
		}
		tokens, err := c.Grant(ctx, p.grant)
		if err == nil || !p.goesOn(err) {
			return tokens, err
		}
	}
}

// pause waits until the next request may be sent.
func (p *poll) pause(ctx context.Context, now time.Time) error {
	d := p.next()
	if !now.Add(d).Before(p.expiry) {
		return &client.TokenError{Code: "expired_token", Err: errors.New("the user did not answer in time on the other device")}
	}
	if err := wait(ctx, d); err != nil {
		return fmt.Errorf("stopped waiting for the user: %w", err)
	}
	return nil
}

// next returns how long to wait. If the server fails, the interval is doubled each time (RFC
// 8628 §3.5).
func (p *poll) next() time.Duration {
	if p.atOnce {
		p.atOnce = false
		return 0
	}
	d := p.interval
	for range p.failures {
		d = min(2*d, max(p.interval, maxBackoff))
	}
	return max(d, p.retryAfter)
}

// goesOn reports whether a response means that polling continues, RFC 8628 §3.5, CIBA Core §11.
func (p *poll) goesOn(err error) bool {
	var e *client.Error
	if !errors.As(err, &e) || e.Step == client.StepIDToken { // the grant is spent
		return false
	}
	switch {
	case e.Code == "authorization_pending":
		p.failures, p.retryAfter = 0, 0
	case e.Code == "slow_down":
		p.failures, p.retryAfter = 0, 0
		p.interval += slowDown
	case e.Temporary():
		p.failures++
		p.retryAfter = retryAfter(e)
	default:
		return false
	}
	return true
}

func retryAfter(err error) time.Duration {
	var t *client.TokenError
	if errors.As(err, &t) {
		return t.RetryAfter
	}
	return 0
}

// wait waits exactly as long as the server requires. Tests replace it.
var wait = func(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pollTimes parses expires_in and interval. It returns the end of polling and the interval.
func pollTimes(now time.Time, expiresIn, interval []byte) (time.Time, time.Duration, error) {
	expires, err := client.ParseSeconds("expires_in", expiresIn)
	if err != nil {
		return time.Time{}, 0, err
	}
	if expires == nil || *expires == 0 {
		return time.Time{}, 0, errors.New("expires_in in the response is missing or 0")
	}
	every, err := client.ParseSeconds("interval", interval)
	switch {
	case err != nil:
		return time.Time{}, 0, err
	case every == nil:
		return now.Add(min(*expires, maxPollLifetime)), defaultInterval, nil
	case *every >= *expires:
		return time.Time{}, 0, errors.New("interval in the response is longer than expires_in")
	}
	return now.Add(min(*expires, maxPollLifetime)), max(*every, minInterval), nil
}
