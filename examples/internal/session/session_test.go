package session

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
)

// step makes a request with the cookies of the answers before.
func step(cookies map[string]*http.Cookie) (*http.Request, *httptest.ResponseRecorder, func()) {
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r, w, func() {
		for _, c := range w.Result().Cookies() {
			cookies[c.Name] = c
		}
	}
}

func attempt(state string) *Attempt { return &Attempt{Pending: &client.Pending{State: state}} }

func TestTakeIsOnceAndForOneBrowser(t *testing.T) {
	s, mine, theirs := &Store{Cookie: "c"}, map[string]*http.Cookie{}, map[string]*http.Cookie{}
	r, w, done := step(mine)
	s.Begin(w, r, attempt("a"))
	done()
	r, w, done = step(theirs)
	s.Begin(w, r, attempt("b"))
	done()

	if r, _, _ := step(theirs); s.Take(r, "a") != nil {
		t.Error("another browser takes the attempt")
	}
	r, _, _ = step(mine)
	if s.Take(r, "") != nil || s.Take(r, "a") == nil {
		t.Error("the browser does not get its attempt, or gets one without state")
	}
	if s.Take(r, "a") != nil {
		t.Error("the attempt is taken twice")
	}
}

func TestSignInRotates(t *testing.T) {
	s, jar := &Store{Cookie: "c"}, map[string]*http.Cookie{}
	r, w, done := step(jar)
	s.Begin(w, r, attempt("other tab"))
	done()
	planted, before := r.Clone(t.Context()), jar["c"]
	planted.AddCookie(before)

	r, w, done = step(jar)
	s.SignIn(w, r, &Login{})
	done()
	if s.Login(planted) != nil {
		t.Error("the id from before the login is signed in")
	}
	r, _, _ = step(jar)
	if s.Login(r) == nil || s.Take(r, "other tab") == nil {
		t.Error("the login or the other tab's attempt is lost")
	}
}

func TestIDIsNeverTheBrowsers(t *testing.T) {
	s, jar := &Store{Cookie: "c"}, map[string]*http.Cookie{"c": {Name: "c", Value: "planted"}}
	r, w, done := step(jar)
	s.Begin(w, r, attempt("a"))
	done()
	if jar["c"].Value == "planted" {
		t.Error("an id that the browser brought is used")
	}
}

func TestSignedInVisitorsStay(t *testing.T) {
	s, jar := &Store{Cookie: "c"}, map[string]*http.Cookie{}
	r, w, done := step(jar)
	s.SignIn(w, r, &Login{})
	done()
	for range 2 * maxBrowsers {
		r, w, _ := step(nil)
		s.Begin(w, r, attempt("a"))
	}
	if len(s.browsers) > maxBrowsers {
		t.Errorf("%d sessions", len(s.browsers))
	}
	if r, _, _ := step(jar); s.Login(r) == nil {
		t.Error("strangers push out a visitor who is signed in")
	}
}

func TestSessionsEnd(t *testing.T) {
	s, jar := &Store{Cookie: "c"}, map[string]*http.Cookie{}
	r, w, done := step(jar)
	s.SignIn(w, r, &Login{})
	done()
	s.browsers[jar["c"].Value].since = time.Now().Add(-2 * lifetime)
	if r, _, _ := step(jar); s.Login(r) != nil {
		t.Error("a session of two hours")
	}
}

func TestSecureCookie(t *testing.T) {
	s := &Store{Cookie: "c", Secure: true}
	r, w, _ := step(nil)
	s.SignIn(w, r, &Login{})
	c := w.Result().Cookies()[0]
	if c.Name != "__Host-c" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%v", c)
	}
}
