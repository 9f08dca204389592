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

// KeySet verifies the signature of a JWT and returns its payload. go-oidc's key sets implement
// it.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

// Effect ends access. *login.Login, *rs.Revocations and [EffectFunc] implement it.
type Effect interface {
	// EndAccess ends the session sid at issuer iss. If sid is "", it ends every session and
	// every token of the user sub that began at before or earlier. Later ones are not affected.
	// With sid, sub may be "". EndAccess must return nil only after all machines have applied
	// it. It may be called twice for one event.
	EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error
}

// EffectFunc is an [Effect] that calls a function.
type EffectFunc func(ctx context.Context, iss, sub, sid string, before time.Time) error

// EndAccess implements [Effect]. It returns the error of f.
func (f EffectFunc) EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error {
	return f(ctx, iss, sub, sid, before)
}

// TokenEffect is an [Effect] that can also end a single token, for subjects of format jwt_id.
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

// Receiver receives the events of one transmitter. Issuer, Audience, and Effects or Heard must be
// set; otherwise every token is refused with a temporary error. A Receiver is safe for concurrent
// use after the fields are set, and must not be copied after its first use.
type Receiver struct {
	// Issuer is the transmitter's issuer identifier. iss must equal it, byte for byte.
	Issuer string

	// Audience is this receiver's identifier. aud must contain it. The transmitter chooses it:
	// set it to the Audience of the Stream that Create returns.
	Audience string

	// ConfigurationURL is the URL of the transmitter's metadata. "" means the URL of SSF 1.0
	// §7.2: "/.well-known/ssf-configuration" between host and path of Issuer.
	ConfigurationURL string

	// Keys are the transmitter's keys. nil means the keys at jwks_uri of its metadata.
	Keys KeySet

	// Algs are the accepted signature algorithms. Empty means only RS256.
	Algs []string

	// Issuers are the issuers whose users and sessions this transmitter may end. Events about other
	// issuers are acknowledged and have no effect. Empty means only Issuer.
	Issuers []string

	// Effects end access. All of them are called for each event that ends access. The event is
	// acknowledged when all have succeeded.
	Effects []Effect

	// Lookup finds the user of a subject of format email, phone_number, account, did or uri. value
	// is the member of the subject. If the user is unknown, return "" and no error. An address can
	// pass to another person: return the user who had it at the time at. nil means that such
	// subjects are unknown.
	Lookup func(ctx context.Context, format, value string, at time.Time) (iss, sub string, err error)

	// Heard is called for every event after the Effects, also for unknown types. If it returns
	// an error, the event is not acknowledged and is sent again. nil means that nothing is
	// called.
	Heard func(ctx context.Context, e Event) error

	// Ignore are event types that do not end access. Empty means none.
	Ignore []string

	// Store is shared by the processes of the application. nil means the memory of this
	// process. Then another process may apply an event a second time, and VerifyStream works
	// only in the process that receives the verification event.
	Store Store

	// HTTP sends the requests to the transmitter. Its Transport is used, so it may add an
	// access token. Time-outs and the rejection of redirects stay those of this module. nil
	// means the default client of this module.
	HTTP *http.Client

	// Token returns the access token for the stream API and the poll endpoint. nil means that
	// HTTP adds it or that none is needed.
	Token func(ctx context.Context) (string, error)

	// Authorization is the required value of the header field Authorization in push requests,
	// such as "Bearer …". Create sends it to the transmitter. "" means that only the signature
	// of each token is checked.
	Authorization string `json:"-"`

	// Interval is the time between two polls that return no events. 0 means 2 seconds;
	// otherwise 100 ms to 1 hour.
	Interval time.Duration

	// MaxEvents is the maximum number of events that one poll requests. 0 means 50; at most
	// 1,000.
	MaxEvents int

	// MaxAge is the maximum time between iat and the arrival of a token. A token is remembered
	// for the same time. 0 means 30 days; at most 366 days.
	MaxAge time.Duration

	// Skew is the accepted clock difference to the transmitter. 0 means 30 seconds; at most 5
	// minutes.
	Skew time.Duration

	// Counter counts events. nil means that nothing is counted.
	Counter Counter

	// Logger logs every rejected token and every failure. nil means slog.Default.
	Logger *slog.Logger

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	memory   memory
	metadata metadataCache
	mu       sync.Mutex
	keys     KeySet // of jwks_uri
	keysAt   string
	state    state
}

// state is what Ready reports. mu protects it.
type state struct {
	polling bool
	failed  error     // the error of the last poll
	stream  string    // the status in the last stream-updated event
	applied error     // the error of the last event that could not be applied
	since   time.Time // the time of applied
}

// Format implements fmt.Formatter. Every verb prints only the transmitter.
func (r *Receiver) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue implements slog.LogValuer.
func (r *Receiver) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r *Receiver) redacted() string { return fmt.Sprintf("[receiver of events from %q]", r.Issuer) }

func (r *Receiver) configured() error {
	switch {
	case r == nil:
		return errors.New("ssf: the *Receiver is nil")
	case r.Issuer == "":
		return errors.New("ssf: Receiver.Issuer is empty: set it to the transmitter's issuer URL")
	case r.Audience == "":
		return errors.New("ssf: Receiver.Audience is empty: set it to Stream.Audience")
	case len(r.Effects) == 0 && r.Heard == nil:
		return errors.New("ssf: Receiver.Effects is empty and Receiver.Heard is nil: set one of them")
	case r.Skew < 0 || r.Skew > maxSkew:
		return fmt.Errorf("ssf: Receiver.Skew is %s, expected 0 to %s", jose.Duration(r.Skew), jose.Duration(maxSkew))
	case r.MaxAge < 0 || r.MaxAge > maxMaxAge:
		return fmt.Errorf("ssf: Receiver.MaxAge is %s, expected 0 to %s", jose.Duration(r.MaxAge), jose.Duration(maxMaxAge))
	case r.Interval < 0 || r.Interval > time.Hour || r.Interval > 0 && r.Interval < 100*time.Millisecond:
		return fmt.Errorf("ssf: Receiver.Interval is %s, expected 0, or 100ms to 1h", jose.Duration(r.Interval))
	case r.MaxEvents < 0 || r.MaxEvents > maxMaxEvents:
		return fmt.Errorf("ssf: Receiver.MaxEvents is %d, expected 0 to %d", r.MaxEvents, maxMaxEvents)
	}
	for _, e := range r.Effects {
		if e == nil {
			return errors.New("ssf: Receiver.Effects contains nil: remove it")
		}
	}
	return jose.CheckAlgsOf("ssf: Receiver.Algs", r.algs())
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

// unavailable marks an error that says nothing about a token. The same call may succeed later.
type unavailable struct{ err error }

func (u *unavailable) Error() string   { return u.err.Error() }
func (u *unavailable) Unwrap() error   { return u.err }
func (u *unavailable) Temporary() bool { return true }

func isTemporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// Ready reports an error if events cannot be received now. It does so if the settings are wrong, or
// the transmitter's metadata is needed and cannot be fetched. It also does so if the last poll of
// Run failed, or the transmitter has paused or disabled the stream. An event of the last minute
// that could not be applied is an error too. Use it for a readiness probe or an alert.
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
		return fmt.Errorf("ssf: the transmitter has set the status of the stream to %q: call SetStatus to enable it", r.state.stream)
	case r.state.applied != nil && r.now().Sub(r.state.since) < time.Minute:
		return fmt.Errorf("ssf: an event could not be applied: %w", r.state.applied)
	}
	return nil
}
