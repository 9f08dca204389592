package client

import (
	"context"
	"errors"
	"fmt"
	"github.com/countersign/countersign/client/auth"
	"maps"
	"net/url"
	"time"
)

const (
	defaultInterval = 5 * time.Second // RFC 8628 §3.2, CIBA Core §7.3
	minInterval     = time.Second
	slowDown        = 5 * time.Second // RFC 8628 §3.5
	maxBackoff      = time.Minute     // between two tries at a server that does not answer
	maxPollLifetime = 24 * time.Hour
)

// poll asks the token endpoint again and again for tokens that the user has yet to allow
// on another device.
type poll struct {
	form     url.Values
	key      auth.SigningKey
	interval time.Duration
	expiry   time.Time
	atOnce   bool // the first time without waiting

	failures   int           // one after the other
	retryAfter time.Duration // what the server asked for when it last failed
}

// poll ends with the tokens, with a refusal, at p's expiry by this client's clock, or with
// ctx, whichever comes first.
func (c *Client) poll(ctx context.Context, p *poll) (*tokenResponse, error) {
	if last := c.config.Now().Add(maxPollLifetime); p.expiry.After(last) { // whatever was stored
		p.expiry = last
	}
	for {
		if err := c.pause(ctx, p); err != nil {
			return nil, fail(StepToken, err)
		}
		response, err := c.requestToken(ctx, maps.Clone(p.form), p.key)
		if err == nil || !p.goesOn(err) {
			return response, err
		}
	}
}

// pause waits until the next request may be sent.
func (c *Client) pause(ctx context.Context, p *poll) error {
	d := p.wait()
	if !c.config.Now().Add(d).Before(p.expiry) {
		return &TokenError{Code: "expired_token", Err: errors.New("nobody answered in time on the other device")}
	}
	if err := c.wait(ctx, d); err != nil {
		return fmt.Errorf("waiting for the user ended: %w", err)
	}
	return nil
}

// wait is how long to wait. At a server that fails the interval is doubled each time
// (RFC 8628 §3.5).
func (p *poll) wait() time.Duration {
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

// goesOn tells whether an answer means to ask again, RFC 8628 §3.5, CIBA Core §11.
func (p *poll) goesOn(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
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
		p.retryAfter = retryAfter(err)
	default:
		return false
	}
	return true
}

func retryAfter(err error) time.Duration {
	var e *TokenError
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// waitFor is how a Client waits: exactly as long as the server wants.
func waitFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
