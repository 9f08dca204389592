package issuertest_test

import (
	"net/http"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
)

// TestForget: earlier tokens are unknown, and a new login works.
func TestForget(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{AccessTokens: issuertest.Opaque})
	status := func(token string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL+string(issuertest.UserInfoEndpoint), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := i.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	order := func() string { return i.AccessToken(issuertest.AccessToken{Scopes: []string{"openid"}}) }
	old := order()
	if got := status(old); got != http.StatusOK {
		t.Fatalf("before: %d", got)
	}
	i.Forget()
	if got := status(old); got != http.StatusUnauthorized {
		t.Errorf("after: %d", got)
	}
	if n := len(i.Exchanges("")); n != 1 {
		t.Errorf("%d exchanges, expected the one after Forget", n)
	}
	if got := status(order()); got != http.StatusOK {
		t.Errorf("a new token: %d", got)
	}
}
