package ssf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// applyTimeout is the time limit for all effects of one token together.
const applyTimeout = 10 * time.Second

// Apply verifies a Security Event Token and ends the access that its events name. It returns nil if
// the token may be acknowledged: every effect has succeeded and the token is remembered, or the
// token was applied before.
//
// An [*Error] means that the token is rejected. It has the codes of [Receiver.Verify]
// (invalid_request, invalid_issuer, invalid_audience, invalid_key), and invalid_state for a
// verification event that this receiver did not request. Any other error means that the token must
// not be acknowledged, so that the transmitter sends it again; it has a method Temporary() bool
// that returns true.
func (r *Receiver) Apply(ctx context.Context, raw string) error {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	events, err := r.Verify(ctx, raw)
	if err == nil {
		err = r.applyOnce(ctx, events)
	}
	r.note(ctx, err)
	return err
}

// note logs an error and keeps it for Ready.
func (r *Receiver) note(ctx context.Context, err error) {
	var rejected *Error
	switch {
	case err == nil:
	case errors.As(err, &rejected):
		r.count(ctx, Rejected, rejected.Code)
		r.logger().LogAttrs(ctx, slog.LevelInfo, "security event token rejected",
			slog.String("err", rejected.Code), slog.String("reason", err.Error()))
	default:
		r.count(ctx, EffectFailed, "")
		r.logger().LogAttrs(ctx, slog.LevelError, "security event not applied", slog.String("reason", err.Error()))
		r.mu.Lock()
		r.state.applied, r.state.since = err, r.now()
		r.mu.Unlock()
	}
}

// applyOnce remembers the token after its effects: a token whose effects failed must be applied
// when it is sent again.
func (r *Receiver) applyOnce(ctx context.Context, events []Event) error {
	key := r.key("jti", events[0].ID)
	seen, err := r.load(ctx, key)
	switch {
	case err != nil:
		return &unavailable{fmt.Errorf("ssf: the Store failed: %w", err)}
	case seen != nil:
		r.count(ctx, Duplicate, "")
		return nil
	}
	for _, e := range events {
		if err := r.applyEvent(ctx, e); err != nil {
			return err
		}
	}
	until := events[0].IssuedAt.Add(r.maxAge() + 2*r.skew())
	if err := r.save(ctx, key, []byte("1"), until); err != nil {
		return &unavailable{fmt.Errorf("ssf: the Store failed: %w", err)}
	}
	return nil
}

func (r *Receiver) applyEvent(ctx context.Context, e Event) error {
	r.count(ctx, Received, e.label())
	switch {
	case e.Type == Verification:
		if err := r.verified(ctx, e); err != nil {
			return err
		}
	case e.Type == StreamUpdated:
		r.updated(ctx, e)
	case e.ends() && !slices.Contains(r.Ignore, e.Type):
		if err := r.end(ctx, e); err != nil {
			return &unavailable{fmt.Errorf("ssf: %w", err)}
		}
	}
	if r.Heard == nil {
		return nil
	}
	if err := r.Heard(ctx, e); err != nil {
		return &unavailable{fmt.Errorf("ssf: Receiver.Heard: %w", err)}
	}
	return nil
}

// updated notes that the transmitter changed the status of the stream, SSF 1.0 §8.1.5.
func (r *Receiver) updated(ctx context.Context, e Event) {
	status, _ := e.members().Status.(string)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.stream = status
	if status != StatusEnabled {
		r.logger().LogAttrs(ctx, slog.LevelError, "the transmitter has stopped the stream of security events", slog.String("status", fmt.Sprintf("%.20q", status)))
	}
}

// end calls the effects for everything that the event's subject names.
func (r *Receiver) end(ctx context.Context, e Event) error {
	all, err := r.targets(ctx, e)
	if err != nil {
		return err
	}
	ended := 0
	for _, t := range all {
		if !slices.Contains(r.issuers(), t.issuer) {
			r.count(ctx, Foreign, e.Type)
			r.logger().LogAttrs(ctx, slog.LevelError, "security event about another issuer: add it to Receiver.Issuers if you trust this transmitter with it", slog.String("iss", fmt.Sprintf("%.200q", t.issuer)))
			continue
		}
		n, err := r.endTarget(ctx, t, e.Time)
		if err != nil {
			return err
		}
		ended += n
	}
	if ended == 0 {
		r.count(ctx, Unresolved, e.Type)
		return nil
	}
	r.count(ctx, Applied, e.Type)
	return nil
}

// endTarget returns the number of effects that were called.
func (r *Receiver) endTarget(ctx context.Context, t target, at time.Time) (n int, err error) {
	for _, effect := range r.Effects {
		if t.token == "" {
			n++
			if err := effect.EndAccess(ctx, t.issuer, t.subject, t.session, at); err != nil {
				return n, fmt.Errorf("effect %T: %w", effect, err)
			}
			continue
		}
		if single, ok := effect.(TokenEffect); ok {
			n++
			if err := single.EndToken(ctx, t.issuer, t.token); err != nil {
				return n, fmt.Errorf("effect %T: %w", effect, err)
			}
		}
	}
	return n, nil
}
