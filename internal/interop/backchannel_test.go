package interop

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// sessions is a web app with client/login, whose sessions a server ends.
type sessions struct {
	*http.ServeMux
	told chan int // the statuses of the answers to logout tokens
}

func newSessions(t *testing.T, c *client.Client) *sessions {
	t.Helper()
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"here": c}, Store: &login.Memory{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	a := &sessions{http.NewServeMux(), make(chan int, 8)}
	a.Handle("/login", l.Start())
	a.Handle("/callback", l.Callback())
	a.Handle("/", l.Require(http.HandlerFunc(hello)))
	a.HandleFunc("/backchannel-logout", func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		l.BackchannelLogout().ServeHTTP(rec, r)
		w.WriteHeader(rec.Code)
		a.told <- rec.Code
	})
	return a
}

func hello(w http.ResponseWriter, r *http.Request) {
	u, _ := login.FromContext(r.Context())
	fmt.Fprintf(w, "hello, %s", u.Subject)
}

// knows reports whether the visitor has a session at the app.
func (a *sessions) knows(t *testing.T, v *visitor) bool {
	t.Helper()
	v.goTo(a)
	p, err := v.get(appURL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return strings.HasPrefix(p.url.String(), appURL) && strings.Contains(p.text(), "hello, ")
}

// TestBackchannelLogout signs a visitor out at another app. The server notifies this app, which
// ends that session and no other.
func TestBackchannelLogout(t *testing.T) {
	toldToEnd.each(t, func(t *testing.T, s *server) {
		config := s.config("backchannel")
		config.InsecureDraftLogout = s.name == hydra.name // its logout tokens have no exp
		app := newSessions(t, newClient(t, config))
		theElsewhere(t).tells(app)
		leaves, stays := newVisitor(t, app), newVisitor(t, app)
		for _, v := range []*visitor{leaves, stays} {
			if _, err := v.visit(appURL + "/"); err != nil || !app.knows(t, v) {
				t.Fatalf("not signed in: %v", err)
			}
		}
		signOutElsewhere(t, s, leaves)
		select {
		case status := <-app.told:
			if status != http.StatusOK {
				t.Errorf("status %d for the logout token", status)
			}
		case <-time.After(time.Minute):
			t.Error("the server says nothing")
		}
		if app.knows(t, leaves) || !app.knows(t, stays) {
			t.Error("the session goes on, or another has ended")
		}
		checkLogoutRefused(t, app)
		works(t, "the session ends when the server says so")
	})
}

// signOutElsewhere signs the visitor in to another app, and out of it and the server.
func signOutElsewhere(t *testing.T, s *server, v *visitor) {
	t.Helper()
	config := s.config("basic")
	config.PostLogoutRedirectURL = appURL + "/bye"
	c := newClient(t, config)
	tokens := finish(t, c, authorizeAs(t, v, c, client.Request{}, nil))
	redirect, _, err := c.LogoutURL(t.Context(), client.Logout{IDTokenHint: tokens.IDTokenHint, UILocales: []string{"en"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.visit(redirect); err != nil {
		t.Fatal(err)
	}
}

// checkLogoutRefused: a logout token that the server did not make must be rejected.
func checkLogoutRefused(t *testing.T, app *sessions) {
	t.Helper()
	form := url.Values{"logout_token": {"e30.e30.e30"}}
	r := httptest.NewRequest(http.MethodPost, "/backchannel-logout", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	app.ServeHTTP(httptest.NewRecorder(), r)
	if status := <-app.told; status != http.StatusBadRequest {
		t.Errorf("status %d for a logout token that is none", status)
	}
}
