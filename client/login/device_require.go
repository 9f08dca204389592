package login

import (
	"errors"
	"net/http"
)

var (
	errUnboundSession = errors.New("RequireDevice: the session is not bound to a device, because the browser has not registered a key")
	errNoDevice       = errors.New("RequireDevice rejects every request because Config.Device is nil: set it")
)

// RequireDevice is [Login.Require] for visitors whose session is bound to their device. It
// answers others with status 403 and [CodeDevice].
//
// A browser registers its key just after the sign-in. A page that is requested at that moment
// is answered with 403, and loads again after one second.
//
// Problems: CodeDevice, and those of Require: CodeCrossOrigin, CodeSignIn, CodeLost,
// CodeLimited, CodeUnavailable, CodeConfiguration, CodeTooLarge and CodeFailed.
func (l *Login) RequireDevice(next http.Handler) http.Handler {
	return l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, _ := FromContext(r.Context())
		if user.DeviceBound {
			next.ServeHTTP(w, r)
			return
		}
		reason := errUnboundSession
		if l.config.Device == nil {
			reason = errNoDevice
		} else if l.config.Now().Before(user.SignedIn.Add(deviceGrace)) {
			w.Header().Set("Refresh", "1")
			w.Header().Set("Retry-After", "1")
		}
		l.failWith(w, r, CodeDevice, &attempt{Client: user.Client, ReturnTo: l.returnTo(r, l.address(r))}, reason)
	}))
}
