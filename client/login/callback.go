package login

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/jose"
)

const maxForm = 256 << 10 // bytes; an ID token and a code

// Callback finishes a login. Mount it at the path of the clients' RedirectURL. It accepts GET,
// or POST for a client whose ResponseMode is form_post. With several clients, a response that
// arrived at the RedirectURL of another client is rejected (RFC 9700 §4.4.2.2).
//
// Problems:
//
//   - CodeMethod and CodeRequest: the request is not a response of a server.
//   - CodeUnknown: no login is under way in this browser. Causes are a reload, a
//     bookmark, or a browser that blocks cookies.
//   - CodeExpired: the login took longer than 10 minutes.
//   - CodeDenied: the visitor, the server or Config.SignIn denied the login.
//   - CodeSignIn: the server requires interaction, and Request.Prompt was "none".
//   - CodeAnotherUser: another user signed in than the one who was asked to.
//   - CodeTooLarge: the session does not fit into cookies. Set Config.Store, or keep fewer
//     Claims.
//   - CodeConfiguration: change the setting or the registration that the log names.
//   - CodeUnavailable: the server or the Store does not answer, or Config.MaxCalls is reached.
//   - CodeLimited: Config.Limit, for a login that the server has forgotten and that begins
//     again.
//   - CodeFailed: the response, the tokens or the ID token were rejected. The log has the
//     reason.
func (l *Login) Callback() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		r = arrived(r)
		q, err := parameters(w, r)
		if err != nil {
			l.fail(w, r, CodeRequest, err)
			return
		}
		a, unread := l.find(w, r, q)
		switch {
		case a == nil:
			l.strayCallback(w, r, q, unread)
		case l.wantsPost(a.Client) != (r.Method == http.MethodPost):
			l.failLogin(w, r, a, wrongMethod(r.Method, q))
		default:
			l.finish(w, r, a, q)
		}
	}, http.MethodGet, http.MethodPost)
}

// wrongMethod also names the error of the response. A server that rejects the client or the
// response mode may send its error in another mode than the requested one.
func wrongMethod(method string, q url.Values) error {
	expected := map[string]string{http.MethodGet: http.MethodPost, http.MethodPost: http.MethodGet}[method]
	sent := ""
	if code := q.Get("error"); code != "" {
		sent = fmt.Sprintf(" with the error %s", jose.Quote(code))
	}
	return fmt.Errorf("the response was sent by %s%s, expected %s: compare Config.ResponseMode of the client with its registration at the server", method, sent, expected)
}

// parameters returns the parameters of the query or of a posted form, never of both.
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, errors.New("the query is malformed")
		}
		return q, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("the Content-Type of the post is not application/x-www-form-urlencoded")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, errors.New("the form is malformed or larger than 256 KiB")
	}
	return r.PostForm, nil
}

var errStray = errors.New("no login is under way in this browser: the browser sent the response twice, or it blocks cookies. " +
	"Or the login began at another host name than the host of Config.RedirectURL (localhost instead of 127.0.0.1)")

// strayCallback handles a callback without a login in progress in this browser. Causes are a
// reload, the back button, an attempt to finish another person's login here, or a browser
// without cookies. A signed-in visitor stays signed in.
func (l *Login) strayCallback(w http.ResponseWriter, r *http.Request, q url.Values, unread error) {
	s, err := l.sessions.load(r)
	switch {
	case err != nil:
		l.fail(w, r, storeCode(err), errors.Join(err, unread))
	case unread != nil && isUnavailable(unread):
		l.fail(w, r, CodeUnavailable, unread)
	case s != nil, l.wasSilent(r, q):
		redirect(w, l.config.HomePath)
	default:
		l.warnForeignAttempt(r, q)
		l.fail(w, r, CodeUnknown, errors.Join(errStray, unread))
	}
}

// finish checks where the response arrived, then the response, and consumes the login last. A
// repeated callback redirects to the same page as the first. Only the response to the first
// removes the cookie, because it may arrive after the others.
func (l *Login) finish(w http.ResponseWriter, r *http.Request, a *attempt, q url.Values) {
	if err := l.checkArrival(r, a.Client); err != nil {
		l.failLogin(w, r, a, err)
		return
	}
	if a.Pending.Expired(l.config.Now()) { // a Store remembers a used login only until it expires
		l.cookies.expire(w, a.cookie)
		l.end(w, r, a, &codeError{CodeExpired, expiry(a.Pending.CreatedAt, l.config.Now())})
		return
	}
	if err := l.config.Clients[a.Client].CheckCallback(r.Context(), a.Pending, q); err != nil {
		if isAnswered(err) || !isTemporary(err) {
			l.cookies.expire(w, a.cookie)
		}
		l.end(w, r, a, err)
		return
	}
	leave, err := l.finishes.enter()
	if err != nil { // the login is not used up: a reload may succeed
		l.end(w, r, a, err)
		return
	}
	l.finishOnce(w, r, a, q, sync.OnceFunc(leave))
}

// expiry says why a login has expired. begun is from the client's clock.
func expiry(begun, now time.Time) error {
	if ahead := begun.Sub(now); ahead > 0 {
		return fmt.Errorf("the login began %s in the future: the clocks of client.Config.Now and login.Config.Now differ, or those of the processes", jose.Duration(ahead.Round(time.Second)))
	}
	return errors.New("the login took longer than 10 minutes, or the clocks of client.Config.Now and login.Config.Now differ")
}

// finishOnce consumes the login and signs the visitor in. It calls leave when the calls to the
// server are over.
func (l *Login) finishOnce(w http.ResponseWriter, r *http.Request, a *attempt, q url.Values, leave func()) {
	defer leave()
	l.warnSeveralProcesses(r, a)
	isFirst, err := l.consume(r, a)
	switch {
	case err != nil:
		l.fail(w, r, storeCode(err), err)
		return
	case !isFirst:
		redirect(w, a.ReturnTo)
		return
	}
	l.cookies.expire(w, a.cookie)
	if err := l.signIn(w, r, a, q, leave); err != nil {
		l.end(w, r, a, err)
		return
	}
	l.cookies.set(w, l.markName(), "1", markLifetime)
	l.makeRoom(w, r)
	redirect(w, a.ReturnTo)
}

// isAnswered reports whether the server has answered the login with an error.
func isAnswered(err error) bool { return errors.As(err, new(*client.CallbackError)) }

// end handles a failed login: it starts another attempt, returns to the page where a silent
// login started, or shows a problem.
func (l *Login) end(w http.ResponseWriter, r *http.Request, a *attempt, err error) {
	switch {
	case a.Silent:
		l.logSilent(r, a, err)
		redirect(w, a.ReturnTo)
	case !a.Restarted && isStale(err):
		l.restart(w, r, a, err)
	default:
		l.failLogin(w, r, a, err)
	}
}

// isStale reports whether the server has forgotten the login, and a new attempt can succeed.
// Keycloak answers so if the visitor has signed in in another tab in the meantime.
func isStale(err error) bool {
	var answer *client.CallbackError
	return errors.As(err, &answer) && (answer.Code == expired || answer.Code == "temporarily_unavailable" && answer.Description == expired)
}

const expired = "authentication_expired"

// restart starts a login again, once.
func (l *Login) restart(w http.ResponseWriter, r *http.Request, a *attempt, err error) {
	l.config.Log.InfoContext(r.Context(), "login: the server no longer knows the login, starting it again", "reason", err)
	again := &attempt{Client: a.Client, ReturnTo: a.ReturnTo, Request: a.Request, Restarted: true, Issuer: a.Issuer, Subject: a.Subject}
	if err := l.begin(w, r, again); err != nil {
		l.failLogin(w, r, again, err)
	}
}
