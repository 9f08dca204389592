package login_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// A Store that calls a function during the first calls for a session.
type meanwhile struct {
	shaky
	before, after, deleted func() // a Save of a session, and a Delete
}

func (m *meanwhile) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if !strings.HasPrefix(key, "session:") {
		return m.shaky.Save(ctx, key, value, until)
	}
	m.before()
	err := m.shaky.Save(ctx, key, value, until)
	m.after()
	return err
}

func (m *meanwhile) Delete(ctx context.Context, key string) error {
	err := m.shaky.Delete(ctx, key)
	m.deleted()
	return err
}

// wait has a time limit. After it the test fails.
func wait(done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(time.Minute):
	}
}

// TestBackchannelMeanwhile is LO-02: a logout also ends a session that begins at the same moment.
func TestBackchannelMeanwhile(t *testing.T) {
	nothing := func() {}
	for name, arrange := range map[string]func(m *meanwhile, end func(), done <-chan struct{}){
		"before it is saved": func(m *meanwhile, end func(), _ <-chan struct{}) { m.before = end },
		"after it was saved": func(m *meanwhile, end func(), _ <-chan struct{}) { m.after = end },
		"around it": func(m *meanwhile, end func(), done <-chan struct{}) {
			deleted := make(chan struct{})
			m.before = func() {
				go end()
				wait(deleted)
			}
			var began atomic.Bool
			m.deleted = func() {
				if began.CompareAndSwap(false, true) {
					close(deleted)
					wait(done) // the login has ended, and the logout continues
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &meanwhile{before: nothing, after: nothing, deleted: nothing}
			a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
			withSession(a.as, "s1")
			b, server := a.browser(t), a.browser(t)
			callback := b.begin(a, "/login")
			over, ended := make(chan struct{}), make(chan struct{})
			arrange(store, sync.OnceFunc(func() { // none is older than the login that it ends
				token := logoutToken(a.as, func(m map[string]any) { m["sid"] = "s1" })
				server.want(server.post(a.URL+"/backchannel", token), 200, "")
				close(ended)
			}), over)
			b.still().get(callback)
			close(over)
			wait(ended)
			b.want(b.get(a.URL+"/"), 200, "nobody")
			store.before, store.after, store.deleted = nothing, nothing, nothing
			withSession(a.as, "s2")
			b.signIn(a)
		})
	}
}
