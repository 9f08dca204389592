package login

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// silentAgain is how long the server is not asked again about a visitor whom a silent login did
// not sign in.
const silentAgain = 10 * time.Minute

// silentProbe is the parameter of a page that the browser visits a second time, to check whether
// it stores cookies.
const silentProbe = "login_probe"

// Silent passes every request to next, as Identify does. Before that it signs in visitors who
// have a session at the server already. It redirects the browser to the server with prompt=none
// (OpenID Connect Core §3.1.2.1). The visitor returns to the same page, signed in or not. No
// page of the server is shown, and no error page unless the Store is down. The server is asked at
// most once in 10 minutes per browser, and not for Lifetime after a logout here. It is asked only
// for page visits by browsers that store cookies. name is a name in Config.Clients. "" means the
// only client.
//
// Problems that a visitor sees: CodeCrossOrigin, and CodeUnavailable if the Store does not answer.
// Problems of the silent login are logged and passed to Config.OnProblem only. This also applies
// to CodeConfiguration, if the response of a login arrives here and next has no Callback.
func (l *Login) Silent(name string, next http.Handler) http.Handler {
	l.silent.Store(true)
	next = l.watched("Silent", withoutProbe(next))
	return l.identify(next, func(w http.ResponseWriter, r *http.Request) {
		if !l.trySilently(w, r, name) {
			next.ServeHTTP(w, r)
		}
	})
}

// withoutProbe hides silentProbe from the application.
func withoutProbe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.RawQuery, silentProbe) {
			next.ServeHTTP(w, r)
			return
		}
		bare := r.Clone(r.Context())
		bare.URL.RawQuery = dropProbe(bare.URL.RawQuery)
		bare.RequestURI = dropProbeFrom(bare.RequestURI)
		next.ServeHTTP(w, bare)
	})
}

func dropProbeFrom(address string) string {
	path, query, _ := strings.Cut(address, "?")
	if query = dropProbe(query); query == "" {
		return path
	}
	return path + "?" + query
}

// dropProbe leaves the rest of a query as it is.
func dropProbe(query string) string {
	var kept []string
	for part := range strings.SplitSeq(query, "&") {
		if part != silentProbe+"=1" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "&")
}

// silentName is the name of the cookie that marks a visitor who was asked about, or signed out.
func (l *Login) silentName() string { return l.cookies.name("-silent") }

// trySilently redirects the browser, or reports that the visitor must see the page. A browser
// that sends no cookie visits the page twice, because a browser that stores no cookies must not
// be redirected to the server.
func (l *Login) trySilently(w http.ResponseWriter, r *http.Request, name string) bool {
	_, c := l.named(name)
	if c == nil || !isVisit(r) || l.misplaced(r) != "" || value(r, l.silentName()) != "" {
		return false
	}
	probed := r.URL.Query().Get(silentProbe) == "1"
	switch {
	case len(r.Cookies()) > 0 && value(r, l.probeName()) != "", len(r.Cookies()) > 0 && !probed:
		return l.beginSilently(w, r, name)
	case probed:
		return false
	}
	again := withQueryText(l.address(r), silentProbe+"=1")
	if !isSitePath(again) { // to a browser, //evil.example/ is another site
		return false
	}
	l.cookies.set(w, l.probeName(), "1", time.Minute)
	private(w.Header())
	redirect(w, again)
	return true
}

func (l *Login) probeName() string { return l.cookies.name("-probe") }

func (l *Login) beginSilently(w http.ResponseWriter, r *http.Request, name string) bool {
	name, _ = l.named(name)
	a := &attempt{Client: name, ReturnTo: l.returnTo(r, dropProbeFrom(l.address(r))), Silent: true}
	l.cookies.expireIfSent(w, r, l.probeName())
	l.markSilent(w, silentAgain)
	if err := l.begin(w, r, a); err != nil {
		l.logSilent(r, a, err)
		return false
	}
	private(w.Header())
	return true
}

func (l *Login) markSilent(w http.ResponseWriter, age time.Duration) {
	l.cookies.set(w, l.silentName(), "1", age)
}

// wasSilent reports whether a response answers a request with prompt=none whose login this
// browser has lost. The visitor must then see no error.
func (l *Login) wasSilent(r *http.Request, q url.Values) bool {
	return l.silent.Load() && value(r, l.silentName()) != "" && interactive[first(q["error"])]
}

// logSilent logs why a silent login failed. It logs nothing if the visitor has no session at the
// server, because this is usual.
func (l *Login) logSilent(r *http.Request, a *attempt, err error) {
	if code, err := l.faultOf(a, err); code != CodeSignIn {
		p := l.newProblem(code, nil, err)
		l.report(r, nil, p, err)
	}
}

// isVisit reports whether a visitor opens a page. It returns false for a frame and for a page
// that a browser fetches ahead.
func isVisit(r *http.Request) bool {
	destination := r.Header.Get("Sec-Fetch-Dest")
	return r.Method == http.MethodGet && wantsPage(r) && (destination == "" || destination == "document") &&
		r.Header.Get("Sec-Purpose") == "" && r.Header.Get("Purpose") == ""
}

func withQueryText(path, query string) string {
	if strings.Contains(path, "?") {
		return path + "&" + query
	}
	return path + "?" + query
}
