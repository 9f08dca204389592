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

// ErrLoginRequired says that a login has ended: its tokens cannot be refreshed, and the user
// must sign in again.
var ErrLoginRequired = errors.New("a new login is required")

const (
	defaultAhead    = 30 * time.Second
	defaultLifetime = 30 * 24 * time.Hour
)

// Refresher refreshes the tokens of logins before they expire. It refreshes each login once, for
// all goroutines and processes that need the new token. A server that rotates refresh tokens
// treats the second use of one as a theft (RFC 9700 §4.14.2). Client must be set. A Refresher is
// safe for concurrent use, and must not be copied.
type Refresher struct {
	unprinted[Refresher]

	// Client refreshes the tokens. It must be set.
	Client *client.Client

	// Store has the tokens of each login under a key that the application chooses. nil means the
	// memory of this process.
	Store Store

	// Leases prevents other processes from refreshing the same tokens. It must be set if Store
	// is set. LocalLeases is for a Store that no other process uses.
	Leases Leases

	// Ahead is how long before their expiry access tokens are refreshed. 0 means 30 seconds.
	Ahead time.Duration

	// Lifetime is how long an unused login is kept. 0 means 30 days.
	Lifetime time.Duration

	// Fetch gets new tokens. old is nil if no tokens are stored. nil means Client.Refresh. If Fetch
	// needs no old tokens (grant.ClientCredentials, for example), no login is required and none ends.
	Fetch func(ctx context.Context, old *client.Tokens) (*client.Tokens, error)

	// Renewed is called with new tokens after they are saved. nil means no call.
	Renewed func(ctx context.Context, key string, t *client.Tokens)

	once   sync.Once
	now    func() time.Time // of Client
	memory memoryStore
	calls  calls
	last   atomic.Pointer[readTokens]
}

// Add stores the tokens of a login under key, so that they are refreshed. An error of the Store
// is a [*client.Error] with the code "temporarily_unavailable". Any other error says that t has
// no tokens, or names a field that is not set.
func (r *Refresher) Add(ctx context.Context, key string, t *client.Tokens) error {
	if err := r.configured(); err != nil {
		return err
	}
	if t == nil || t.Token == nil {
		return errors.New("tokens: Refresher.Add: the tokens are nil")
	}
	r.calls.forgive(key)
	if err := r.store().Delete(ctx, forgottenKey(key)); err != nil {
		return client.NewError(stepStored, &storeError{err})
	}
	return r.save(ctx, key, t)
}

// Forget ends a login. It deletes the tokens, and a refresh in progress does not restore them,
// unless the Store failed to save a marker for it. To end them at the server too, see
// [client.Client.Revoke]. An error of the Store is a [*client.Error] with the code
// "temporarily_unavailable": call Forget again.
func (r *Refresher) Forget(ctx context.Context, key string) error {
	if err := r.configured(); err != nil {
		return err
	}
	r.last.Store(nil)
	// A full store must not keep a user signed in, so this error is ignored.
	_ = r.store().Save(ctx, forgottenKey(key), []byte("1"), r.now().Add(forgottenTime))
	if err := r.store().Delete(ctx, key); err != nil {
		return client.NewError(stepStored, &storeError{err})
	}
	return nil
}

// forgottenKey is the key of the marker that Forget writes. A refresh that loaded the tokens before
// Forget finds it after it has saved new ones.
func forgottenKey(key string) string { return "forgotten:" + key }

// forgottenTime is longer than the duration of a refresh under a lease.
const forgottenTime = 2 * renewTime

// Tokens returns the tokens of a login, refreshed if they expire soon. While a refresh is in
// progress, or if it fails, it returns the old tokens if they are still valid.
//
// An error is a [*client.Error], unless r is not configured. It has the codes of
// [client.Client.Refresh] or of Fetch. It wraps [ErrLoginRequired] if the login has ended: the
// user must sign in again. The code is "temporarily_unavailable" if the server, the Store or
// the Leases did not answer: call Tokens later.
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

// Renew refreshes the tokens of a login early, because an API has rejected the tokens rejected.
// If the login has other tokens by now, Renew returns those. It returns the errors of
// [Refresher.Tokens].
func (r *Refresher) Renew(ctx context.Context, key string, rejected *client.Tokens) (*client.Tokens, error) {
	if err := r.configured(); err != nil {
		return nil, err
	}
	return r.renew(ctx, key, rejected)
}

// Source returns a Source of the tokens of one login.
func (r *Refresher) Source(key string) Source { return &source{refresher: r, key: key} }

func (r *Refresher) configured() error {
	switch {
	case r.Client == nil:
		return errors.New("tokens: Refresher.Client is nil: set it")
	case r.clock() == nil:
		return errors.New("tokens: Refresher.Client is the zero value: create it with client.New")
	case r.Store != nil && r.Leases == nil:
		return errors.New("tokens: Refresher.Store is set, but Refresher.Leases is nil: set it. If only one process uses the Store, use LocalLeases")
	case r.Ahead < 0 || r.Lifetime < 0:
		return errors.New("tokens: Refresher.Ahead or Refresher.Lifetime is negative, expected 0 or more")
	}
	return nil
}

// clock returns the client's clock. It returns nil for a Client that New did not create.
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

// isFresh reports whether t needs no refresh yet. The margin is at most half of the lifetime.
// Otherwise short-lived tokens would be refreshed all the time.
func (r *Refresher) isFresh(t *client.Tokens) bool {
	ahead := cmp.Or(r.Ahead, defaultAhead)
	if half := time.Duration(t.ExpiresIn) * time.Second / 2; half > 0 {
		ahead = min(ahead, half)
	}
	return goodAt(t, r.now().Add(ahead))
}

func (r *Refresher) isGood(t *client.Tokens) bool { return goodAt(t, r.now()) }

// goodAt treats a token with unknown expiry as valid.
func goodAt(t *client.Tokens, at time.Time) bool {
	return t != nil && t.Token != nil && t.AccessToken != "" && (t.Expiry.IsZero() || at.Before(t.Expiry))
}

// storeError says that the tokens could not be loaded or saved.
type storeError struct{ err error }

func (e *storeError) Error() string { return fmt.Sprintf("the token store: %v", e.err) }
func (e *storeError) Unwrap() error { return e.err }

// Temporary reports that the same call may succeed later.
func (e *storeError) Temporary() bool { return true }
