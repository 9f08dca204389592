package login

import (
	"net/http"
	"net/http/httptest"
)

// Offer makes a second offer for the session of these cookies. No handler does that.
func Offer(l *Login, cookies []*http.Cookie) string {
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	for _, c := range cookies {
		r.AddCookie(c)
	}
	s, err := l.sessions.load(r)
	if s == nil || err != nil || l.offerDevice(w, s) != nil {
		return ""
	}
	return w.Header().Get(headerRegistration)
}

var IsFromServer = isFromServer
