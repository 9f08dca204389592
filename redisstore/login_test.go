package redisstore_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/internal/redistest"
)

// startSite starts an application on two machines behind one address. The first one answers until
// send selects the other.
func startSite(t *testing.T, as *optest.Server, server *redistest.Server) *site {
	t.Helper()
	var machines []http.Handler
	s := &site{t: t}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { machines[s.turn.Load()].ServeHTTP(w, r) }))
	t.Cleanup(front.Close)
	s.address = front.URL
	for range 2 {
		machines = append(machines, s.machine(as, server))
	}
	return s
}

func (s *site) machine(as *optest.Server, server *redistest.Server) http.Handler {
	t, address := s.t, s.address
	t.Helper()
	c, err := client.New(client.Config{
		Issuer: as.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: address + "/callback", PAR: client.PAROff, Now: s.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{[]byte(strings.Repeat("canary-k", 4))}, Store: open(t, server, nil),
		KeepTokens: true, InsecureHTTP: true, Now: s.now, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/backchannel", l.BackchannelLogout())
	mux.Handle("/", l.Require(http.HandlerFunc(whoAmI)))
	return mux
}

func whoAmI(w http.ResponseWriter, r *http.Request) {
	user, _ := login.FromContext(r.Context())
	tokens, err := user.Tokens(r.Context())
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, "%s with %s", user.Subject, strings.TrimPrefix(tokens.AccessToken, "canary-"))
}

// newBrowser keeps cookies and follows redirects.
func newBrowser(transport http.RoundTripper) *http.Client {
	jar, _ := cookiejar.New(nil) // cookiejar.New does not fail without options
	return &http.Client{Jar: jar, Transport: transport, Timeout: 2 * time.Minute}
}

func visit(hc *http.Client, address string) (status int, body string, err error) {
	resp, err := hc.Get(address)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(raw), err
}

const signedIn = "alice with "

// site is the application as visitors use it.
type site struct {
	t       *testing.T
	address string
	turn    atomic.Int32 // the machine that answers
	later   atomic.Int64 // how far the clocks of the machines are ahead
}

func (s *site) send(machine int) { s.turn.Store(int32(machine)) }

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }

func (s *site) get(hc *http.Client) (status int, body string) {
	s.t.Helper()
	status, body, err := visit(hc, s.address+"/")
	if err != nil {
		s.t.Fatal(err)
	}
	return status, body
}

func (s *site) isSignedIn(hc *http.Client) bool {
	status, body := s.get(hc)
	return status == 200 && strings.HasPrefix(body, signedIn)
}

// closed is a server at which no further user can sign in.
func closed(as *optest.Server) {
	as.Replace("/authorize", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
}

// TestSessions: a user who signed in at one machine is signed in at all. While the server is
// down, no visitor is signed in or out. REL.
func TestSessions(t *testing.T) {
	t.Parallel()
	as, server := optest.New(t), redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	s := startSite(t, as, server)
	alice, other := newBrowser(nil), newBrowser(nil)
	if !s.isSignedIn(alice) || !s.isSignedIn(other) {
		t.Fatal("nobody can sign in")
	}
	closed(as)
	s.send(1)
	if !s.isSignedIn(alice) {
		t.Error("the other machine does not know the session")
	}
	server.Kill()
	for machine := range 2 {
		s.send(machine)
		if status, body := s.get(alice); status != 503 || strings.Contains(body, signedIn) {
			t.Errorf("without the server: status %d, want 503", status)
		}
	}
	server.Restart()
	for machine := range 2 {
		s.send(machine)
		eventually(t, func() bool { return s.isSignedIn(alice) && s.isSignedIn(other) })
	}
}

// TestSessionsLost: after the server has lost its data all users sign in again.
func TestSessionsLost(t *testing.T) {
	t.Parallel()
	as, server := optest.New(t), redistest.Start(t)
	s := startSite(t, as, server)
	alice := newBrowser(nil)
	if !s.isSignedIn(alice) {
		t.Fatal("nobody can sign in")
	}
	server.Restart()
	logins := as.Hits("/authorize")
	eventually(t, func() bool { return s.isSignedIn(alice) })
	if as.Hits("/authorize") == logins {
		t.Error("signed in without a session")
	}
}

// TestLogoutEverywhere: a back-channel logout at one machine ends the sessions at all machines,
// in every browser. A logout that was rejected while the server was down can be sent again.
// LO-02.
func TestLogoutEverywhere(t *testing.T) {
	t.Parallel()
	as, server := optest.New(t), redistest.Start(t, "--appendonly", "yes", "--appendfsync", "no")
	as.EditID = func(c map[string]any) { c["sid"] = "canary-sid" }
	s := startSite(t, as, server)
	alice, phone := newBrowser(nil), newBrowser(nil)
	if !s.isSignedIn(alice) || !s.isSignedIn(phone) {
		t.Fatal("nobody can sign in")
	}
	closed(as)
	now := time.Now().Unix()
	token := as.Keys[0].Sign(map[string]any{
		"iss": as.URL, "aud": optest.ClientID, "sub": optest.Subject, "jti": "canary-jti", "iat": now, "exp": now + 60,
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}, map[string]any{"typ": "logout+jwt"})
	logout := func() int {
		resp, err := http.PostForm(s.address+"/backchannel", url.Values{"logout_token": {token}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	server.Kill()
	if got := logout(); got != 503 {
		t.Errorf("without the server: %d", got)
	}
	server.Restart()
	eventually(t, func() bool { return s.isSignedIn(alice) && s.isSignedIn(phone) })
	if got := logout(); got != 200 {
		t.Errorf("once more: %d", got)
	}
	for machine := range 2 {
		s.send(machine)
		eventually(t, func() bool { status, _ := s.get(alice); return status != 503 })
		if s.isSignedIn(alice) || s.isSignedIn(phone) {
			t.Errorf("machine %d: signed in after the logout", machine)
		}
	}
}

// TestTabs: many tabs at two machines find an expired access token. There is one refresh. The
// server would treat a second use of the refresh token as a theft. REL.
func TestTabs(t *testing.T) {
	t.Parallel()
	as, server := optest.New(t), redistest.Start(t)
	s := startSite(t, as, server)
	alice := newBrowser(nil)
	if status, _ := s.get(alice); status != 200 {
		t.Fatal("nobody can sign in")
	}
	rotation := as.RotateRefreshTokens()
	s.later.Store(int64(5 * time.Minute))
	var wg sync.WaitGroup
	for tab := range 20 {
		s.send(tab % 2)
		wg.Go(func() {
			if status, body, err := visit(alice, s.address+"/"); err != nil || status != 200 || body != signedIn+"access-1" {
				t.Errorf("a tab has %d, %v", status, err)
			}
		})
	}
	wg.Wait()
	if rotation.Posts() != 1 || rotation.Revoked() {
		t.Errorf("%d requests, revoked %v", rotation.Posts(), rotation.Revoked())
	}
}
