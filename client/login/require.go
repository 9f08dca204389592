package login

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Require passes requests of signed-in visitors to next; [FromContext] returns the user. It
// redirects other visitors to sign in. They return to the page that they requested. A request that
// is not a navigation (a form post, a script's fetch) is answered with status 401 instead.
//
// Config.CrossOrigin rejects requests from other origins, including WebSocket handshakes. Responses
// are marked as not cacheable; next may change that.
//
// Problems: CodeCrossOrigin (see Config.CrossOrigin), CodeSignIn (not a navigation) and CodeLost
// (the browser stores no cookies, or Config.Keys differ between processes). [Login.Begin] adds
// CodeLimited, CodeUnavailable, CodeConfiguration, CodeTooLarge and CodeFailed. It is
// CodeConfiguration too if the response of a login arrives here and not at Callback.
func (l *Login) Require(next http.Handler) http.Handler {
	return l.identify(l.watched("Require", next), l.askToSignIn)
}

// Identify passes every request to next; [FromContext] returns the user if one is signed in.
// Use it for pages that greet users and do not require them to sign in. Config.CrossOrigin
// applies as for Require. Problems: CodeCrossOrigin, and CodeUnavailable if the Store does not
// answer. CodeConfiguration is logged, and passed to Config.OnProblem, if the response of a login
// arrives here and next has no Callback.
func (l *Login) Identify(next http.Handler) http.Handler {
	next = l.watched("Identify", next)
	return l.identify(next, next.ServeHTTP)
}

func (l *Login) identify(next http.Handler, nobody http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		personal(w.Header())
		if err := l.checkOrigin(r); err != nil {
			l.fail(w, r, CodeCrossOrigin, err)
			return
		}
		s, err := l.session(w, r)
		switch {
		case err != nil:
			l.fail(w, r, storeCode(err), err)
		case s == nil:
			nobody(w, withUser(r, nil)) // also hides the user of another Login that wraps this Login
		default:
			l.cookies.expireIfSent(w, r, l.markName())
			next.ServeHTTP(w, withUser(r, l.user(w, r, s)))
		}
	})
}

// checkOrigin applies Config.CrossOrigin. For net/http every GET is safe, but a WebSocket
// handshake is not. It opens a connection that uses the visitor's cookies, and the page that
// made it can read the response (RFC 6455 §10.2).
func (l *Login) checkOrigin(r *http.Request) error {
	if isHandshake(r) {
		unsafe := *r
		unsafe.Method = http.MethodPost
		r = &unsafe
	}
	return l.config.CrossOrigin.Check(r)
}

// isHandshake reports whether a request switches to another protocol, or opens a WebSocket. Over
// HTTP/2 its method is CONNECT, which is not safe anyway.
func isHandshake(r *http.Request) bool {
	return len(r.Header["Upgrade"]) > 0 || len(r.Header["Sec-Websocket-Key"]) > 0 || len(r.Header["Sec-Websocket-Version"]) > 0 ||
		strings.EqualFold(r.Header.Get("Sec-Fetch-Mode"), "websocket")
}

// personal keeps an answer out of caches. Vary matters if the handler replaces Cache-Control. Both
// values share one allocation. Each slice has a limited capacity, so it cannot grow into the other.
func personal(h http.Header) {
	values := []string{"no-store", "Cookie"}
	h["Cache-Control"] = values[0:1:1]
	if h["Vary"] == nil {
		h["Vary"] = values[1:2:2]
		return
	}
	h.Add("Vary", "Cookie")
}

// markLifetime is the time within which a browser that comes from a login must send its session.
const markLifetime = 30 * time.Second

// markName is the name of the cookie that marks such a browser.
func (l *Login) markName() string { return l.cookies.name("-done") }

// askToSignIn answers a request without a session. If a browser has just signed in and has not
// sent its session since, it stores no session. Redirecting it again would cause a loop.
func (l *Login) askToSignIn(w http.ResponseWriter, r *http.Request) {
	if path := l.misplaced(r); path != "" {
		l.fail(w, r, CodeConfiguration, misplacedError(r, "Require", path))
		return
	}
	to := l.returnTo(r, l.address(r))
	switch {
	case !isNavigation(r):
		w.Header().Set("WWW-Authenticate", "Session")
		l.fail(w, r, CodeSignIn, errors.New("not signed in: a fetch or form post receives 401 instead of a redirect"))
	case value(r, l.markName()) != "":
		l.cookies.expire(w, l.markName())
		l.failWith(w, r, CodeLost, &attempt{ReturnTo: to}, errors.New("no session cookie right after sign-in, or Config.Keys cannot open it: the browser rejects cookies, or processes have different Config.Keys"))
	case l.config.SignInPath != "":
		private(w.Header())
		redirect(w, withQuery(l.config.SignInPath, url.Values{"return_to": {to}}))
	default:
		private(w.Header())
		a := &attempt{ReturnTo: to}
		a.Client, _ = l.named("")
		if err := l.begin(w, r, a); err != nil {
			l.failLogin(w, r, a, err)
		}
	}
}

// isNavigation reports whether a visitor opens a page. It returns false for a script's fetch.
func isNavigation(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && wantsPage(r)
}

// wantsPage reports whether the response is shown to a visitor. If a browser does not send the
// purpose of a request, the Accept header decides.
func wantsPage(r *http.Request) bool {
	if mode := r.Header.Get("Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate"
	}
	accept := r.Header.Get("Accept")
	return r.Header.Get("X-Requested-With") == "" && r.Header.Get("Upgrade") == "" &&
		(accept == "" || strings.Contains(accept, "text/html") || strings.Contains(accept, "*/*"))
}

func withQuery(path string, q url.Values) string {
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + q.Encode()
}
