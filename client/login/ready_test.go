package login_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestReady: Ready returns an error if no user can sign in.
func TestReady(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		if err := start(t, set).login.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
	as := optest.New(t)
	b := start(t, setting{as: as})
	as.Edit = func(m map[string]any) { m["issuer"] = "https://other.example" }
	if err := b.login.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), `Clients["main"]`) || !strings.Contains(err.Error(), "https://other.example") {
		t.Errorf("a server with another name: %v", err)
	}
	store := &shaky{}
	a := start(t, setting{config: func(c *login.Config) { c.Store = store }})
	store.down.Store(true)
	if err := a.login.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "Config.Store") {
		t.Errorf("%v", err)
	}
	store.down.Store(false)
	if err := a.login.Ready(t.Context()); err != nil {
		t.Errorf("it does not recover: %v", err)
	}
}
