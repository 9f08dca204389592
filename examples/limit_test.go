package examples

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/time/rate"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// limited allows 50 calls a second to the introspection endpoint, and 100 at once.
func limited(server *discovery.Provider, secret string) *rs.Protection {
	unknown := rate.NewLimiter(50, 100)
	return &rs.Protection{Tokens: &rs.Cache{Tokens: &rs.Introspection{
		Server: server, Issuer: server.Issuer, Audience: "https://photos.example/",
		Auth: auth.SecretBasic(secret).For("photos-api", server.Issuer),
		Limit: func(*http.Request) time.Duration {
			if unknown.Allow() {
				return 0
			}
			return time.Second
		},
		MaxCalls: 20,
	}}}
}

// TestLimited: beyond the limit a client with unknown tokens has to wait. The clock does
// not move, so that a slow machine does not stay below the limit.
func TestLimited(t *testing.T) {
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"active":false}`)
	}))
	defer as.Close()
	synctest.Test(t, func(t *testing.T) {
		defer as.CloseClientConnections() // their goroutines are to end with the test
		api := limited(&discovery.Provider{Issuer: as.URL}, "canary-secret")
		api.Logger = slog.New(slog.DiscardHandler)
		api.Tokens.(*rs.Cache).Tokens.(*rs.Introspection).URL = as.URL
		seen := map[int]int{}
		for n := range 300 {
			r := httptest.NewRequest("GET", "/photos", nil)
			r.Header.Set("Authorization", fmt.Sprint("Bearer random-", n))
			w := httptest.NewRecorder()
			api.Handler(http.NotFoundHandler()).ServeHTTP(w, r)
			seen[w.Code]++
		}
		if seen[401] != 100 || seen[429] != 200 {
			t.Errorf("%v", seen)
		}
	})
}
