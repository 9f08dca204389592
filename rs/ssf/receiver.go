package ssf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// KeySet checks the signature of a JWT and gives its payload: go-oidc's own shape.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// Effect ends access. *login.Login and *rs.Revocations are Effects; [EffectFunc] makes one of a function.
type Effect interface {
	// EndAccess ends the session sid at issuer iss. If sid is "" it ends every session and every token of the
	// user sub that began at or before the time given; what began later goes on. With sid, sub may be "".
	// EndAccess returns when that holds on all machines, or an error. It may be called twice for one event.
	EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error
}

// EffectFunc is an [Effect] made of a function.
type EffectFunc func(ctx context.Context, iss, sub, sid string, before time.Time) error

// EndAccess implements [Effect].
func (f EffectFunc) EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error {
	return f(ctx, iss, sub, sid, before)
}

// TokenEffect is an [Effect] that can end a single token too, for subjects of format jwt_id.
type TokenEffect interface {
	// EndToken ends the token of issuer iss whose jti is id.
	EndToken(ctx context.Context, iss, id string) error
}

const (
	defaultSkew   = 30 * time.Second
	maxSkew       = 5 * time.Minute
	defaultMaxAge = 30 * 24 * time.Hour
	maxMaxAge     = 366 * 24 * time.Hour
)

// Receiver receives the events of one transmitter. Issuer, Audience and Effects or Heard must be set; without
// them every token is rejected. A Receiver must not be copied after its first use.
type Receiver struct {
	// Issuer is the transmitter's issuer identifier. iss must equal it exactly.
	Issuer string

	// Audience is this receiver's identifier. aud must contain it. The transmitter chooses it, and Create
	// reports it as Stream.Audience.
	Audience string

	// ConfigurationURL is where the transmitter publishes its metadata. "" means where SSF 1.0 §7.2 says:
	// "/.well-known/ssf-configuration" between host and path of Issuer.
	ConfigurationURL string

	// Keys are the transmitter's. nil means those at jwks_uri of its metadata.
	Keys KeySet

	// Algs are the signature algorithms that are accepted. Empty means RS256 alone.
	Algs []string

	// Issuers are the issuers of the users and sessions that this transmitter may speak about. Events about
	// others are acknowledged and have no effect. Empty means Issuer alone.
	Issuers []string

	// Effects end access. All of them are called for each event that ends access; the event is acknowledged
	// when all have succeeded.
	Effects []Effect

	// Lookup finds the user of a subject that is not an issuer and a subject: the format is email,
	// phone_number, account, did or uri, the value is what the subject holds. A user that is not known is "",
	// without an error. An address can change hands: the application must know whose it was at the time given.
	// nil means that no such user is known.
	Lookup func(ctx context.Context, format, value string, at time.Time) (iss, sub string, err error)

	// Heard is called for every event, unknown types included, after the Effects. An error means that the
	// event is not acknowledged, so that it comes again. nil means that nothing is called.
	Heard func(ctx context.Context, e Event) error

	// Ignore are event types that end no access here. Empty means none.
	Ignore []string

	// Store is shared by the processes of the application. nil means the memory of this process: then another
	// process acknowledges an event twice, and Verify works only where the verification event arrives.
	Store Store

	// HTTP sends the requests to the transmitter. Its Transport is used, so it may add an access token. Time
	// limits and the refusal of redirects stay the module's. nil means a client of our own.
	HTTP *http.Client

	// Token gives the access token for the stream API and the poll endpoint. nil means that HTTP adds it, or
	// that none is needed.
	Token func(ctx context.Context) (string, error)

	// Authorization is the value of the header field Authorization that push requests must have, such as
	// "Bearer …". Create sends it to the transmitter. "" means that the signature of each token is enough.
	Authorization string `json:"-"`

	// Interval is the time between two polls that bring nothing. 0 means 2 seconds; at least 100 ms, at most
	// an hour.
	Interval time.Duration

	// MaxEvents is how many events one poll may bring. 0 means 50; at most 1,000.
	MaxEvents int

	// MaxAge is how old an event may be when it arrives. A token is remembered as long. 0 means 30 days; at
	// most 366 days.
	MaxAge time.Duration

	// Skew is how far the transmitter's clock may be off. 0 means 30 seconds; at most 5 minutes.
	Skew time.Duration

	// Counter counts events. nil means that nothing is counted.
	Counter Counter

	// Logger gets a line for every token that is rejected and for every failure. nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	memory   memory
	metadata metadataCache
	mu       sync.Mutex
	keys     KeySet // of the metadata
	keysAt   string
	state    state
}

// state is what Ready reports, under mu.
type state struct {
	polling bool
	failed  error     // of the last poll
	stream  string    // the status of the last stream-updated event
	applied error     // of the last event that could not be applied
	since   time.Time // of applied
}

// Format implements fmt.Formatter: every verb prints the transmitter and nothing else.
func (r *Receiver) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue implements slog.LogValuer.
func (r *Receiver) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r *Receiver) redacted() string { return fmt.Sprintf("[receiver of events from %q]", r.Issuer) }

func (r *Receiver) configured() error {
	switch {
	case r == nil:
		return errors.New("ssf: a *Receiver that is nil")
	case r.Issuer == "":
		return errors.New("ssf: Receiver.Issuer is empty")
	case r.Audience == "":
		return errors.New("ssf: Receiver.Audience is empty: set it to Stream.Audience")
	case len(r.Effects) == 0 && r.Heard == nil:
		return errors.New("ssf: Receiver.Effects and Receiver.Heard are empty: no event would have an effect")
	case r.Skew < 0 || r.Skew > maxSkew:
		return fmt.Errorf("ssf: Receiver.Skew is %v, expected 0 to %v", r.Skew, maxSkew)
	case r.MaxAge < 0 || r.MaxAge > maxMaxAge:
		return fmt.Errorf("ssf: Receiver.MaxAge is %v, expected 0 to %v", r.MaxAge, maxMaxAge)
	case r.Interval < 0 || r.Interval > time.Hour || r.Interval > 0 && r.Interval < 100*time.Millisecond:
		return fmt.Errorf("ssf: Receiver.Interval is %v, expected 0, or 100ms to 1h", r.Interval)
	case r.MaxEvents < 0 || r.MaxEvents > maxMaxEvents:
		return fmt.Errorf("ssf: Receiver.MaxEvents is %d, expected 0 to %d", r.MaxEvents, maxMaxEvents)
	}
	for _, e := range r.Effects {
		if e == nil {
			return errors.New("ssf: Receiver.Effects has a nil in it")
		}
	}
	if err := jose.CheckAlgs(r.algs()); err != nil {
		return fmt.Errorf("ssf: Receiver.Algs: %w", err)
	}
	return nil
}

func (r *Receiver) algs() []string {
	if len(r.Algs) == 0 {
		return []string{"RS256"}
	}
	return r.Algs
}

func (r *Receiver) issuers() []string {
	if len(r.Issuers) == 0 {
		return []string{r.Issuer}
	}
	return r.Issuers
}

func (r *Receiver) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Receiver) skew() time.Duration {
	if r.Skew == 0 {
		return defaultSkew
	}
	return r.Skew
}

func (r *Receiver) maxAge() time.Duration {
	if r.MaxAge == 0 {
		return defaultMaxAge
	}
	return r.MaxAge
}

func (r *Receiver) logger() *slog.Logger {
	if r.Logger != nil {
		return r.Logger
	}
	return slog.Default()
}

// unavailable marks an error that says nothing about a token: the same call may succeed later.
type unavailable struct{ err error }

func (u *unavailable) Error() string   { return u.err.Error() }
func (u *unavailable) Unwrap() error   { return u.err }
func (u *unavailable) Temporary() bool { return true }

func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// Ready reports an error unless events can be received now: the Receiver is configured, the transmitter's
// metadata can be read where it is needed, the last poll of Run succeeded, the transmitter has not paused or
// disabled the stream, and no event of the last minute failed to be applied. It is for a readiness probe or an
// alert.
func (r *Receiver) Ready(ctx context.Context) error {
	if err := r.configured(); err != nil {
		return err
	}
	if r.Keys == nil {
		if _, err := r.keySet(ctx); err != nil {
			return err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.state.polling && r.state.failed != nil:
		return fmt.Errorf("ssf: the last poll failed: %w", r.state.failed)
	case r.state.stream == StatusPaused || r.state.stream == StatusDisabled:
		return fmt.Errorf("ssf: the transmitter has set the stream to %q", r.state.stream)
	case r.state.applied != nil && r.now().Sub(r.state.since) < time.Minute:
		return fmt.Errorf("ssf: an event could not be applied: %w", r.state.applied)
	}
	return nil
}
