package ssf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

const (
	defaultInterval  = 2 * time.Second
	maxBackoff       = time.Minute
	defaultMaxEvents = 50
	maxMaxEvents     = 1000
)

// pollRequest is RFC 8936 §2.2.
type pollRequest struct {
	MaxEvents         int                          `json:"maxEvents"`
	ReturnImmediately bool                         `json:"returnImmediately"`
	Ack               []string                     `json:"ack,omitempty"`
	SetErrs           map[string]map[string]string `json:"setErrs,omitempty"`
}

func (p *pollRequest) hasNews() bool { return len(p.Ack)+len(p.SetErrs) > 0 }

// pollResponse is RFC 8936 §2.3.
type pollResponse struct {
	Sets          map[string]string `json:"sets"`
	MoreAvailable bool              `json:"moreAvailable"`
}

// Run receives events by poll, RFC 8936, until ctx ends, and returns the cause of the end.
// pollEndpoint is Stream.EndpointURL. It may have a private address only at the host of Issuer
// or ConfigurationURL. Failures are logged, counted and retried after increasing intervals of
// up to one minute. One process is enough; several are safe. An error at once names the setting
// that is wrong. Rejected tokens are reported to the transmitter with the codes of
// [Receiver.Apply]: invalid_request, invalid_issuer, invalid_audience, invalid_key and
// invalid_state.
func (r *Receiver) Run(ctx context.Context, pollEndpoint string) error {
	if err := r.configured(); err != nil {
		return err
	}
	for failures := 0; ; {
		err := r.Poll(ctx, pollEndpoint)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		r.polled(ctx, err)
		if failures++; err == nil {
			failures = 0
		}
		select {
		case <-time.After(r.pause(failures, err)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// polled keeps the result for Ready.
func (r *Receiver) polled(ctx context.Context, err error) {
	r.mu.Lock()
	r.state.polling, r.state.failed = true, err
	r.mu.Unlock()
	if err != nil {
		r.count(ctx, PollFailed, "")
		r.logger().LogAttrs(ctx, slog.LevelError, "poll for security events failed", slog.String("reason", err.Error()))
	}
}

// pause returns the time until the next poll.
func (r *Receiver) pause(failures int, err error) time.Duration {
	d := r.Interval
	if d == 0 {
		d = defaultInterval
	}
	if failures > 0 {
		d = max(d, min(d<<min(failures, 10), maxBackoff))
		d = d/2 + rand.N(d)
	}
	var e *endpoint.Error
	if errors.As(err, &e) {
		d = max(d, min(e.RetryAfter, maxBackoff))
	}
	return d
}

// Poll asks the transmitter until it has no more events, applies them and acknowledges those that
// were applied. If an event cannot be applied now, Poll does not acknowledge it and returns the
// error. A poll that fails is an error too. A rejected token is not an error: Poll reports it to
// the transmitter with the codes of [Receiver.Apply] (invalid_request, invalid_issuer,
// invalid_audience, invalid_key, invalid_state).
func (r *Receiver) Poll(ctx context.Context, pollEndpoint string) error {
	if err := r.configured(); err != nil {
		return err
	}
	ask := &pollRequest{MaxEvents: r.MaxEvents, ReturnImmediately: true}
	if ask.MaxEvents == 0 {
		ask.MaxEvents = defaultMaxEvents
	}
	for {
		got, err := r.poll(ctx, pollEndpoint, ask)
		if err != nil {
			return err
		}
		ask.Ack, ask.SetErrs = nil, nil
		failed := r.applyAll(ctx, got.Sets, ask)
		if failed != nil {
			if ask.hasNews() {
				ask.MaxEvents = 0 // RFC 8936 §2.4.2: acknowledge only
				_, err = r.poll(ctx, pollEndpoint, ask)
			}
			return errors.Join(failed, err)
		}
		if !ask.hasNews() && (!got.MoreAvailable || len(got.Sets) == 0) {
			return nil
		}
	}
}

// applyAll adds the results to ask and returns the failure that stopped it.
func (r *Receiver) applyAll(ctx context.Context, sets map[string]string, ask *pollRequest) error {
	for id, raw := range sets {
		err := r.applyPolled(ctx, id, raw)
		var rejected *Error
		switch {
		case err == nil:
			ask.Ack = append(ask.Ack, id)
		case errors.As(err, &rejected):
			if ask.SetErrs == nil {
				ask.SetErrs = map[string]map[string]string{}
			}
			ask.SetErrs[id] = rejected.wire()
		default:
			return err
		}
	}
	return nil
}

// applyPolled requires the jti of the token to be its name in the response, because an
// acknowledgement names the jti.
func (r *Receiver) applyPolled(ctx context.Context, id, raw string) error {
	t, err := jose.Parse(raw, jose.MaxSize)
	var c struct {
		ID string `json:"jti"`
	}
	if err == nil && jose.Decode(t.Payload, &c, jose.TokenLimits) == nil && c.ID != id {
		err := reject(InvalidRequest, errors.New("jti of the token does not match its name in the poll response"))
		r.note(ctx, err)
		return err
	}
	return r.Apply(ctx, raw)
}

func (r *Receiver) poll(ctx context.Context, pollEndpoint string, ask *pollRequest) (*pollResponse, error) {
	body, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	resp, err := r.send(ctx, http.MethodPost, pollEndpoint, body)
	if err != nil {
		return nil, err
	}
	if resp.Status != http.StatusOK {
		return nil, fmt.Errorf("ssf: %w", resp.Failure("the poll endpoint did not return events: check the URL and Receiver.Token"))
	}
	if ask.MaxEvents == 0 && resp.IsEmpty() {
		return &pollResponse{}, nil
	}
	var got pollResponse
	if err := jose.Decode(resp.Body, &got, jose.DocumentLimits); err != nil {
		return nil, fmt.Errorf("ssf: poll response: %w", resp.Refuse(err))
	}
	return &got, nil
}
