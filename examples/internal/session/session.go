// Package session keeps in memory what a web application knows about each browser: its
// logins under way, and who signed in. It is for one process; what does not fit is
// dropped, oldest first.
package session

import (
	"crypto/rand"
	"net/http"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
)

// Limits. Several logins at once are several tabs.
const (
	maxBrowsers = 1000
	maxAttempts = 10
	lifetime    = time.Hour
)

// Attempt is a login between its two legs.
type Attempt struct {
	Pending *client.Pending
	Path    []string // what has happened so far, for a page that shows it
}

// Login is who signed in.
type Login struct {
	Tokens   *client.Tokens
	UserInfo *client.UserInfo // nil if it was not asked for
	Path     []string
}

// Store keeps the sessions of one application. Cookie must be set.
type Store struct {
	// Cookie is the cookie's name. Cookies do not tell ports apart: applications on
	// one host need different names.
	Cookie string

	// Secure is for an application that is reached by https. The cookie is then
	// Secure, and its name gets the prefix __Host-, so that no other host of the
	// domain can set it. On http browsers refuse both.
	Secure bool

	mu       sync.Mutex
	browsers map[string]*browser
}

type browser struct {
	since    time.Time
	attempts []*Attempt // oldest first
	login    *Login
}

// Begin keeps a login that this browser begins. Only this browser can finish it:
// it is found by the cookie first, and by its state among that browser's own.
func (s *Store) Begin(w http.ResponseWriter, r *http.Request, a *Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(r)
	if b == nil {
		b = &browser{}
		s.add(w, b)
	}
	b.attempts = append(b.attempts, a)
	if extra := len(b.attempts) - maxAttempts; extra > 0 {
		b.attempts = b.attempts[extra:]
	}
}

// Take gives this browser's login with that state, and forgets it: whatever comes
// of it, it cannot be finished twice. It is nil if there is none.
func (s *Store) Take(r *http.Request, state string) *Attempt {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.find(r)
	if b == nil {
		return nil
	}
	for i, a := range b.attempts {
		if a.Pending.State == state {
			b.attempts = append(b.attempts[:i:i], b.attempts[i+1:]...)
			return a
		}
	}
	return nil
}

// SignIn keeps who signed in, under a new id: one that somebody planted in the
// browser before must not become the visitor's (session fixation).
func (s *Store) SignIn(w http.ResponseWriter, r *http.Request, login *Login) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &browser{login: login}
	if old := s.find(r); old != nil {
		b.attempts = old.attempts // those of other tabs
		delete(s.browsers, s.id(r))
	}
	s.add(w, b)
}

// Login gives who is signed in, or nil.
func (s *Store) Login(r *http.Request) *Login {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b := s.find(r); b != nil {
		return b.login
	}
	return nil
}

// SignOut forgets the browser.
func (s *Store) SignOut(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.browsers, s.id(r))
	s.setCookie(w, "", -1)
}

func (s *Store) find(r *http.Request) *browser {
	b := s.browsers[s.id(r)]
	if b == nil || time.Since(b.since) > lifetime {
		return nil
	}
	return b
}

func (s *Store) id(r *http.Request) string {
	c, err := r.Cookie(s.name())
	if err != nil {
		return ""
	}
	return c.Value
}

// add files b under a new id, which is never one that the browser brought.
func (s *Store) add(w http.ResponseWriter, b *browser) {
	s.makeRoom()
	if s.browsers == nil {
		s.browsers = map[string]*browser{}
	}
	id := rand.Text()
	b.since = time.Now()
	s.browsers[id] = b
	s.setCookie(w, id, int(lifetime/time.Second))
}

// makeRoom drops what is over and, if that is not enough, one more: the oldest of
// those who have not signed in, so that strangers cannot push visitors out.
func (s *Store) makeRoom() {
	var oldest string
	for id, b := range s.browsers {
		if time.Since(b.since) > lifetime {
			delete(s.browsers, id)
			continue
		}
		if oldest == "" || b.before(s.browsers[oldest]) {
			oldest = id
		}
	}
	if len(s.browsers) >= maxBrowsers {
		delete(s.browsers, oldest)
	}
}

func (b *browser) before(other *browser) bool {
	if (b.login == nil) != (other.login == nil) {
		return b.login == nil
	}
	return b.since.Before(other.since)
}

func (s *Store) name() string {
	if s.Secure {
		return "__Host-" + s.Cookie
	}
	return s.Cookie
}

// setCookie: SameSite is Lax and not Strict, because the callback is a navigation
// that comes from the server's site.
func (s *Store) setCookie(w http.ResponseWriter, id string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: s.name(), Value: id, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
	})
}
