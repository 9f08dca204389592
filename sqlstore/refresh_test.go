package sqlstore_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/sqlstore"
)

func newClient(issuer string) (*client.Client, error) {
	return client.New(client.Config{
		Issuer: issuer, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: "https://app.example/callback", Scopes: []string{"openid", "offline_access"},
	})
}

// refresh gets the issuer, and the tokens that an API has rejected. It requests new tokens many
// times at once, and returns a summary of the results.
func refresh(ctx context.Context, s *sqlstore.Store, line string) string {
	words := strings.Fields(line)
	issuer, rejected := words[0], &client.Tokens{Token: &oauth2.Token{AccessToken: words[1], RefreshToken: words[2]}}
	c, err := newClient(issuer)
	if err != nil {
		return err.Error()
	}
	r := &tokens.Refresher{Client: c, Store: s, Leases: s}
	return outcomes(20, func() string {
		got, err := r.Renew(ctx, "alice", rejected)
		if err != nil {
			return err.Error()
		}
		return got.AccessToken
	})
}

// signIn returns the tokens of a login. The refresh token can be used once.
func signIn(t *testing.T, i *issuertest.Issuer) (*client.Client, *client.Tokens) {
	t.Helper()
	c, err := newClient(i.URL)
	if err != nil {
		t.Fatal(err)
	}
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Finish(t.Context(), pending, i.SignIn(t, redirect))
	if err != nil || got.RefreshToken == "" {
		t.Fatal("no refresh token", err)
	}
	return c, got
}

// refreshes counts the requests with a refresh token that the issuer accepted and rejected.
func refreshes(i *issuertest.Issuer) (accepted, rejected int) {
	for _, e := range i.Exchanges(issuertest.TokenEndpoint) {
		if !strings.Contains(string(e.RequestBody), "grant_type=refresh_token") {
			continue
		}
		if e.Status == 200 {
			accepted++
		} else {
			rejected++
		}
	}
	return accepted, rejected
}

// TestRefresh: two and four processes request new tokens of one login at the same time. The
// server revokes the login if a refresh token is used twice. There is one request, and every
// process gets the tokens. REL-12
func TestRefresh(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for _, n := range []int{2, 4} {
			i := issuertest.New(t, issuertest.Config{PlainHTTP: true})
			c, first := signIn(t, i)
			s := d.open(t)
			if err := (&tokens.Refresher{Client: c, Store: s, Leases: s}).Add(t.Context(), "alice", first); err != nil {
				t.Fatal(err)
			}
			var all []*process
			for range n {
				all = append(all, startProcess(t, "refresh", d))
			}
			for _, p := range all {
				p.say(i.URL + " " + first.AccessToken + " " + first.RefreshToken)
			}
			for _, p := range all {
				if line := p.line(); strings.Contains(line, " ") || line == first.AccessToken {
					t.Errorf("of %d processes one has an error or different tokens: %.200s", n, strings.ReplaceAll(line, first.AccessToken, "the rejected token"))
				}
			}
			if accepted, rejected := refreshes(i); accepted != 1 || rejected != 0 {
				t.Errorf("%d processes: %d refreshes accepted, %d rejected; expected 1 and 0", n, accepted, rejected)
			}
		}
	})
}

// TestKilledInRefresh: PostgreSQL is killed while the issuer rotates the refresh token, so the
// new tokens cannot be stored. No caller gets tokens that were not stored. After the restart the
// login continues, or ends with ErrLoginRequired. There is no loop of requests to the issuer.
func TestKilledInRefresh(t *testing.T) {
	t.Parallel()
	d := ownPostgres(t)
	var armed sync.Once
	kill := func() {}
	i := issuertest.New(t, issuertest.Config{PlainHTTP: true, Observe: func(e issuertest.Exchange) {
		if strings.Contains(string(e.RequestBody), "grant_type=refresh_token") {
			armed.Do(func() { kill() })
		}
	}})
	c, first := signIn(t, i)
	s := d.open(t)
	r := &tokens.Refresher{Client: c, Store: s, Leases: s}
	if err := r.Add(t.Context(), "alice", first); err != nil {
		t.Fatal(err)
	}
	kill = d.server.Kill
	dying := d.hurried(t, time.Second)
	got, err := (&tokens.Refresher{Client: c, Store: dying, Leases: dying}).Renew(t.Context(), "alice", first)
	if err == nil && got.AccessToken == first.AccessToken {
		t.Error("the rejected token was given again")
	}
	d.server.Restart(t)
	d.server.Exec(t, "UPDATE countersign_marks SET until = 0") // the lease of the refresh ends
	ended := false
	eventually(t, func() bool {
		got, err = r.Renew(t.Context(), "alice", first)
		ended = errors.Is(err, tokens.ErrLoginRequired)
		return ended || err == nil && got.AccessToken != first.AccessToken
	})
	if accepted, rejected := refreshes(i); accepted > 1 || rejected > 1 {
		t.Errorf("%d refreshes accepted, %d rejected", accepted, rejected)
	}
	// The other process has the same result.
	other := &tokens.Refresher{Client: c, Store: d.open(t), Leases: d.open(t)}
	got, err = other.Tokens(t.Context(), "alice")
	if ended != errors.Is(err, tokens.ErrLoginRequired) || !ended && (err != nil || got.AccessToken == first.AccessToken) {
		t.Errorf("at the other process: %v", err)
	}
}

// TestHolderKilled: the lease of a killed process expires, and not before its time.
func TestHolderKilled(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s, begin := d.open(t), time.Now()
		if _, held, err := d.open(t).Acquire(t.Context(), "lease", time.Second); !held || err != nil {
			t.Fatal(held, err)
		}
		eventually(t, func() bool {
			_, held, err := s.Acquire(t.Context(), "lease", time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return held
		})
		if waited := time.Since(begin); waited < 900*time.Millisecond {
			t.Errorf("a lease of one second was free after %v", waited)
		}
	})
}
