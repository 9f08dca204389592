package interop

import (
	"errors"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// TestRefreshOnce: 100 callers request expired tokens. They all get the same new ones, and the
// login continues, even if the server ends it at a second use of a refresh token.
func TestRefreshOnce(t *testing.T) {
	refreshedOnce.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		issued := logIn(t, c, client.Request{})
		issued.Expiry = time.Now().Add(-time.Minute)
		refresher := &tokens.Refresher{Client: c}
		if err := refresher.Add(t.Context(), user, issued); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		var mu sync.Mutex
		got := map[string]bool{}
		for range 100 {
			wg.Go(func() {
				fresh, err := refresher.Tokens(t.Context(), user)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				got[fresh.AccessToken] = true
			})
		}
		wg.Wait()
		if len(got) != 1 || got[issued.AccessToken] {
			t.Errorf("%d access tokens, want one that is new", len(got))
		}
		last, err := refresher.Tokens(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := refresher.Renew(t.Context(), user, last); err != nil {
			t.Errorf("the login has not survived: %v", err)
		}
		works(t, "100 callers, one refresh, and another one after it")
	})
}

// TestMoreScope calls an API that requires a scope which the tokens lack. The error contains the
// scope, and after a new login the call succeeds.
func TestMoreScope(t *testing.T) {
	moreScope.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		api := newAPI(t, s.tokens[0].verifier(s))
		var wants *tokens.ChallengeError
		_, err := getAs(t, c, logIn(t, c, s.tokens[0].request()), api, "/uploads")
		if !errors.As(err, &wants) || wants.Code != tokens.InsufficientScope {
			t.Fatalf("the API wants %v", err)
		}
		request := wants.Request()
		request.Resources = s.tokens[0].request().Resources
		resp, err := getAs(t, c, logIn(t, c, request), api, "/uploads")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("after the new login: %v, %v", resp, err)
		}
		works(t, "the API asks for a scope, a new login brings it")
	})
}

// TestStrongerLogin calls an API that requires another class of login than the user's. The error
// contains the class, and after a new login in the same browser the call succeeds.
func TestStrongerLogin(t *testing.T) {
	moreACR.each(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config(classClient[s.name]))
		api := newAPI(t, s.tokens[0].verifier(s))
		v := newVisitor(t, nil)
		weak := finish(t, c, authorizeAs(t, v, c, client.Request{ACRValues: []string{"silver"}}, nil))
		var wants *tokens.ChallengeError
		_, err := getAs(t, c, weak, api, "/payments")
		if !errors.As(err, &wants) || wants.Code != tokens.InsufficientUserAuthentication {
			t.Fatalf("the API wants %v", err)
		}
		strong := finish(t, c, authorizeAs(t, v, c, wants.Request(), nil))
		if resp, err := getAs(t, c, strong, api, "/payments"); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("after the new login: %v, %v", resp, err)
		}
		works(t, "the API asks for acr %q, a new login brings it", wants.ACRValues)
	})
}

// getAs calls an API through the client's transport.
func getAs(t *testing.T, c *client.Client, issued *client.Tokens, api, path string) (*http.Response, error) {
	t.Helper()
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{api}}}
	resp, err := hc.Get(api + path)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}
