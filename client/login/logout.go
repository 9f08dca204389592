package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

const (
	logoutLifetime = 10 * time.Minute // from the redirect to the server until the browser returns
	revokeTimeout  = 3 * time.Second
)

// Logout ends the session: POST, from a form of this site. The session here ends first. Then the
// tokens are revoked, if the session keeps them and the server has an endpoint for that. The
// browser is redirected to end the server's session too (OpenID Connect RP-Initiated Logout). If
// the server has no endpoint for that, the browser is redirected to HomePath. Without the client's
// PostLogoutRedirectURL the visitor stays on a page of the server.
//
// A session that is bound to a device also ends without its bound cookie. The server then gets no
// ID token as a hint, and may ask the user to confirm.
//
// Problems: CodeMethod, CodeCrossOrigin (the form is not of this site), and CodeUnavailable if the
// Store does not answer.
func (l *Login) Logout() http.Handler {
	return l.onlyAs("sign out with a form that posts to this path", func(w http.ResponseWriter, r *http.Request) {
		if err := l.checkOrigin(r); err != nil {
			l.fail(w, r, CodeCrossOrigin, err)
			return
		}
		r, cancel := unheard(r)
		defer cancel()
		s, kept, err := l.endSession(w, r)
		if err != nil {
			l.fail(w, r, storeCode(err), err)
			return
		}
		if l.silent.Load() {
			l.markSilent(w, l.config.Lifetime) // a visitor who signs out stays signed out
		}
		l.revoke(r.Context(), s, kept)
		redirect(w, l.logoutAddress(w, r, s, kept))
	}, http.MethodPost)
}

// endTimeout limits a logout.
const endTimeout = time.Minute

// unheard returns r for a logout that continues if the caller does not wait for the response.
func unheard(r *http.Request) (*http.Request, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endTimeout)
	return r.WithContext(ctx), cancel
}

// endSession ends the session of the request. It returns the session and its stored tokens. The
// cookies are removed in any case.
func (l *Login) endSession(w http.ResponseWriter, r *http.Request) (s *session, kept *tokens.Stored, err error) {
	s, err = l.sessions.load(r)
	if s != nil && err == nil {
		kept, err = l.sessions.kept(r, s)
		if kept != nil && !l.isBound(r, s) { // the cookies may be a copy, and the hint in the address would show the ID token
			l.deviceMissing(r, s)
			kept.IDToken = ""
		}
	}
	l.cookies.expireIfSent(w, r, l.markName())
	return s, kept, errors.Join(err, l.sessions.end(w, r, s))
}

// revoke logs an error and continues, because the session has ended already.
func (l *Login) revoke(ctx context.Context, s *session, kept *tokens.Stored) {
	if kept == nil || kept.AccessToken == "" && kept.RefreshToken == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, revokeTimeout)
	defer cancel()
	tokens, err := kept.Tokens()
	if err == nil {
		err = l.config.Clients[s.Client].RevokeTokens(ctx, tokens)
	}
	if err != nil && !errors.Is(err, client.ErrNoEndpoint) {
		l.config.Log.WarnContext(ctx, "login: cannot revoke tokens at sign-out", "reason", err)
	}
}

// logoutAddress is where the browser goes after a logout: HomePath if there is no session to end
// at the server.
func (l *Login) logoutAddress(w http.ResponseWriter, r *http.Request, s *session, kept *tokens.Stored) string {
	if s == nil {
		return l.config.HomePath
	}
	address, state, err := l.config.Clients[s.Client].LogoutURL(r.Context(), client.Logout{IDTokenHint: kept.IDToken})
	if err != nil {
		if !errors.Is(err, client.ErrNoEndpoint) {
			l.config.Log.WarnContext(r.Context(), "login: cannot end the server's session", "reason", err)
		}
		return l.config.HomePath
	}
	if state != "" {
		l.cookies.set(w, l.logoutName(), state, logoutLifetime)
	}
	return address
}

// logoutName is the name of the cookie with the state of a logout.
func (l *Login) logoutName() string { return l.cookies.name("-out") }

// LoggedOut sends visitors to HomePath who return from the server after a logout. Mount it at
// the path of the clients' PostLogoutRedirectURL. Problems: CodeMethod, and CodeLogout for a
// response that does not belong to a logout of this browser.
func (l *Login) LoggedOut() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		state, q := value(r, l.logoutName()), r.URL.Query()
		l.cookies.expireIfSent(w, r, l.logoutName())
		if err := client.CheckLogout(state, q); err != nil && (state != "" || q.Has("state")) {
			l.fail(w, r, CodeLogout, err)
			return
		}
		redirect(w, l.config.HomePath) // also if the server sent no state: there is nothing else to do
	}, http.MethodGet)
}
