package sqlstore_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
)

// A site is an application on two machines behind one address.
type site struct {
	address  string
	machines [2]http.Handler
	turn     atomic.Int32
}

func startSite(t *testing.T, d database, i *issuertest.Issuer) *site {
	t.Helper()
	s := &site{}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.machines[s.turn.Load()].ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	s.address = front.URL
	for n := range s.machines {
		s.machines[n] = machine(t, d, i, front.URL)
	}
	return s
}

func machine(t *testing.T, d database, i *issuertest.Issuer, address string) http.Handler {
	t.Helper()
	c, err := client.New(client.Config{
		Issuer: i.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), RedirectURL: address + "/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{[]byte(strings.Repeat("canary-k", 4))}, Store: d.open(t),
		KeepTokens: true, InsecureHTTP: true, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/", l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := login.FromContext(r.Context())
		fmt.Fprint(w, "user ", user.Subject)
	})))
	return mux
}

func visit(t *testing.T, browser *http.Client, address string) (int, string) {
	t.Helper()
	resp, err := browser.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func newBrowser() *http.Client {
	jar, _ := cookiejar.New(nil) // cookiejar.New does not fail without options
	return &http.Client{Jar: jar, Timeout: 2 * time.Minute}
}

// TestLogin: a user who signs in or out at one machine is signed in or out at the other.
func TestLogin(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		s, browser := startSite(t, d, issuertest.New(t, issuertest.Config{PlainHTTP: true})), newBrowser()
		for turn := range int32(2) {
			s.turn.Store(turn)
			if status, body := visit(t, browser, s.address+"/"); status != 200 || body != "user "+issuertest.Subject {
				t.Fatalf("machine %d: %d %s", turn, status, body)
			}
		}
		browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.address+"/logout", nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := browser.Do(req); err != nil || resp.StatusCode >= 400 {
			t.Fatal(resp, err)
		}
		s.turn.Store(0)
		if status, _ := visit(t, browser, s.address+"/"); status != http.StatusFound && status != http.StatusSeeOther {
			t.Errorf("after the logout: %d", status)
		}
	})
}

// TestKilledInLogin: PostgreSQL is killed while the visitor is at the issuer. The callback is
// answered with 503 and signs no user in. After the restart a login works.
func TestKilledInLogin(t *testing.T) {
	t.Parallel()
	d := ownPostgres(t)
	var hit atomic.Bool
	kill := func() {}
	i := issuertest.New(t, issuertest.Config{PlainHTTP: true, Observe: func(e issuertest.Exchange) {
		if e.Endpoint == issuertest.AuthorizationEndpoint && !hit.Swap(true) {
			kill()
		}
	}})
	s, browser := startSite(t, d, i), newBrowser()
	kill = d.server.Kill
	if status, body := visit(t, browser, s.address+"/"); status != http.StatusServiceUnavailable || strings.Contains(body, issuertest.Subject) {
		t.Errorf("while PostgreSQL is down: %d %s", status, body)
	}
	d.server.Restart(t)
	if status, body := visit(t, browser, s.address+"/"); status != 200 || body != "user "+issuertest.Subject {
		t.Errorf("after the restart: %d %s", status, body)
	}
}
