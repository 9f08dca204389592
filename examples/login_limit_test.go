package examples

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
)

// limitedLogins allows 20 logins a second to start, and 100 at once.
func limitedLogins(config login.Config) (*login.Login, error) {
	logins := rate.NewLimiter(20, 100)
	config.Limit = func(*http.Request) time.Duration {
		if logins.Allow() {
			return 0
		}
		return time.Second
	}
	config.MaxCalls = 50
	return login.New(config)
}

// TestLimitedLogins: beyond the limit visitors have to wait before they sign in. The clock does not
// move, so that a slow machine does not stay below the limit.
func TestLimitedLogins(t *testing.T) { synctest.Test(t, limitedVisitors) }

func limitedVisitors(t *testing.T) {
	c, err := client.New(client.Config{
		Issuer: "https://as.example", ClientID: "web", Auth: auth.Public(), RedirectURL: "https://app.example/callback",
		Metadata: &discovery.Metadata{
			Issuer: "https://as.example", AuthorizationEndpoint: "https://as.example/authorize",
			TokenEndpoint: "https://as.example/token", JWKSURI: "https://as.example/jwks",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := limitedLogins(login.Config{Clients: map[string]*client.Client{"main": c}})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]int{}
	for range 300 {
		w := httptest.NewRecorder()
		l.Require(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/albums", nil))
		seen[w.Code]++
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") != "1" {
			t.Fatalf("Retry-After %q", w.Header().Get("Retry-After"))
		}
	}
	if seen[303] != 100 || seen[429] != 200 {
		t.Errorf("%v", seen)
	}
}
