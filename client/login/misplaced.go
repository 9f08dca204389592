package login

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// place is the address at which the responses of a client arrive.
type place struct{ method, path string }

// places returns the addresses at which the responses of all clients arrive.
func (l *Login) places() map[place]bool {
	all := map[place]bool{}
	for name, c := range l.config.Clients {
		at, err := url.Parse(c.Config().RedirectURL)
		if err != nil || at.Host == "" {
			continue
		}
		method := http.MethodGet
		if l.wantsPost(name) {
			method = http.MethodPost
		}
		all[place{method, "/" + strings.TrimPrefix(at.Path, "/")}] = true
	}
	return all
}

// noteKey is the context key of a request's note. The note is true if Callback handles the
// response, or if the missing Callback was logged.
type noteKey struct{}

func noteOf(r *http.Request) *atomic.Bool {
	note, _ := r.Context().Value(noteKey{}).(*atomic.Bool)
	return note
}

func withNote(r *http.Request) (*http.Request, *atomic.Bool) {
	if note := noteOf(r); note != nil {
		return r, note
	}
	note := &atomic.Bool{}
	return r.WithContext(context.WithValue(r.Context(), noteKey{}, note)), note
}

// arrived notes that Callback handles a request. A page for its errors may begin another login.
func arrived(r *http.Request) *http.Request {
	r, note := withNote(r)
	note.Store(true)
	return r
}

// misplaced returns the path of a request that is the response of a server, and did not arrive at
// Callback. It returns "" for every other request.
func (l *Login) misplaced(r *http.Request) string {
	if r.Method != http.MethodPost && !isResponse(r) {
		return ""
	}
	path := l.config.external(r.URL.Path)
	if !l.responsesAt[place{r.Method, path}] {
		path, _, _ = strings.Cut(l.address(r), "?") // the path before http.StripPrefix
	}
	note := noteOf(r)
	if !l.responsesAt[place{r.Method, path}] || note != nil && note.Load() {
		return ""
	}
	return path
}

// isResponse reports whether a query has the parameters of a response (RFC 6749 §4.1.2).
func isResponse(r *http.Request) bool {
	if !strings.Contains(r.URL.RawQuery, "state=") && !strings.Contains(r.URL.RawQuery, "response=") {
		return false
	}
	q := r.URL.Query()
	return q.Get("response") != "" || q.Get("state") != "" && (q.Get("code") != "" || q.Get("error") != "")
}

// misplacedError tells the operator to mount Callback. Another login would cause a loop.
func misplacedError(r *http.Request, handler, path string) error {
	arrived(r)
	if path == "/" {
		return &codeError{CodeConfiguration, fmt.Errorf("the response of a login arrived at %s, because RedirectURL has the path /: give RedirectURL its own path, such as /callback, for Callback", handler)}
	}
	return &codeError{CodeConfiguration, fmt.Errorf("the response of a login arrived at %s: mount Callback at %s, the path of RedirectURL, outside of %[1]s", handler, path)}
}

// watched passes every request to next. It tells the operator about the response of a login that
// no Callback in next handles.
func (l *Login) watched(handler string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := l.misplaced(r)
		if path == "" {
			next.ServeHTTP(w, r)
			return
		}
		r, note := withNote(r)
		next.ServeHTTP(w, r)
		if !note.Load() {
			err := misplacedError(r, handler, path)
			l.report(r, nil, l.newProblem(CodeConfiguration, nil, err), err)
		}
	})
}
