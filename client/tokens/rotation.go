package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/countersign/countersign/client"
)

// A refresh under a lease. The request must end before the lease, so that its result is saved
// while no other process can refresh.
const (
	leaseTime   = 16 * time.Second
	requestTime = 12 * time.Second
	renewTime   = 2 * leaseTime          // limits the wait for a lease, and the save of its holder; a process that has ended still has its lease
	patience    = time.Second            // for a caller whose tokens are still valid
	firstPause  = 20 * time.Millisecond  // between two looks at another caller's refresh
	longPause   = 500 * time.Millisecond // the longest
)

// renew refreshes old, or returns the result of another caller's refresh. A refresh continues
// after its callers have left, because its response must not be lost.
func (r *Refresher) renew(ctx context.Context, key string, old *client.Tokens) (*client.Tokens, error) {
	c := r.calls.join(key, func() (*client.Tokens, error) { return r.renewOnce(context.WithoutCancel(ctx), key, old) })
	select {
	case <-c.done:
		if c.panicked != nil {
			panic(c.panicked)
		}
		return c.tokens, c.err
	case <-ctx.Done():
		return nil, client.NewError(client.StepToken, &tooLate{ctx.Err()})
	}
}

// renewSoon is renew for a caller whose tokens are still valid.
func (r *Refresher) renewSoon(ctx context.Context, key string, old *client.Tokens) (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.renew(ctx, key, old)
}

// renewOnce waits for the lease, or for the tokens of the holder of the lease. The time for the
// refresh starts when the lease is acquired.
func (r *Refresher) renewOnce(ctx context.Context, key string, old *client.Tokens) (*client.Tokens, error) {
	waiting, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	if err := r.prepare(waiting); err != nil {
		return nil, err
	}
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		began := time.Now()
		release, held, err := r.leases().Acquire(waiting, "refresh:"+key, leaseTime)
		if err != nil {
			return nil, client.NewError(stepStored, &storeError{err})
		}
		if held {
			defer release()
			return r.renewHeld(ctx, began.Add(requestTime), key, old)
		}
		if err := sleep(waiting, pause); err != nil {
			return nil, client.NewError(client.StepToken, &tooLate{err})
		}
		if t, err := r.load(waiting, key); err != nil || r.replaces(t, old) {
			return t, err
		}
	}
}

// prepare fetches the server's metadata first, so that the lease covers only the refresh.
func (r *Refresher) prepare(ctx context.Context) error {
	if r.Fetch != nil {
		return nil
	}
	_, err := r.Client.Metadata(ctx)
	return err
}

// renewHeld refreshes the tokens in the store while it holds the lease.
func (r *Refresher) renewHeld(ctx context.Context, until time.Time, key string, old *client.Tokens) (*client.Tokens, error) {
	ctx, cancel := context.WithTimeout(ctx, renewTime)
	defer cancel()
	current, err := r.load(ctx, key)
	if err != nil || r.replaces(current, old) {
		return current, err
	}
	fresh, failure := r.fetch(ctx, until, current)
	kept, err := r.settleAtLast(ctx, key, current, fresh, failure)
	switch {
	case err != nil:
		return nil, err
	case kept != fresh:
		return kept, nil
	case failure != nil:
		return nil, failure
	case !r.isGood(fresh):
		return nil, client.NewError(client.StepToken, errors.New("the new access token has expired already: compare the clocks, or increase the lifetime at the server"))
	}
	if r.Renewed != nil {
		r.Renewed(ctx, key, fresh)
	}
	return fresh, nil
}

// fetch sends the one request. With an error it returns the tokens that must be kept
// nevertheless.
func (r *Refresher) fetch(ctx context.Context, until time.Time, current *client.Tokens) (*client.Tokens, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if r.Fetch == nil {
		return r.refresh(ctx, current)
	}
	t, err := r.Fetch(ctx, current)
	if err == nil && (t == nil || t.Token == nil || t.AccessToken == "") {
		err = client.NewError(client.StepToken, errors.New("Refresher.Fetch returned no access token"))
	}
	if err != nil {
		return nil, err
	}
	fresh := *t
	fresh.Refreshed = true
	return &fresh, nil
}

// refresh is fetch with the refresh token. If the ID token that came with new tokens could not be
// checked yet, the old tokens stay. Only the refresh token is replaced, because the server may have
// invalidated the old one.
func (r *Refresher) refresh(ctx context.Context, current *client.Tokens) (*client.Tokens, error) {
	if current.RefreshToken == "" {
		return nil, client.NewError(stepStored, fmt.Errorf("%w: the stored tokens have no refresh token", ErrLoginRequired))
	}
	t, err := r.Client.Refresh(ctx, current)
	if err == nil {
		return t, nil
	}
	var step *client.Error
	if !errors.As(err, &step) || step.RefreshToken() == "" || !step.Temporary() {
		return nil, err
	}
	kept, token := *current, *current.Token
	token.RefreshToken, kept.Token = step.RefreshToken(), &token
	return &kept, err
}

// settleAtLast tries more than once, because the old tokens are no longer usable.
func (r *Refresher) settleAtLast(ctx context.Context, key string, current, fresh *client.Tokens, failure error) (kept *client.Tokens, err error) {
	for pause := firstPause; pause <= time.Second; pause *= 3 {
		var down *storeError
		if kept, err = r.settle(ctx, key, current, fresh, failure); !errors.As(err, &down) || sleep(ctx, pause) != nil {
			break
		}
	}
	return kept, err
}

// settle saves the result of refreshing current, or deletes it. It changes nothing if a logout
// or another login has changed the store in the meantime. It returns what is in the store then.
func (r *Refresher) settle(ctx context.Context, key string, current, fresh *client.Tokens, failure error) (*client.Tokens, error) {
	switch now, err := r.load(ctx, key); {
	case err != nil:
		return nil, err
	case now != nil && !sameTokens(now, current) && !sameTokens(now, fresh):
		return now, nil
	case fresh == nil:
		return nil, r.ended(ctx, key, failure)
	}
	if err := r.save(ctx, key, fresh); err != nil {
		return nil, err
	}
	return fresh, r.stillWanted(ctx, key)
}

// stillWanted deletes what was saved for a login that was forgotten in the meantime. Forget
// writes its marker before it deletes, so a later save finds the marker.
func (r *Refresher) stillWanted(ctx context.Context, key string) error {
	if r.Fetch != nil {
		return nil
	}
	word, err := r.store().Load(ctx, forgottenKey(key))
	if err == nil && word != nil {
		if err = r.store().Delete(ctx, key); err == nil {
			return client.NewError(client.StepToken, fmt.Errorf("%w: the login ended during the refresh", ErrLoginRequired))
		}
	}
	if err != nil {
		return client.NewError(stepStored, &storeError{err})
	}
	return nil
}

// replaces reports whether another caller has refreshed old in the meantime.
func (r *Refresher) replaces(t, old *client.Tokens) bool { return r.isGood(t) && !sameTokens(t, old) }

func sameTokens(a, b *client.Tokens) bool {
	if a == nil || b == nil || a.Token == nil || b.Token == nil {
		return a == b
	}
	return a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken
}

// ended deletes tokens that cannot be refreshed any more, so that no caller tries again.
func (r *Refresher) ended(ctx context.Context, key string, err error) error {
	if r.Fetch != nil || !endsLogin(err) {
		return err
	}
	if gone := r.store().Delete(ctx, key); gone != nil {
		err = errors.Join(err, &storeError{gone})
	}
	return client.NewError(client.StepToken, fmt.Errorf("%w: %w", ErrLoginRequired, err))
}

// endsLogin reports whether a refresh token is no longer usable.
func endsLogin(err error) bool {
	var step *client.Error
	return errors.As(err, &step) && step.EndsLogin()
}

// stepStored is the step of an error of the stored tokens. No request of this step is sent.
const stepStored client.Step = "stored tokens"

// load returns the stored tokens of a login. Missing or unreadable tokens are not an error if
// Fetch works without old tokens.
func (r *Refresher) load(ctx context.Context, key string) (*client.Tokens, error) {
	value, err := r.store().Load(ctx, key)
	if err != nil {
		return nil, client.NewError(stepStored, &storeError{err})
	}
	t, err := r.read(value)
	switch {
	case err == nil:
		return t, nil
	case r.Fetch != nil:
		return nil, nil
	}
	return nil, client.NewError(stepStored, fmt.Errorf("%w: %w", ErrLoginRequired, err))
}

// readTokens caches the last decoded value: a program with one login reads the same value again
// and again.
type readTokens struct {
	value  []byte
	tokens *client.Tokens
}

func (r *Refresher) read(value []byte) (*client.Tokens, error) {
	if last := r.last.Load(); last != nil && bytes.Equal(last.value, value) {
		return copied(last.tokens), nil
	}
	t, err := readKept(value)
	if err == nil {
		r.last.Store(&readTokens{bytes.Clone(value), copied(t)})
	}
	return t, err
}

func readKept(value []byte) (*client.Tokens, error) {
	if len(value) == 0 {
		return nil, errors.New("no tokens are stored under this key: sign the user in, then call Refresher.Add")
	}
	kept := &Stored{}
	if err := json.Unmarshal(value, kept); err != nil {
		return nil, errors.New("the stored tokens are malformed: sign the user in, then call Refresher.Add")
	}
	return kept.Tokens()
}

func (r *Refresher) save(ctx context.Context, key string, t *client.Tokens) error {
	value, err := json.Marshal(ToStore(t))
	if err != nil {
		return client.NewError(client.StepToken, err)
	}
	if err := r.store().Save(ctx, key, value, r.keepUntil(t)); err != nil {
		return client.NewError(stepStored, &storeError{err})
	}
	return nil
}

// keepUntil returns the time until which the tokens are stored.
func (r *Refresher) keepUntil(t *client.Tokens) time.Time {
	if t.RefreshToken == "" && !t.Expiry.IsZero() {
		return t.Expiry
	}
	if r.Lifetime > 0 {
		return r.now().Add(r.Lifetime)
	}
	return r.now().Add(defaultLifetime)
}

// sleep waits for about d.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tooLate says that a caller stopped waiting before a refresh ended.
type tooLate struct{ err error }

func (e *tooLate) Error() string { return "another call is refreshing the tokens: " + e.err.Error() }
func (e *tooLate) Unwrap() error { return e.err }

// Temporary reports that the same call may succeed later.
func (e *tooLate) Temporary() bool { return true }
