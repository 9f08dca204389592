package login_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// standing is a fault of a store that remains until the operator acts, or that may pass.
type standing struct{ temporary bool }

func (standing) Error() string     { return "the store rejects the password" }
func (s standing) Temporary() bool { return s.temporary }

// lockedStore is a Memory whose calls fail from a moment on.
type lockedStore struct {
	login.Memory
	err error
}

func (s *lockedStore) Load(ctx context.Context, key string) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	return s.Memory.Load(ctx, key)
}

func (s *lockedStore) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if s.err != nil {
		return false, s.err
	}
	return s.Memory.Once(ctx, key, until)
}

// TestStandingFaultOfStore: a fault of the Store that only the operator can fix has no link to try
// again. A fault that may pass has one. Both are ERROR.
func TestStandingFaultOfStore(t *testing.T) {
	for temporary, code := range map[bool]string{true: "temporarily_unavailable", false: "configuration_error"} {
		status := map[bool]int{true: http.StatusServiceUnavailable, false: http.StatusInternalServerError}[temporary]
		store := &lockedStore{}
		a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
		b := a.browser(t)
		b.signIn(a)
		callback := a.browser(t)
		at := callback.begin(a, "/private/")
		store.err = standing{temporary}
		for where, p := range map[string]page{"a page": b.get(a.URL + "/private/"), "the callback": callback.get(at)} {
			b.want(p, status, code)
			if strings.Contains(p.body, `href="/login`) != temporary {
				t.Errorf("%s: a link to sign in again at %s: %s", where, code, p.body)
			}
		}
		if log := a.log.String(); strings.Count(log, "level=ERROR") != 2 || !strings.Contains(log, "the store rejects the password") {
			t.Errorf("%s: %s", code, log)
		}
	}
}
