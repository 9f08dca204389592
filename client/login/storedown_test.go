package login_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// shaky is a Store that can be down.
type shaky struct {
	login.Memory
	down  atomic.Bool
	stuck atomic.Bool // it deletes nothing
	calls atomic.Int64
}

var errDown = errors.New("the connection is refused")

func (s *shaky) check() error {
	s.calls.Add(1)
	if s.down.Load() {
		return errDown
	}
	return nil
}

func (s *shaky) Load(ctx context.Context, key string) ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Memory.Load(ctx, key)
}

func (s *shaky) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Save(ctx, key, value, until)
}

func (s *shaky) Delete(ctx context.Context, key string) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.stuck.Load() {
		return errDown
	}
	return s.Memory.Delete(ctx, key)
}

func (s *shaky) Link(ctx context.Context, index, key string, until time.Time) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Link(ctx, index, key, until)
}

func (s *shaky) Linked(ctx context.Context, index string) ([]string, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	return s.Memory.Linked(ctx, index)
}

func (s *shaky) Unlink(ctx context.Context, index, key string) error {
	if err := s.check(); err != nil {
		return err
	}
	return s.Memory.Unlink(ctx, index, key)
}

func (s *shaky) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if err := s.check(); err != nil {
		return false, err
	}
	return s.Memory.Once(ctx, key, until)
}

func (s *shaky) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if err := s.check(); err != nil {
		return func() {}, false, err
	}
	return s.Memory.Acquire(ctx, key, d)
}

// TestStoreDown: while the Store is down, the response is 503, no visitor has access, and no code
// is sent. Afterwards everything works again.
func TestStoreDown(t *testing.T) {
	store := &shaky{}
	a := start(t, setting{config: func(c *login.Config) { c.Store, c.KeepTokens = store, true }})
	b, late := a.browser(t), a.browser(t)
	b.signIn(a)
	callback := late.begin(a, "/private/late")
	posts := a.as.Hits("/token")

	store.down.Store(true)
	b.want(b.get(a.URL+"/private/"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/token"), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/callback?state=x&code=y"), 503, "temporarily_unavailable")
	late.want(late.still().get(callback), 503, "temporarily_unavailable")
	if a.as.Hits("/token") != posts {
		t.Error("a code was sent that nobody could consume")
	}
	kept := b.cookie(a, "__Host-login")
	b.want(b.post(a.URL+"/logout", url.Values{}), 503, "temporarily_unavailable")
	b.want(b.get(a.URL+"/"), 200, "nobody") // the cookie was removed

	store.down.Store(false)
	b.plant(a, "__Host-login", kept)
	b.want(b.get(a.URL+"/"), 200, "alice")
	late.signIn(a)
	if strings.Contains(a.log.String(), "canary") {
		t.Error("LOG-01: a secret is in the log")
	}
}

// TestStoreDownAtEachCall: the Store fails at one of the callback's calls. The visitor is not
// signed in, and the callback can be repeated.
func TestStoreDownAtEachCall(t *testing.T) {
	for n := range 20 {
		store := &failsAt{at: int64(n)}
		a := start(t, setting{config: func(c *login.Config) { c.Store, c.KeepTokens = store, true }})
		b := a.browser(t)
		got := b.still().get(b.begin(a, "/login"))
		if store.calls.Load() <= int64(n) {
			if got.status != 303 || n < 4 {
				t.Errorf("%d after %d calls", got.status, n)
			}
			return
		}
		b.want(got, 503, "temporarily_unavailable")
		b.want(b.get(a.URL+"/"), 200, "nobody")
	}
	t.Error("a login takes more than 20 calls of the Store")
}

// failsAt is a Store of which one call fails.
type failsAt struct {
	shaky
	at int64
}

func (s *failsAt) fail() { s.down.Store(s.calls.Load() == s.at) }

func (s *failsAt) Load(ctx context.Context, key string) ([]byte, error) {
	s.fail()
	return s.shaky.Load(ctx, key)
}

func (s *failsAt) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	s.fail()
	return s.shaky.Save(ctx, key, value, until)
}

func (s *failsAt) Delete(ctx context.Context, key string) error {
	s.fail()
	return s.shaky.Delete(ctx, key)
}

func (s *failsAt) Link(ctx context.Context, index, key string, until time.Time) error {
	s.fail()
	return s.shaky.Link(ctx, index, key, until)
}

func (s *failsAt) Linked(ctx context.Context, index string) ([]string, error) {
	s.fail()
	return s.shaky.Linked(ctx, index)
}

func (s *failsAt) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	s.fail()
	return s.shaky.Once(ctx, key, until)
}
