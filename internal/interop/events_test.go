package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/ssf"
)

// machine is one process of an application: pages with sessions, and an API.
type machine struct {
	pages http.Handler
	api   http.Handler

	login       *login.Login
	revocations *rs.Revocations
	store       *redisstore.Store
}

// The variables of the second process.
const (
	machineVariable = "COUNTERSIGN_INTEROP_MACHINE" // the Redis server
	issuerVariable  = "COUNTERSIGN_INTEROP_ISSUER"
)

var machineKey = []byte("canary-key of every machine, 32 bytes"[:32])

// newMachine makes a machine that shares its state through Redis.
func newMachine(ctx context.Context, s *server, redisURL string) (*machine, error) {
	store, err := redisstore.New(redisstore.Config{URL: redisURL, Timeout: 10 * time.Second})
	if err != nil {
		return nil, err
	}
	c, err := client.New(s.config("basic"))
	if err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	m := &machine{store: store, revocations: &rs.Revocations{Shared: store, SharedKey: machineKey, StaleFor: time.Minute}}
	m.login, err = login.New(login.Config{
		Clients: map[string]*client.Client{"here": c}, Store: store, Keys: [][]byte{machineKey}, Log: quiet,
		Effects: []login.Effect{m.revocations},
	})
	if err != nil {
		return nil, err
	}
	go m.revocations.Run(ctx)
	protection := &rs.Protection{Tokens: &rs.Cache{Tokens: s.keycloakJWT()}, Revocation: []rs.RevocationCheck{m.revocations}, Logger: quiet}
	m.api = protection.Handler(routes())
	pages := http.NewServeMux()
	pages.Handle("/login", m.login.Start())
	pages.Handle("/callback", m.login.Callback())
	pages.Handle("/", m.login.Require(http.HandlerFunc(hello)))
	m.pages = pages
	for m.revocations.Ready(ctx) != nil {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return m, nil
}

// serveMachine is the second process: it serves until its standard input ends.
func serveMachine() error {
	s := keycloak
	s.issuer = os.Getenv(issuerVariable)
	s.discover()
	m, err := newMachine(context.Background(), &s, os.Getenv(machineVariable))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/photos") {
			m.api.ServeHTTP(w, r)
			return
		}
		m.pages.ServeHTTP(w, r)
	}))
	fmt.Println("http://" + listener.Addr().String())
	bufio.NewReader(os.Stdin).ReadByte()
	return nil
}

// startMachine starts the second process, and returns handlers that forward requests to it.
func startMachine(t *testing.T, s *server, redisURL string) *machine {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), machineVariable+"="+redisURL, issuerVariable+"="+s.issuer)
	cmd.Stderr = t.Output()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the second process: %v", err)
	}
	address, err := url.Parse(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(address); r.Out.Host = r.In.Host }}
	return &machine{pages: proxy, api: proxy}
}

// knows reports whether the visitor has a session at this machine.
func (m *machine) knows(t *testing.T, v *visitor) bool {
	t.Helper()
	v.goTo(m.pages)
	browser := *v.http // the server may still know the visitor, and sign them in again
	browser.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := browser.Get(appURL + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// accepts returns the status of this machine's API for an access token.
func (m *machine) accepts(token string) int {
	r := httptest.NewRequest(http.MethodGet, "http://api.example/photos", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	m.api.ServeHTTP(w, r)
	return w.Code
}

// receiver receives Keycloak's events for a machine.
func (s *server) receiver(t *testing.T, m *machine, clientID string) *ssf.Receiver {
	c := newClient(t, s.daemon(clientID))
	return &ssf.Receiver{
		Issuer: s.issuer, ConfigurationURL: s.issuer + "/.well-known/ssf-configuration", Audience: "https://" + clientID + ".example",
		Effects: []ssf.Effect{m.login, m.revocations}, Store: m.store, HTTP: s.http, Authorization: "Bearer canary-push",
		Token: func(ctx context.Context) (string, error) {
			tokens, err := grant.ClientCredentials(ctx, c, client.TokenRequest{Scopes: []string{"ssf.read", "ssf.manage"}})
			if err != nil {
				return "", err
			}
			return tokens.AccessToken, nil
		},
		Interval: 200 * time.Millisecond, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
}

// administrator calls the server's administration API.
func (s *server) administrator(t *testing.T, method, path string, body any) []byte {
	t.Helper()
	tokens, err := grant.ClientCredentials(t.Context(), newClient(t, s.daemon("administrator")), client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, strings.Replace(s.issuer, "/realms/", "/admin/realms/", 1)+path, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+tokens.AccessToken)
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer bytes.Buffer
	answer.ReadFrom(resp.Body)
	if resp.StatusCode >= 300 {
		t.Fatalf("%s %s: %s %s", method, path, resp.Status, answer.String())
	}
	return answer.Bytes()
}

// allowPush lets the server send a client's events to an address.
func (s *server) allowPush(t *testing.T, clientID, address string) {
	t.Helper()
	var clients []map[string]any
	if err := json.Unmarshal(s.administrator(t, http.MethodGet, "/clients?clientId="+clientID, nil), &clients); err != nil || len(clients) != 1 {
		t.Fatalf("%v, %d clients", err, len(clients))
	}
	clients[0]["attributes"].(map[string]any)["ssf.validPushUrls"] = address
	s.administrator(t, http.MethodPut, fmt.Sprintf("/clients/%s", clients[0]["id"]), clients[0])
}

// userID returns the ID of alice.
func (s *server) userID(t *testing.T) string {
	t.Helper()
	var users []struct{ ID string }
	if err := json.Unmarshal(s.administrator(t, http.MethodGet, "/users?exact=true&username="+user, nil), &users); err != nil || len(users) != 1 {
		t.Fatalf("%v, %d users", err, len(users))
	}
	return users[0].ID
}

// TestSecurityEvents: changes at the server end the browser session and the JWT, at two processes
// that share a Redis. The events arrive by poll, and by push over TLS.
func TestSecurityEvents(t *testing.T) {
	eventsPolled.each(t, func(t *testing.T, s *server) {
		s.endsAccess(t, "ssf-poll", func(ctx context.Context, r *ssf.Receiver) (*ssf.Stream, error) {
			stream, err := r.Create(ctx, "", ssf.SessionRevoked, ssf.CredentialChange)
			if err == nil {
				go r.Run(ctx, stream.EndpointURL)
			}
			return stream, err
		})
	})
	eventsPushed.each(t, func(t *testing.T, s *server) {
		s.endsAccess(t, "ssf-push", func(ctx context.Context, r *ssf.Receiver) (*ssf.Stream, error) {
			endpoint := httptest.NewUnstartedServer(r.Handler())
			endpoint.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "server")}}
			endpoint.StartTLS()
			t.Cleanup(endpoint.Close)
			s.allowPush(t, "ssf-push", endpoint.URL+"/events")
			return r.Create(ctx, endpoint.URL+"/events", ssf.SessionRevoked, ssf.CredentialChange)
		})
	})
}

func (s *server) endsAccess(t *testing.T, clientID string, create func(context.Context, *ssf.Receiver) (*ssf.Stream, error)) {
	redis := redistest.Start(t)
	one, err := newMachine(t.Context(), s, redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	machines := []*machine{one, startMachine(t, s, redis.URL())}
	r := s.receiver(t, one, clientID)
	old, err := r.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range old { // of an earlier run
		if err := r.Delete(t.Context(), stream.ID); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Delete(context.WithoutCancel(t.Context()), stream.ID); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := r.VerifyStream(ctx, stream.ID); err != nil {
		t.Fatal(err)
	}
	id := s.userID(t)
	for name, happens := range map[string]func(*visitor){
		"the user signs out":              func(v *visitor) { signOutElsewhere(t, s, v) },
		"an administrator signs them out": func(*visitor) { s.administrator(t, http.MethodPost, "/users/"+id+"/logout", nil) },
		"the password changes": func(*visitor) {
			s.administrator(t, http.MethodPut, "/users/"+id+"/reset-password", map[string]any{"type": "password", "value": user, "temporary": false})
		},
	} {
		t.Run(name, func(t *testing.T) { s.endsAfter(t, machines, happens) })
	}
	s.pauses(t, r, stream.ID)
}

// endsAfter signs a visitor in at the first machine. After a change, both machines must reject
// the visitor.
func (s *server) endsAfter(t *testing.T, machines []*machine, happens func(*visitor)) {
	v := newVisitor(t, machines[0].pages)
	if _, err := v.visit(appURL + "/"); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, s.config("basic"))
	token := finish(t, c, authorizeAs(t, v, c, client.Request{}, nil)).AccessToken
	for i, m := range machines {
		for range 2 { // the second is from the cache
			if got := m.accepts(token); got != http.StatusOK || !m.knows(t, v) {
				t.Fatalf("machine %d: %d before", i, got)
			}
		}
	}
	began := time.Now()
	happens(v)
	for i, m := range machines {
		for m.accepts(token) != http.StatusUnauthorized || m.knows(t, v) {
			if time.Since(began) > 2*time.Minute {
				t.Fatalf("machine %d: the API answers %d, a session %v", i, m.accepts(token), m.knows(t, v))
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	t.Logf("ended on both machines after %v", time.Since(began).Round(time.Millisecond))
	time.Sleep(1100 * time.Millisecond) // the server's times are seconds
	again := newVisitor(t, machines[1].pages)
	if _, err := again.visit(appURL + "/"); err != nil || !machines[0].knows(t, again) {
		t.Errorf("the next login: %v", err)
	}
	fresh := finish(t, c, authorizeAs(t, again, c, client.Request{}, nil)).AccessToken
	for i, m := range machines {
		if got := m.accepts(fresh); got != http.StatusOK {
			t.Errorf("machine %d: %d for the next login's token", i, got)
		}
	}
}

// pauses pauses and enables the stream.
func (s *server) pauses(t *testing.T, r *ssf.Receiver, id string) {
	t.Helper()
	for _, status := range []string{ssf.StatusPaused, ssf.StatusEnabled} {
		if err := r.SetStatus(t.Context(), id, status); err != nil {
			t.Error(err)
			continue
		}
		if got, err := r.Status(t.Context(), id); err != nil || got != status {
			t.Errorf("status %q, %v", got, err)
		}
	}
}
