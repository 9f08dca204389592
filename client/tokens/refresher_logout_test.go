package tokens_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// TestLogoutWhileRefreshing: tokens that are forgotten during a refresh are not stored again, and
// another login is kept.
func TestLogoutWhileRefreshing(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(r *tokens.Refresher) error
		want string
	}{
		{"logout", func(r *tokens.Refresher) error { return r.Forget(context.Background(), "alice") }, ""},
		{"another login", func(r *tokens.Refresher) error {
			other := ending(time.Hour)
			other.AccessToken, other.RefreshToken = "canary-access-other", "canary-refresh-other"
			return r.Add(context.Background(), "alice", other)
		}, "canary-access-other"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			rotation := s.RotateRefreshTokens()
			r := refresher(t, s, ending(-time.Second))
			rotation.After = func() {
				if err := test.do(r); err != nil {
					t.Error(err)
				}
			}
			for range 2 {
				issued, err := r.Tokens(t.Context(), "alice")
				if test.want == "" && !errors.Is(err, tokens.ErrLoginRequired) {
					t.Fatalf("got %v, %v", issued, err)
				}
				if test.want != "" && (err != nil || issued.AccessToken != test.want) {
					t.Fatalf("got %v, %v", issued, err)
				}
			}
		})
	}
}

// TestLogoutWhileSaving: tokens that are forgotten during the save are not stored again. A later
// login under the same key is kept.
func TestLogoutWhileSaving(t *testing.T) {
	for _, before := range []bool{true, false} {
		s := optest.New(t)
		s.RotateRefreshTokens()
		store := &around{Store: storeOf(t, ending(-time.Second))}
		r := &tokens.Refresher{Client: newClient(t, config(s)), Store: store, Leases: tokens.LocalLeases{}}
		store.do = sync.OnceFunc(func() {
			if err := r.Forget(context.Background(), "alice"); err != nil {
				t.Error(err)
			}
		})
		store.before = before
		for range 2 {
			if issued, err := r.Tokens(t.Context(), "alice"); !errors.Is(err, tokens.ErrLoginRequired) {
				t.Errorf("before %t: got %v, %v", before, issued, err)
			}
		}
		kept(t, r, "canary-access-other")
		if tokens, err := r.Renew(t.Context(), "alice", nil); err != nil || tokens == nil {
			t.Errorf("before %t: the next login: %v", before, err)
		}
	}
}

// TestTokensAreTheCallersOwn: a change that one caller makes to its tokens does not affect another.
// The store's value is used, also if another process wrote it.
func TestTokensAreTheCallersOwn(t *testing.T) {
	store := storeOf(t, ending(time.Hour))
	r := &tokens.Refresher{Client: newClient(t, config(optest.New(t))), Store: store, Leases: tokens.LocalLeases{}}
	for range 3 {
		tokens, err := r.Tokens(t.Context(), "alice")
		if err != nil || tokens.AccessToken != "canary-access-0" {
			t.Fatalf("got %v, %v", tokens, err)
		}
		tokens.AccessToken, tokens.RefreshToken = "canary-changed", ""
	}
	other := &tokens.Refresher{Client: r.Client, Store: store, Leases: tokens.LocalLeases{}}
	kept(t, other, "canary-access-other")
	if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-other" {
		t.Errorf("what another process has saved: %v, %v", tokens, err)
	}
	if err := other.Forget(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Tokens(t.Context(), "alice"); !errors.Is(err, tokens.ErrLoginRequired) {
		t.Errorf("what another process has forgotten: %v", err)
	}
}

// around is a store that calls a function before or after tokens are saved.
type around struct {
	tokens.Store
	before bool
	do     func()
}

func (a *around) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if key == "alice" && a.before {
		a.do()
	}
	err := a.Store.Save(ctx, key, value, until)
	if key == "alice" && !a.before {
		a.do()
	}
	return err
}
