package ssf

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// The error codes of RFC 8935 §2.4 and SSF 1.0 §8.1.4.1.
const (
	InvalidRequest       = "invalid_request"
	InvalidKey           = "invalid_key"
	InvalidIssuer        = "invalid_issuer"
	InvalidAudience      = "invalid_audience"
	AuthenticationFailed = "authentication_failed"
	InvalidState         = "invalid_state"
)

// Error is the rejection of a token. Code and Description are sent to the transmitter. Err is
// for the log only.
type Error struct {
	Code        string // one of the constants above
	Description string // a constant text of this package
	Err         error  // the reason; nil if Description says it all
}

func (e *Error) Error() string {
	if e.Err == nil {
		return "ssf: " + e.Code + ": " + e.Description
	}
	return "ssf: " + e.Code + ": " + e.Err.Error()
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

var descriptions = map[string]string{
	InvalidRequest:       "the token is not a valid Security Event Token",
	InvalidKey:           "the signature or its algorithm is not accepted",
	InvalidIssuer:        "the issuer is not the one of this stream",
	InvalidAudience:      "the token is for another audience",
	AuthenticationFailed: "the request is not authenticated",
	InvalidState:         "the state of the verification event was not requested",
}

func reject(code string, err error) *Error {
	return &Error{Code: code, Description: descriptions[code], Err: err}
}

var setKind = jose.Kind{"secevent+jwt"}

// setClaims are the claims of a SET, RFC 8417 §2.2 and SSF 1.0 §4.1. It includes claims that
// must be absent.
type setClaims struct {
	Issuer   string                    `json:"iss"`
	Audience jose.Audience             `json:"aud"`
	ID       string                    `json:"jti"`
	IssuedAt jose.NumericDate          `json:"iat"`
	Happened jose.NumericDate          `json:"toe"`
	SubID    jsontext.Value            `json:"sub_id"`
	Events   map[string]jsontext.Value `json:"events"`
	Subject  jsontext.Value            `json:"sub"`
	Expiry   jsontext.Value            `json:"exp"`
	Nonce    jsontext.Value            `json:"nonce"`
}

// Verify verifies a Security Event Token by RFC 8417 and SSF 1.0 §4.1 and returns its events.
// It does not check whether the token was used before, and it calls no effect: [Receiver.Apply]
// does both. If the token is rejected, the error is an [*Error] with one of these codes:
//
//   - invalid_request: the token is malformed, too old or of another kind.
//   - invalid_issuer: set Receiver.Issuer to the issuer exactly as the transmitter writes it.
//   - invalid_audience: set Receiver.Audience to Stream.Audience.
//   - invalid_key: the signature or its algorithm is not accepted. Check Receiver.Keys and
//     Receiver.Algs.
//
// Any other error has a method Temporary() bool that returns true: the keys could not be
// fetched, or a setting of the Receiver is wrong.
func (r *Receiver) Verify(ctx context.Context, raw string) ([]Event, error) {
	if err := r.configured(); err != nil {
		return nil, &unavailable{err}
	}
	t, err := jose.Parse(raw, jose.MaxSize)
	if err != nil {
		return nil, reject(InvalidRequest, err)
	}
	if err := t.Header.CheckTyp(setKind); err != nil {
		return nil, reject(InvalidRequest, err)
	}
	if err := t.Header.CheckAlg(r.algs()); err != nil {
		return nil, reject(InvalidKey, fmt.Errorf("%w: set Receiver.Algs to the algorithm of the transmitter", err))
	}
	var c setClaims
	if err := jose.Decode(t.Payload, &c, jose.TokenLimits); err != nil {
		return nil, reject(InvalidRequest, fmt.Errorf("claims: %w", err))
	}
	if err := r.checkClaims(&c); err != nil {
		return nil, err
	}
	events, err := c.events()
	if err != nil {
		return nil, reject(InvalidRequest, err)
	}
	if err := r.checkSignature(ctx, raw, t); err != nil {
		return nil, err
	}
	return events, nil
}

func (r *Receiver) checkClaims(c *setClaims) error {
	now := r.now()
	switch {
	case c.Issuer != r.Issuer:
		return reject(InvalidIssuer, fmt.Errorf("iss is %s, expected %s: set Receiver.Issuer to the issuer exactly as the transmitter writes it", jose.Quote(c.Issuer), jose.Quote(r.Issuer)))
	case !slices.Contains(c.Audience, r.Audience):
		return reject(InvalidAudience, fmt.Errorf("aud is %q, expected %s: set Receiver.Audience to Stream.Audience", quoteAll(c.Audience), jose.Quote(r.Audience)))
	case c.ID == "":
		return reject(InvalidRequest, errors.New("jti is missing"))
	case c.IssuedAt.IsZero():
		return reject(InvalidRequest, errors.New("iat is missing"))
	case c.IssuedAt.After(now.Add(r.skew())):
		return reject(InvalidRequest, errors.New("iat is in the future: the clocks differ by more than Receiver.Skew"))
	case c.IssuedAt.Before(now.Add(-r.maxAge())):
		return reject(InvalidRequest, fmt.Errorf("the token was issued more than %s ago, expected at most Receiver.MaxAge", jose.Duration(r.maxAge())))
	case c.Subject != nil: // SSF 1.0 §4.1.2
		return reject(InvalidRequest, errors.New("sub is present: this is not a Security Event Token"))
	case c.Expiry != nil: // SSF 1.0 §4.1.7
		return reject(InvalidRequest, errors.New("exp is present: this is not a Security Event Token"))
	case c.Nonce != nil:
		return reject(InvalidRequest, errors.New("nonce is present: this is not a Security Event Token"))
	case len(c.Events) == 0:
		return reject(InvalidRequest, errors.New("events is missing or empty"))
	}
	return nil
}

func quoteAll(all []string) (out []string) {
	for _, s := range all[:min(len(all), 5)] {
		out = append(out, jose.Quote(s))
	}
	return out
}

// maxEvents is the maximum number of events in one token, SSF 1.0 §4.2.1.
const maxEvents = 10

// events returns an Event for each member of events, sorted by type.
func (c *setClaims) events() ([]Event, error) {
	if len(c.Events) > maxEvents {
		return nil, fmt.Errorf("the token has %d events, expected at most %d", len(c.Events), maxEvents)
	}
	var out []Event
	for typ, payload := range c.Events {
		e, err := c.event(typ, payload)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Event) int {
		if a.Type < b.Type {
			return -1
		}
		return 1
	})
	return out, nil
}

func (c *setClaims) event(typ string, payload jsontext.Value) (Event, error) {
	if typ == "" || payload.Kind() != '{' {
		return Event{}, errors.New("a member of events is not an object (RFC 8417 §2.2)")
	}
	e := Event{Type: typ, Issuer: c.Issuer, ID: c.ID, IssuedAt: c.IssuedAt.Time, Time: c.IssuedAt.Time, payload: payload}
	subject, err := c.subject(payload)
	if !e.known() { // an unknown type may have a subject that cannot be parsed here
		e.Subject = subject
		return e, nil
	}
	if err != nil {
		return Event{}, fmt.Errorf("subject: %w", err)
	}
	e.Subject = subject
	return e, e.setTime(c)
}

// subject reads sub_id, or the member subject of the event, which older versions used (SSF 1.0
// §3.1.1).
func (c *setClaims) subject(payload jsontext.Value) (Subject, error) {
	raw := c.SubID
	if raw == nil {
		var m struct {
			Subject jsontext.Value `json:"subject"`
		}
		if err := jose.Decode(payload, &m, jose.TokenLimits); err != nil {
			return Subject{}, err
		}
		raw = m.Subject
	}
	if raw == nil {
		return Subject{}, errors.New("sub_id is missing (SSF 1.0 §3.1)")
	}
	return parseSubject(raw, true)
}

// setTime sets the time of the event. It is at most iat, so access that began after the token
// was issued is not ended.
func (e *Event) setTime(c *setClaims) error {
	switch seconds := e.members().Timestamp.(type) {
	case nil:
		if !c.Happened.IsZero() {
			e.Time = c.Happened.Time
		}
	case float64:
		if !(seconds > 0 && seconds < 1<<53) {
			return errors.New("event_timestamp is not a positive number of seconds")
		}
		e.Time = time.Unix(int64(seconds), 0)
	default:
		return errors.New("event_timestamp is not a number")
	}
	if e.Time.After(e.IssuedAt) {
		e.Time = e.IssuedAt
	}
	return nil
}

func (r *Receiver) checkSignature(ctx context.Context, raw string, t *jose.Token) error {
	keys, err := r.keySet(ctx)
	if err != nil {
		return err
	}
	err = jose.VerifyWith(ctx, keys, raw, t)
	if err != nil && !isTemporary(err) {
		return reject(InvalidKey, err)
	}
	return err
}
