package login

import (
	"errors"
	"net/http"
)

// Logout ends the session: POST, from a form of this site. The session here ends before
// anything else; the browser is then sent to end that at the server too (OpenID Connect
// RP-Initiated Logout), where the server has an address for it.
func (l *Login) Logout() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		if err := l.config.CrossOrigin.Check(r); err != nil {
			l.fail(w, r, CodeCrossOrigin, err)
			return
		}
		s, err := l.sessions.load(r)
		l.cookies.expireIfSent(w, r, l.markName())
		if err := errors.Join(err, l.sessions.end(w, r, s)); err != nil {
			l.fail(w, r, CodeUnavailable, err)
			return
		}
		redirect(w, l.config.HomePath)
	}, http.MethodPost)
}
