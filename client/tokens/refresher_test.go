package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// ending returns the tokens of a login that expire in d.
func ending(d time.Duration) *client.Tokens {
	return &client.Tokens{Token: &oauth2.Token{
		AccessToken: "canary-access-0", TokenType: "Bearer", RefreshToken: "canary-refresh-0", Expiry: time.Now().Add(d),
	}, Scopes: []string{"openid"}}
}

// refresher has the tokens of one login, "alice".
func refresher(t *testing.T, s *optest.Server, issued *client.Tokens) *tokens.Refresher {
	t.Helper()
	r := &tokens.Refresher{Client: newClient(t, config(s))}
	if err := r.Add(t.Context(), "alice", issued); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRefreshOnce: 100 goroutines request expired tokens. There is one request to the server, and
// all get the new tokens.
func TestRefreshOnce(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	r := refresher(t, s, ending(-time.Minute))
	var told atomic.Int32
	r.Renewed = func(context.Context, string, *client.Tokens) { told.Add(1) }
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-1" {
				t.Errorf("got %v, %v", tokens, err)
			}
		})
	}
	wg.Wait()
	if rotation.Posts() != 1 || told.Load() != 1 {
		t.Errorf("%d requests, and the application was told %d times; want 1 and 1", rotation.Posts(), told.Load())
	}
}

// TestAhead: tokens that expire soon are refreshed, others are not. "Soon" is at most half of the
// lifetime.
func TestAhead(t *testing.T) {
	for _, test := range []struct {
		name      string
		in        time.Duration
		lifetime  int64
		ahead     time.Duration
		refreshed bool
	}{
		{"in an hour", time.Hour, 3600, 0, false},
		{"in 20 seconds", 20 * time.Second, 3600, 0, true},
		{"in 20 seconds of 30", 20 * time.Second, 30, 0, false},
		{"in an hour, two ahead", time.Hour, 7 * 3600, 2 * time.Hour, true},
		{"ended", -time.Second, 3600, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			rotation := s.RotateRefreshTokens()
			old := ending(test.in)
			old.ExpiresIn = test.lifetime
			r := refresher(t, s, old)
			r.Ahead = test.ahead
			tokens, err := r.Tokens(t.Context(), "alice")
			if err != nil || (tokens.AccessToken != "canary-access-0") != test.refreshed || (rotation.Posts() > 0) != test.refreshed {
				t.Errorf("got %v, %v after %d requests", tokens, err, rotation.Posts())
			}
		})
	}
}

// TestRefreshFails: while the server fails, valid tokens are returned. Expired ones are a
// temporary error, with at most one request a second.
func TestRefreshFails(t *testing.T) {
	for _, test := range []struct {
		name   string
		in     time.Duration
		answer http.HandlerFunc
		good   bool
	}{
		{"500, good still", 10 * time.Second, status(500), true},
		{"500, ended", -time.Second, status(500), false},
		{"429 with Retry-After", -time.Second, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "20")
			status(429)(w, r)
		}, false},
		{"cut", -time.Second, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Replace("/token", test.answer)
			r := refresher(t, s, ending(test.in))
			for range 20 {
				issued, err := r.Tokens(t.Context(), "alice")
				if test.good {
					if err != nil || issued.AccessToken != "canary-access-0" {
						t.Fatalf("got %v, %v", issued, err)
					}
					continue
				}
				var e *client.Error
				if issued != nil || !errors.As(err, &e) || !e.Temporary() || errors.Is(err, tokens.ErrLoginRequired) {
					t.Fatalf("got %v, %v", issued, err)
				}
			}
			if s.Hits("/token") != 1 {
				t.Errorf("%d requests, want 1", s.Hits("/token"))
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// TestLoginEnds: after the server has rejected the refresh token, a new login is required, and no
// further request is sent.
func TestLoginEnds(t *testing.T) {
	answer := func(code int, body map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, code, body) }
	}
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		ends   bool
	}{
		{"invalid_grant", answer(400, map[string]any{"error": "invalid_grant"}), true},
		{"an answer that must not be taken", answer(200, map[string]any{"access_token": "canary-a", "token_type": "mac"}), true},
		{"an ID token out of nowhere", answer(200, map[string]any{"access_token": "canary-a", "token_type": "Bearer", "id_token": "x"}), true},
		{"invalid_client", answer(401, map[string]any{"error": "invalid_client"}), false},
		{"unauthorized_client", answer(400, map[string]any{"error": "unauthorized_client"}), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Replace("/token", test.answer)
			r := refresher(t, s, ending(-time.Second))
			for range 5 {
				var e *client.Error
				_, err := r.Tokens(t.Context(), "alice")
				if !errors.As(err, &e) || errors.Is(err, tokens.ErrLoginRequired) != test.ends {
					t.Fatalf("got %v", err)
				}
			}
			if s.Hits("/token") != 1 {
				t.Errorf("%d requests, want 1", s.Hits("/token"))
			}
		})
	}
}

// TestLostAnswer: the server has rotated the refresh token, and its response was lost. The next
// refresh ends the login, and is the last one.
func TestLostAnswer(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	var arrives atomic.Bool
	rotation.After = func() {
		if !arrives.Load() {
			panic(http.ErrAbortHandler)
		}
	}
	r := refresher(t, s, ending(-time.Second))
	if _, err := r.Tokens(t.Context(), "alice"); err == nil || errors.Is(err, tokens.ErrLoginRequired) {
		t.Fatalf("the first answer is lost, and the error is %v", err)
	}
	arrives.Store(true)
	again := &tokens.Refresher{Client: r.Client, Store: storeOf(t, ending(-time.Second)), Leases: tokens.LocalLeases{}}
	for range 5 {
		if _, err := again.Tokens(t.Context(), "alice"); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Fatalf("got %v", err)
		}
	}
	if rotation.Posts() != 2 {
		t.Errorf("%d requests, want 2", rotation.Posts())
	}
}

// TestCallerLeaves: a caller whose context ends returns at once. The refresh continues.
func TestCallerLeaves(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	arrived, goOn := make(chan struct{}), make(chan struct{})
	rotation.Before = func() { close(arrived); <-goOn }
	r := refresher(t, s, ending(-time.Second))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	var e *client.Error
	if _, err := r.Tokens(ctx, "alice"); !errors.As(err, &e) || !e.Temporary() || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(goOn)
	if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-1" || rotation.Posts() != 1 {
		t.Errorf("got %v, %v after %d requests", tokens, err, rotation.Posts())
	}
}

// TestRenew refreshes a token that an API rejected, unless there is a new one already.
func TestRenew(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	old := ending(time.Hour)
	r := refresher(t, s, old)
	for range 3 {
		tokens, err := r.Renew(t.Context(), "alice", old)
		if err != nil || tokens.AccessToken != "canary-access-1" || rotation.Posts() != 1 {
			t.Fatalf("got %v, %v after %d requests", tokens, err, rotation.Posts())
		}
	}
}

// TestFetch: Fetch gets tokens without a login, and gets new ones before they expire.
func TestFetch(t *testing.T) {
	s := optest.New(t)
	var n int
	r := &tokens.Refresher{Client: newClient(t, config(s)), Fetch: func(_ context.Context, old *client.Tokens) (*client.Tokens, error) {
		if n++; (old == nil) != (n == 1) {
			t.Errorf("fetch %d with the old tokens %v", n, old)
		}
		return &client.Tokens{Token: &oauth2.Token{AccessToken: fmt.Sprint("canary-", n), Expiry: time.Now().Add(20 * time.Second)}}, nil
	}}
	for want := 1; want <= 2; want++ {
		tokens, err := r.Tokens(t.Context(), "")
		if err != nil || tokens.AccessToken != fmt.Sprint("canary-", want) {
			t.Fatalf("got %v, %v", tokens, err)
		}
	}
	r.Fetch = func(context.Context, *client.Tokens) (*client.Tokens, error) { return nil, nil }
	other := &tokens.Refresher{Client: r.Client, Fetch: r.Fetch}
	if tokens, err := other.Tokens(t.Context(), ""); tokens != nil || err == nil {
		t.Errorf("no tokens, no error: got %v, %v", tokens, err)
	}
}

// TestRefresherStoreDown: no refresh is sent while its result could not be saved.
func TestRefresherStoreDown(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	for _, test := range []struct {
		name   string
		store  failing
		leases tokens.Leases
		posts  int
	}{
		{"load", failing{load: true}, tokens.LocalLeases{}, 0},
		{"lease", failing{}, noLeases{}, 0},
		{"save", failing{save: true}, tokens.LocalLeases{}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := rotation.Posts()
			test.store.Store = storeOf(t, ending(-time.Second))
			r := &tokens.Refresher{Client: newClient(t, config(s)), Store: test.store, Leases: test.leases}
			tokens, err := r.Tokens(t.Context(), "alice")
			var e *client.Error
			if tokens != nil || !errors.As(err, &e) || !e.Temporary() || rotation.Posts()-before != test.posts {
				t.Errorf("got %v, %v after %d requests", tokens, err, rotation.Posts()-before)
			}
		})
	}
}

// TestSavedAtLast: the store fails for a moment during the refresh. The new tokens are saved
// afterwards.
func TestSavedAtLast(t *testing.T) {
	s := optest.New(t)
	s.RotateRefreshTokens()
	for op := 3; op <= 5; op++ { // the load after the request, the save, and the check for a logout
		flaky := &flaky{store: storeOf(t, ending(-time.Second)), fails: op}
		r := &tokens.Refresher{Client: newClient(t, config(s)), Store: flaky, Leases: tokens.LocalLeases{}}
		first, err := r.Tokens(t.Context(), "alice")
		if err != nil {
			t.Fatalf("operation %d fails: %v", op, err)
		}
		if again, err := r.Tokens(t.Context(), "alice"); err != nil || again.AccessToken != first.AccessToken {
			t.Errorf("operation %d fails: then %v, %v", op, again, err)
		}
		s.RotateRefreshTokens()
	}
}

// TestRefresherConfigured: the error contains the missing field.
func TestRefresherConfigured(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for _, r := range []*tokens.Refresher{
		{}, {Client: c, Store: storeOf(t, ending(0))}, {Client: c, Ahead: -1}, {Client: c, Lifetime: -1},
	} {
		if _, err := r.Tokens(t.Context(), "alice"); err == nil || errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("got %v", err)
		}
		if r.Add(t.Context(), "alice", ending(0)) == nil || r.Forget(t.Context(), "alice") == nil {
			t.Error("a Refresher that is not configured keeps or forgets")
		}
	}
	if _, err := tokens.NewSource(c, nil); err == nil {
		t.Error("the store has no tokens for this login")
	}
}

// TestOAuth2 returns tokens to golang.org/x/oauth2, but none that needs a proof.
func TestOAuth2(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for kind, good := range map[string]bool{"Bearer": true, "DPoP": false} {
		issued := ending(time.Hour)
		issued.TokenType = kind
		source, err := tokens.NewSource(c, issued)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tokens.OAuth2(t.Context(), source).Token(); (err == nil) != good || good && got.AccessToken != issued.AccessToken {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
