package internal_test

import (
	"bufio"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestComposeIssuer: the http issuer of docs/docker-compose.md is rejected with an error that names
// InsecureHTTP, and accepted with that setting.
func TestComposeIssuer(t *testing.T) {
	m := regexp.MustCompile(`ISSUER: (\S+)`).FindStringSubmatch(read(t, "../docs/docker-compose.md"))
	if m == nil {
		t.Fatal("the page has no ISSUER")
	}
	for _, insecure := range []bool{false, true} {
		_, err := client.New(client.Config{Issuer: m[1], ClientID: "web", Auth: auth.Secret("canary"), RedirectURL: "http://127.0.0.1:8081/callback", InsecureHTTP: insecure})
		if (err == nil) != insecure || err != nil && !strings.Contains(err.Error(), "InsecureHTTP") {
			t.Errorf("InsecureHTTP %t: %v", insecure, err)
		}
	}
	_, err := (&discovery.Provider{Issuer: m[1]}).Metadata(t.Context())
	if err == nil || !strings.Contains(err.Error(), "InsecureHTTP") {
		t.Errorf("the provider: %v", err)
	}
}

// startsLater is a Transport to a server that is down until up is set.
type startsLater struct {
	http.RoundTripper
	up atomic.Bool
}

func (s *startsLater) RoundTrip(r *http.Request) (*http.Response, error) {
	if !s.up.Load() {
		return nil, errors.New("connection refused")
	}
	return s.RoundTripper.RoundTrip(r)
}

// TestServerStartsLater: the application starts before the server. Ready returns an error until
// the server answers, and then a login works.
func TestServerStartsLater(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	later := &startsLater{RoundTripper: issuer.Client().Transport}
	c := webClient(t, issuer, func(config *client.Config) { config.HTTP = &http.Client{Transport: later} })
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		up     bool
		status int
	}{{false, http.StatusServiceUnavailable}, {true, http.StatusSeeOther}} {
		later.up.Store(test.up)
		w := httptest.NewRecorder()
		eventually(t, func() bool { return (l.Ready(t.Context()) == nil) == test.up })
		l.Require(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest("GET", "https://app.example/", nil))
		if w.Code != test.status {
			t.Errorf("up %t: %d, expected %d", test.up, w.Code, test.status)
		}
	}
}

// eventually waits up to a minute: after a failure the module waits before it asks again.
func eventually(t *testing.T, so func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not within a minute")
		}
	}
}

// TestWriteTimeout: the WriteTimeout of a server ends events, also behind Require. The call on
// docs/websockets-and-events.md removes it for one response.
func TestWriteTimeout(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": webClient(t, issuer, nil)}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	for _, remove := range []bool{false, true} {
		events := make(chan string, 1)
		s := httptest.NewUnstartedServer(l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if remove {
				http.NewResponseController(w).SetWriteDeadline(time.Time{})
			}
			news(w, r, events)
		})))
		s.Config.WriteTimeout = 200 * time.Millisecond
		s.Start()
		defer s.Close()
		r, err := http.NewRequestWithContext(t.Context(), "GET", s.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(logintest.WithSession(r, l, logintest.User{Subject: "alice"}))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * s.Config.WriteTimeout)
		events <- "late"
		line, _ := bufio.NewReader(resp.Body).ReadString('\n')
		resp.Body.Close()
		if (line == "data: late\n") != remove {
			t.Errorf("deadline removed %t: %q", remove, line)
		}
	}
}
