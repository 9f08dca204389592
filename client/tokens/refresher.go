package tokens

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/client"
)

// ErrLoginRequired says that a login has come to its end: its tokens cannot be
// refreshed, and the user has to sign in again.
var ErrLoginRequired = errors.New("a new login is required")

const (
	defaultAhead    = 30 * time.Second
	defaultLifetime = 30 * 24 * time.Hour
)

// Refresher keeps the tokens of logins fresh: each is refreshed once, however many
// goroutines and processes ask, because a server that rotates refresh tokens takes
// the second use of one for a theft (RFC 9700 §4.14.2). Client must be set. It may be
// used by many goroutines at once, and must not be copied.
type Refresher struct {
	unprinted[Refresher]

	Client *client.Client

	// Store has the tokens of each login under a key of the application's choice. nil
	// means the memory of this process.
	Store Store

	// Leases keeps other processes from refreshing the same tokens. It must be set if Store
	// is; LocalLeases is for a Store that no other process uses.
	Leases Leases

	// Ahead is how long before their end access tokens are refreshed. 0 means 30 seconds.
	Ahead time.Duration

	// Lifetime is how long a login is kept that nobody uses. 0 means 30 days.
	Lifetime time.Duration

	// Fetch gets new tokens; old is nil if there are none. nil means Client.Refresh. With
	// one that needs no old tokens (grant.ClientCredentials, say) no login is needed, and none
	// ends.
	Fetch func(ctx context.Context, old *client.Tokens) (*client.Tokens, error)

	// Renewed hears of new tokens once they are saved. nil means nobody.
	Renewed func(ctx context.Context, key string, t *client.Tokens)

	once   sync.Once
	now    func() time.Time // of Client
	memory memoryStore
	calls  calls
	last   atomic.Pointer[readTokens]
}

// Add begins to refresh the tokens of a login, stored under key.
func (r *Refresher) Add(ctx context.Context, key string, t *client.Tokens) error {
	if err := r.configured(); err != nil {
		return err
	}
	if t == nil || t.Token == nil {
		return errors.New("tokens: Refresher.Add: there are no tokens")
	}
	r.calls.forgive(key)
	if err := r.store().Delete(ctx, forgottenKey(key)); err != nil {
		return client.NewError(client.StepToken, &storeError{err})
	}
	return r.save(ctx, key, t)
}

// Forget ends a login: its tokens are forgotten, and a refresh under way brings none back. To
// have the server forget them too see [client.Client.Revoke].
func (r *Refresher) Forget(ctx context.Context, key string) error {
	if err := r.configured(); err != nil {
		return err
	}
	r.last.Store(nil)
	// A store may be too full for that, and must not keep anybody signed in.
	_ = r.store().Save(ctx, forgottenKey(key), []byte("1"), r.now().Add(forgottenTime))
	if err := r.store().Delete(ctx, key); err != nil {
		return client.NewError(client.StepToken, &storeError{err})
	}
	return nil
}

// forgottenKey is where Forget leaves word for a refresh that has looked for the tokens
// already, and saves new ones after they are gone.
func forgottenKey(key string) string { return "forgotten:" + key }

// forgottenTime is longer than a refresh under a lease takes.
const forgottenTime = 2 * renewTime

// Tokens gives the tokens of a login, refreshed if they end soon. What is good still is
// given also while a refresh is under way or fails. An error is an [*client.Error]; it wraps
// [ErrLoginRequired] if the login is over, and is Temporary if a later call may succeed.
func (r *Refresher) Tokens(ctx context.Context, key string) (*client.Tokens, error) {
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
func (r *Refresher) Renew(ctx context.Context, key string, rejected *client.Tokens) (*client.Tokens, error) {
	if err := r.configured(); err != nil {
		return nil, err
	}
	return r.renew(ctx, key, rejected)
}

// Source gives the tokens of one login.
func (r *Refresher) Source(key string) Source { return &source{refresher: r, key: key} }

func (r *Refresher) configured() error {
	switch {
	case r.Client == nil:
		return errors.New("tokens: Refresher.Client is nil")
	case r.clock() == nil:
		return errors.New("tokens: Refresher.Client: the Client was not made by New")
	case r.Store != nil && r.Leases == nil:
		return errors.New("tokens: Refresher.Leases is nil; for a Store that one process uses say LocalLeases")
	case r.Ahead < 0 || r.Lifetime < 0:
		return errors.New("tokens: Refresher.Ahead or Refresher.Lifetime is negative")
	}
	return nil
}

// clock is the client's; nil of a Client that New has not made.
func (r *Refresher) clock() func() time.Time {
	r.once.Do(func() { r.now = r.Client.Config().Now; r.memory.now = r.now })
	return r.now
}

func (r *Refresher) store() Store {
	if r.Store != nil {
		return r.Store
	}
	return &r.memory
}

func (r *Refresher) leases() Leases {
	if r.Leases != nil {
		return r.Leases
	}
	return LocalLeases{}
}

// isFresh tells whether t will do for a while: half of its life at most, or tokens of a
// short life would be refreshed all the time.
func (r *Refresher) isFresh(t *client.Tokens) bool {
	ahead := cmp.Or(r.Ahead, defaultAhead)
	if half := time.Duration(t.ExpiresIn) * time.Second / 2; half > 0 {
		ahead = min(ahead, half)
	}
	return goodAt(t, r.now().Add(ahead))
}

func (r *Refresher) isGood(t *client.Tokens) bool { return goodAt(t, r.now()) }

// goodAt takes a token whose end is not known for good.
func goodAt(t *client.Tokens, at time.Time) bool {
	return t != nil && t.Token != nil && t.AccessToken != "" && (t.Expiry.IsZero() || at.Before(t.Expiry))
}

// storeError says that the tokens could not be loaded or saved.
type storeError struct{ err error }

func (e *storeError) Error() string { return fmt.Sprintf("the token store: %v", e.err) }
func (e *storeError) Unwrap() error { return e.err }

// Temporary tells that the same call may succeed later.
func (e *storeError) Temporary() bool { return true }
