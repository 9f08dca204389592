package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// fetcher returns a Refresher that gets its tokens from a function.
func fetcher(t *testing.T, fetch func(context.Context) (*client.Tokens, error)) *tokens.Refresher {
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "robot", Auth: auth.Secret("canary-secret")})
	if err != nil {
		t.Fatal(err)
	}
	return &tokens.Refresher{Client: c, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) { return fetch(ctx) }}
}

// TestRetryAfterLimit: a process repeats a request after a second, or after the server's
// Retry-After, but after a minute at most.
func TestRetryAfterLimit(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{0: time.Second, 20 * time.Second: 20 * time.Second, time.Hour: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			calls := 0
			r := fetcher(t, func(context.Context) (*client.Tokens, error) {
				calls++
				return nil, client.NewError(client.StepToken, &client.TokenError{Status: 429, RetryAfter: asked, Err: errors.New("busy")})
			})
			r.Tokens(t.Context(), "robot")
			time.Sleep(want - time.Millisecond)
			r.Tokens(t.Context(), "robot")
			if calls != 1 {
				t.Errorf("Retry-After %v: %d calls within %v, want 1", asked, calls, want)
			}
			time.Sleep(2 * time.Millisecond)
			r.Tokens(t.Context(), "robot")
			if calls != 2 {
				t.Errorf("Retry-After %v: %d calls after %v, want 2", asked, calls, want)
			}
		})
	}
}

// leases records the duration of leases.
type leases struct{ longest time.Duration }

func (l *leases) Acquire(_ context.Context, _ string, d time.Duration) (func(), bool, error) {
	l.longest = max(l.longest, d)
	return func() {}, true, nil
}

// TestLeaseTime: a lease lasts 16 seconds, in case its process ends during a refresh. The request
// of the refresh ends before that.
func TestLeaseTime(t *testing.T) {
	var left time.Duration
	r := fetcher(t, func(ctx context.Context) (*client.Tokens, error) {
		if until, ok := ctx.Deadline(); ok {
			left = time.Until(until)
		}
		return &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-access", Expiry: time.Now().Add(time.Hour)}}, nil
	})
	l := &leases{}
	r.Leases = l
	if _, err := r.Tokens(t.Context(), "robot"); err != nil {
		t.Fatal(err)
	}
	if l.longest != 16*time.Second || left <= 0 || left > 12*time.Second {
		t.Errorf("a lease of %v, and a request of %v, want 16s and at most 12s", l.longest, left)
	}
}

// TestTransportTwice: a request is repeated once for a nonce and once for a new token. It is never
// sent a fourth time.
func TestTransportTwice(t *testing.T) {
	s := optest.New(t)
	s.Token = func(m map[string]any) { m["token_type"], m["refresh_token"] = "DPoP", "canary-refresh-0" }
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	c := newClient(t, cfg)
	issued, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	s.Replace("/token", answer(200, "application/json", `{"access_token":"canary-access-2","token_type":"DPoP","expires_in":300,"refresh_token":"canary-refresh-2"}`))
	var calls atomic.Int32
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		w.Header().Set("DPoP-Nonce", fmt.Sprint("nonce", calls.Add(1)))
		challenge(w, 401, []string{`DPoP error="use_dpop_nonce"`, `DPoP error="invalid_token"`}[(n-1)%2])
	})
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{a.URL}}}
	_, err = hc.Get(a.URL)
	var rejected *tokens.ChallengeError
	if !errors.As(err, &rejected) || calls.Load() != 3 {
		t.Errorf("%v after %d requests, want 3", err, calls.Load())
	}
}
