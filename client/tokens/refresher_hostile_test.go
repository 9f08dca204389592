package tokens_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// kept stores tokens of alice in r.
func kept(t *testing.T, r *tokens.Refresher, access string) {
	t.Helper()
	other := ending(time.Hour)
	other.AccessToken, other.RefreshToken = access, "canary-refresh-of-"+access
	if err := r.Add(context.Background(), "alice", other); err != nil {
		t.Error(err)
	}
}

// TestOldLoginEnds: the user signs in again while the old login is refreshed. The server then
// rejects that refresh. The new login is kept.
func TestOldLoginEnds(t *testing.T) {
	s := optest.New(t)
	r := refresher(t, s, ending(-time.Second))
	s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
		kept(t, r, "canary-access-other")
		optest.JSON(w, 400, map[string]any{"error": "invalid_grant"})
	})
	for range 2 {
		if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-other" {
			t.Fatalf("got %v, %v", tokens, err)
		}
	}
}

// TestFetchedAfterTheirEnd: tokens without a login expire in the store while new ones are
// fetched.
func TestFetchedAfterTheirEnd(t *testing.T) {
	var r *tokens.Refresher
	r = &tokens.Refresher{Client: newClient(t, config(optest.New(t))), Fetch: func(ctx context.Context, old *client.Tokens) (*client.Tokens, error) {
		if err := r.Forget(ctx, "x"); err != nil {
			t.Error(err)
		}
		return ending(time.Hour), nil
	}}
	if err := r.Add(t.Context(), "x", ending(time.Second)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if tokens, err := r.Tokens(t.Context(), "x"); tokens == nil || err != nil {
			t.Fatalf("got %v, %v", tokens, err)
		}
	}
}

// TestRotatedAndUnchecked: the server has rotated the refresh token, and the keys for the ID
// token cannot be fetched for a moment. The login continues with the new refresh token.
func TestRotatedAndUnchecked(t *testing.T) {
	s := optest.New(t)
	old, err := login(t, s, newClient(t, config(s)))
	if err != nil {
		t.Fatal(err)
	}
	old.RefreshToken, old.Expiry = "canary-refresh-0", time.Now().Add(10*time.Second)
	var got []string
	s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.PostFormValue("refresh_token"))
		optest.JSON(w, 200, map[string]any{
			"access_token": "canary-a", "token_type": "Bearer", "expires_in": 300,
			"refresh_token": fmt.Sprint("canary-refresh-", len(got)), "id_token": s.Keys[0].Sign(s.IDClaims(), nil),
		})
	})
	s.Replace("/jwks", status(503))
	shared := storeOf(t, old)
	for want := 1; want <= 2; want++ {
		r := &tokens.Refresher{Client: newClient(t, config(s)), Store: shared, Leases: tokens.LocalLeases{}} // a process without cached keys
		if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != old.AccessToken {
			t.Errorf("the old access token is good: %v, %v", tokens, err)
		}
		if len(got) != want || got[want-1] != fmt.Sprint("canary-refresh-", want-1) {
			t.Errorf("the server got %q", got)
		}
	}
	s.Replace("/jwks", nil)
	r := &tokens.Refresher{Client: newClient(t, config(s)), Store: shared, Leases: tokens.LocalLeases{}}
	if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.RefreshToken != "canary-refresh-3" {
		t.Errorf("got %v, %v", tokens, err)
	}
}

// TestEndedAtOnce: new tokens that have already expired are an error, and their refresh token is
// stored.
func TestEndedAtOnce(t *testing.T) {
	s := optest.New(t)
	s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 200, map[string]any{"access_token": "canary-a", "token_type": "Bearer", "refresh_token": "canary-refresh-1", "expires_in": 0})
	})
	shared := storeOf(t, ending(-time.Second))
	r := &tokens.Refresher{Client: newClient(t, config(s)), Store: shared, Leases: tokens.LocalLeases{}}
	if issued, err := r.Tokens(t.Context(), "alice"); issued != nil || err == nil || errors.Is(err, tokens.ErrLoginRequired) {
		t.Errorf("got %v, %v", issued, err)
	}
	var k tokens.Stored
	if value, _ := shared.Load(t.Context(), "alice"); json.Unmarshal(value, &k) != nil || k.RefreshToken != "canary-refresh-1" {
		t.Error("the new refresh token is lost")
	}
}

// TestPageInBetween: a page with status 200 that is not a token response, such as a proxy's, does
// not end the login.
func TestPageInBetween(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	serve := http.HandlerFunc(answer(200, "text/html", "<h1>We will be back</h1>"))
	s.Replace("/token", serve)
	shared := storeOf(t, ending(-time.Second))
	for _, want := range []bool{false, true} {
		r := &tokens.Refresher{Client: newClient(t, config(s)), Store: shared, Leases: tokens.LocalLeases{}}
		if issued, err := r.Tokens(t.Context(), "alice"); (err == nil) != want || errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("got %v, %v", issued, err)
		}
		rotation = s.RotateRefreshTokens()
	}
	if rotation.Revoked() {
		t.Error("revoked")
	}
}

// TestPanic: every caller gets the panic of the application's function, so that it can recover as
// net/http does. No caller waits for ever.
func TestPanic(t *testing.T) {
	s := optest.New(t)
	s.RotateRefreshTokens()
	r := refresher(t, s, ending(-time.Second))
	r.Renewed = func(context.Context, string, *client.Tokens) { panic("of the application's") }
	func() {
		defer func() {
			if got := recover(); got != "of the application's" {
				t.Errorf("recovered %v", got)
			}
		}()
		r.Tokens(t.Context(), "alice")
	}()
	if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-1" {
		t.Errorf("then %v, %v", tokens, err)
	}
}

// TestHolderHasItsTime: a process that has waited long for the lease still has time for a complete
// refresh. Otherwise the server's response could be lost.
func TestHolderHasItsTime(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	synctest.Test(t, func(t *testing.T) {
		shared := storeOf(t, ending(-time.Second))
		if _, held, err := shared.Acquire(t.Context(), "refresh:alice", 29*time.Second); !held || err != nil {
			t.Fatal(err)
		}
		r := &tokens.Refresher{Client: c, Store: shared, Leases: shared, Fetch: func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
			select {
			case <-time.After(9 * time.Second):
				fresh := ending(time.Hour)
				fresh.AccessToken = "canary-access-1"
				return fresh, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		for range 2 {
			if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens.AccessToken != "canary-access-1" {
				t.Errorf("got %v, %v", tokens, err)
			}
		}
	})
}

// blind is a store that cannot be read for a moment. In that moment the user signs out.
type blind struct {
	*store
	loads int
}

func (b *blind) Load(ctx context.Context, key string) ([]byte, error) {
	if b.loads++; b.loads == 3 {
		b.Delete(ctx, key)
		return nil, errDown
	}
	return b.store.Load(ctx, key)
}

// TestLogoutUnseen: tokens that were forgotten while the store could not be read are not stored
// again.
func TestLogoutUnseen(t *testing.T) {
	s := optest.New(t)
	s.RotateRefreshTokens()
	r := &tokens.Refresher{Client: newClient(t, config(s)), Store: &blind{store: storeOf(t, ending(-time.Second))}, Leases: tokens.LocalLeases{}}
	for range 2 {
		if issued, err := r.Tokens(t.Context(), "alice"); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Fatalf("got %v, %v", issued, err)
		}
	}
}

// TestNoLeaseForDiscovery: the metadata is fetched before the lease is acquired, so that the
// lease's time is for the refresh.
func TestNoLeaseForDiscovery(t *testing.T) {
	s := optest.New(t)
	s.Replace("/.well-known/openid-configuration", status(503))
	shared := storeOf(t, ending(-time.Second))
	r := &tokens.Refresher{Client: newClient(t, config(s)), Store: shared, Leases: shared}
	var e *client.Error
	if _, err := r.Tokens(t.Context(), "alice"); !errors.As(err, &e) || e.Step != client.StepDiscovery || !e.Temporary() || shared.count != 0 {
		t.Errorf("got %v after %d leases", err, shared.count)
	}
}

// TestKeptRSA: a stored RSA key signs with the same algorithm as before.
func TestKeptRSA(t *testing.T) {
	private, _ := rsa.GenerateKey(rand.Reader, 2048)
	issued := ending(time.Hour)
	issued.TokenType, issued.DPoPKey = "DPoP", auth.SigningKey{Alg: "PS256", Key: private}
	cfg := config(optest.New(t))
	cfg.DPoP = &client.DPoP{Keys: issued.DPoPKey}
	c := newClient(t, cfg)
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		t.Fatal(err)
	}
	back, err := source.Tokens(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, _ := http.NewRequest("GET", "https://api.example/", nil)
	if err := c.Authorize(r, back); err != nil || r.Header.Get("DPoP") == "" {
		t.Errorf("got %v", err)
	}
}

// TestRefresherPrintsNothing: LOG-01. A Refresher prints neither tokens nor keys, because a key
// may be a session's ID.
func TestRefresherPrintsNothing(t *testing.T) {
	r := refresher(t, optest.New(t), ending(time.Hour))
	if err := r.Add(t.Context(), "canary-session", ending(time.Hour)); err != nil {
		t.Fatal(err)
	}
	numbers := strings.Trim(fmt.Sprint([]byte("canary")), "[]")
	for _, v := range []any{r, r.Source("canary-session"), tokens.OAuth2(t.Context(), r.Source("canary-session"))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "canary") || strings.Contains(text, numbers) || strings.Contains(text, "63616e617279") {
				t.Errorf("%s of %T prints tokens", verb, v)
			}
		}
	}
}

// TestOAuth2Token: another library gets only the access token. If it refreshed too, the refresh
// token would be used twice.
func TestOAuth2Token(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for _, kind := range []string{"", "bearer", "Bearer"} {
		source, err := tokens.NewSource(c, &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-a", TokenType: kind, RefreshToken: "canary-r", Expiry: time.Now().Add(time.Hour)}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := tokens.OAuth2(t.Context(), source).Token()
		if err != nil || got.AccessToken != "canary-a" || got.RefreshToken != "" || !got.Valid() {
			t.Errorf("%q: %v", kind, err)
		}
	}
}

// TestUnreadable: stored tokens that cannot be decoded end the login. With Fetch they are
// replaced.
func TestUnreadable(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for name, value := range map[string]string{"not JSON": "canary", "an odd key": `{"dpop_key":"x"}`, "empty": ""} {
		shared := storeOf(t, ending(time.Hour))
		shared.values["alice"] = []byte(value)
		r := &tokens.Refresher{Client: c, Store: shared, Leases: shared}
		if _, err := r.Tokens(t.Context(), "alice"); !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("%s: %v", name, err)
		}
		r.Fetch = func(context.Context, *client.Tokens) (*client.Tokens, error) { return ending(time.Hour), nil }
		if tokens, err := r.Tokens(t.Context(), "alice"); err != nil || tokens == nil {
			t.Errorf("%s, with Fetch: %v, %v", name, tokens, err)
		}
	}
}
