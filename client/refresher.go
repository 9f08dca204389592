package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ErrLoginRequired says that a login has come to its end: its tokens cannot be
// refreshed, and the user has to sign in again.
var ErrLoginRequired = errors.New("a new login is required")

// TokenSource gives tokens that are good now.
type TokenSource interface {
	Tokens(ctx context.Context) (*Tokens, error)
}

const (
	defaultAhead    = 30 * time.Second
	defaultLifetime = 30 * 24 * time.Hour
)

// Refresher keeps the tokens of logins fresh: each is refreshed once, however many
// goroutines and processes ask, because a server that rotates refresh tokens takes
// the second use of one for a theft (RFC 9700 §4.14.2). Client must be set. It may be
// used by many goroutines at once, and must not be copied.
type Refresher struct {
	Client *Client

	// Store has the tokens of each login under a key of the application's choice. nil
	// means the memory of this process.
	Store TokenStore

	// Leases keeps other processes from refreshing the same tokens. It must be set if Store
	// is; OneProcess is for a Store that no other process uses.
	Leases Leases

	// Ahead is how long before their end access tokens are refreshed. 0 means 30 seconds.
	Ahead time.Duration

	// Lifetime is how long a login is kept that nobody uses. 0 means 30 days.
	Lifetime time.Duration

	// Fetch gets new tokens; old is nil if there are none. nil means Client.Refresh. With
	// one that needs no old tokens (ClientCredentials, say) no login is needed, and none
	// ends.
	Fetch func(ctx context.Context, old *Tokens) (*Tokens, error)

	// Renewed hears of new tokens once they are saved. nil means nobody.
	Renewed func(ctx context.Context, key string, t *Tokens)

	once   sync.Once
	memory memoryStore
	calls  calls
	last   atomic.Pointer[readTokens]
}

// Keep begins to keep the tokens of a login under key.
func (r *Refresher) Keep(ctx context.Context, key string, t *Tokens) error {
	if err := r.configured(); err != nil {
		return err
	}
	if t == nil || t.Token == nil {
		return errors.New("client: Refresher.Keep: there are no tokens")
	}
	r.calls.forgive(key)
	if err := r.store().Delete(ctx, forgottenKey(key)); err != nil {
		return fail(StepToken, &storeError{err})
	}
	return r.save(ctx, key, t)
}

// Forget ends a login: its tokens are forgotten, and a refresh under way brings none back. To
// have the server forget them too see [Client.Revoke].
func (r *Refresher) Forget(ctx context.Context, key string) error {
	if err := r.configured(); err != nil {
		return err
	}
	r.last.Store(nil)
	// A store may be too full for that, and must not keep anybody signed in.
	_ = r.store().Save(ctx, forgottenKey(key), []byte("1"), r.Client.config.Now().Add(forgottenTime))
	if err := r.store().Delete(ctx, key); err != nil {
		return fail(StepToken, &storeError{err})
	}
	return nil
}

// forgottenKey is where Forget leaves word for a refresh that has looked for the tokens
// already, and saves new ones after they are gone.
func forgottenKey(key string) string { return "forgotten:" + key }

// forgottenTime is longer than a refresh under a lease takes.
const forgottenTime = 2 * renewTime

// Tokens gives the tokens of a login, refreshed if they end soon. What is good still is
// given also while a refresh is under way or fails. An error is an [*Error]; it wraps
// [ErrLoginRequired] if the login is over, and is Temporary if a later call may succeed.
func (r *Refresher) Tokens(ctx context.Context, key string) (*Tokens, error) {
	if err := r.configured(); err != nil {
		return nil, err
	}
	t, err := r.load(ctx, key)
	if err != nil {
		return nil, err
	}
	switch good := r.isGood(t); {
	case !good:
		return r.renew(ctx, key, t)
	case r.isFresh(t) || r.Fetch == nil && t.RefreshToken == "":
		return t, nil
	}
	if fresh, err := r.renewSoon(ctx, key, t); err == nil {
		return fresh, nil
	}
	return t, nil
}

// Renew refreshes the tokens of a login before their time: an API has refused rejected. If
// others are there meanwhile, those are given.
func (r *Refresher) Renew(ctx context.Context, key string, rejected *Tokens) (*Tokens, error) {
	if err := r.configured(); err != nil {
		return nil, err
	}
	return r.renew(ctx, key, rejected)
}

// Source gives the tokens of one login.
func (r *Refresher) Source(key string) TokenSource { return &source{r, key} }

// TokenSource keeps t fresh in the memory of this process.
func (c *Client) TokenSource(t *Tokens) (TokenSource, error) {
	r := &Refresher{Client: c}
	return r.Source(""), r.Keep(context.Background(), "", t)
}

type source struct {
	refresher *Refresher
	key       string
}

func (s *source) Tokens(ctx context.Context) (*Tokens, error) { return s.refresher.Tokens(ctx, s.key) }

// Renew is what Transport asks for after an API has refused a token.
func (s *source) Renew(ctx context.Context, rejected *Tokens) (*Tokens, error) {
	return s.refresher.Renew(ctx, s.key, rejected)
}

// Format implements fmt.Formatter: no verb prints the tokens that are in memory.
func (r *Refresher) Format(f fmt.State, _ rune) { io.WriteString(f, "[refresher]") }

// LogValue implements slog.LogValuer.
func (r *Refresher) LogValue() slog.Value { return slog.StringValue("[refresher]") }

// Format implements fmt.Formatter: the key may be the ID of a session.
func (s *source) Format(f fmt.State, _ rune) { io.WriteString(f, "[token source]") }

// LogValue implements slog.LogValuer.
func (s *source) LogValue() slog.Value { return slog.StringValue("[token source]") }

func (r *Refresher) configured() error {
	switch {
	case r.Client == nil:
		return errors.New("client: Refresher.Client is nil")
	case r.Client.provider == nil:
		return fmt.Errorf("client: Refresher.Client: %w", errUnmade)
	case r.Store != nil && r.Leases == nil:
		return errors.New("client: Refresher.Leases is nil; for a Store that one process uses say OneProcess")
	case r.Ahead < 0 || r.Lifetime < 0:
		return errors.New("client: Refresher.Ahead or Refresher.Lifetime is negative")
	}
	return nil
}

func (r *Refresher) store() TokenStore {
	if r.Store != nil {
		return r.Store
	}
	r.once.Do(func() { r.memory.now = r.Client.config.Now })
	return &r.memory
}

func (r *Refresher) leases() Leases {
	if r.Leases != nil {
		return r.Leases
	}
	return OneProcess{}
}

// isFresh tells whether t will do for a while: half of its life at most, or tokens of a
// short life would be refreshed all the time.
func (r *Refresher) isFresh(t *Tokens) bool {
	ahead := cmp.Or(r.Ahead, defaultAhead)
	if half := time.Duration(t.ExpiresIn) * time.Second / 2; half > 0 {
		ahead = min(ahead, half)
	}
	return t.goodAt(r.Client.config.Now().Add(ahead))
}

func (r *Refresher) isGood(t *Tokens) bool { return t.goodAt(r.Client.config.Now()) }

// goodAt takes a token whose end is not known for good.
func (t *Tokens) goodAt(at time.Time) bool {
	return t != nil && t.Token != nil && t.AccessToken != "" && (t.Expiry.IsZero() || at.Before(t.Expiry))
}

// storeError says that the tokens could not be loaded or saved.
type storeError struct{ err error }

func (e *storeError) Error() string { return fmt.Sprintf("the token store: %v", e.err) }
func (e *storeError) Unwrap() error { return e.err }

// Temporary tells that the same call may succeed later.
func (e *storeError) Temporary() bool { return true }
