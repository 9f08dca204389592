package login

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// Device binds sessions to a key of the visitor's device (W3C Device Bound Session Credentials).
// A browser that supports this creates a key after the sign-in. The key does not leave the
// device. The browser proves possession of it every few minutes. Copied cookies then work for at
// most [Device.Refresh], and after that only to end the session. Other browsers ignore the offer, and their sessions work as without
// Device.
//
// Mount [Login.DeviceSession] at Path. Browsers bind sessions only on https.
//
// Without a Store, only one process knows that a challenge was used and that a session was
// bound. A cookie that was copied between the sign-in and the registration still works at
// another process. With a Store it is rejected there.
type Device struct {
	// Path is where DeviceSession is mounted. "" means "/device-session".
	Path string

	// Refresh is the lifetime of a bound cookie. The browser gets a new one shortly before it
	// expires. 0 means 10 minutes, or Lifetime if that is shorter. The minimum is 10 seconds.
	// Browsers limit how often they sign, and below 5 minutes Chromium may skip a refresh.
	Refresh time.Duration
}

const (
	minDeviceRefresh = 10 * time.Second

	// deviceGrace is how long after the registration a request without the bound cookie is
	// accepted: the browser had sent it before it got the cookie.
	deviceGrace = 10 * time.Second
)

// The header fields of the specification.
const (
	headerRegistration = "Secure-Session-Registration"
	headerChallenge    = "Secure-Session-Challenge"
	headerResponse     = "Secure-Session-Response"
	headerSessionID    = "Sec-Secure-Session-Id"
	headerSkipped      = "Secure-Session-Skipped"
)

// boundKey is the key that a session is bound to.
type boundKey struct {
	JWK   string    `json:"jwk"`
	Since time.Time `json:"since"`
}

// offerDevice offers the browser to bind a new session, in the response to its callback. The
// browser may send the registration without cookies: the callback comes from another site, so
// SameSite withholds them. The challenge therefore names the session.
func (l *Login) offerDevice(w http.ResponseWriter, s *session) error {
	if l.config.Device == nil {
		return nil
	}
	challenge, err := l.newChallenge(forRegistration, hashed(s.ID))
	if err != nil {
		return err
	}
	authorization, err := l.sessions.authorization(s)
	if err != nil {
		return err
	}
	offer := `(ES256 RS256);path="` + l.config.Device.Path + `";challenge="` + challenge + `"`
	if authorization != "" {
		offer += `;authorization="` + authorization + `"`
	}
	w.Header().Add(headerRegistration, offer)
	return nil
}

// isBound reports whether a request for s is accepted: s has no key, the request has the bound
// cookie, or s was bound just now.
func (l *Login) isBound(r *http.Request, s *session) bool {
	if l.config.Device == nil || s.Device == nil {
		return true
	}
	s.bound = l.openBound(s, value(r, l.boundName(hashed(s.ID))))
	return s.bound || l.config.Now().Before(s.Device.Since.Add(min(deviceGrace, l.config.Device.Refresh)))
}

// deviceMissing reports a bound session without its bound cookie.
func (l *Login) deviceMissing(r *http.Request, s *session) {
	reason := skipReason(r)
	l.count(r.Context(), DeviceCookieMissing, reason)
	l.config.Log.WarnContext(r.Context(), "login: device-bound session without its bound cookie",
		"session", hashed(s.ID)[:12], "issuer", s.Issuer, "sub", s.Subject, "skipped", reason,
		"remedy", "the session cookie may have been copied to another browser: if so, end the user's sessions with EndAccess")
}

// skipReason returns the browser's reason for not refreshing the bound cookie.
func skipReason(r *http.Request) string {
	for _, value := range r.Header[headerSkipped] {
		for _, reason := range [...]string{"unreachable", "server_error", "quota_exceeded"} {
			if strings.Contains(value, reason) {
				return reason
			}
		}
	}
	return "none"
}

// boundName returns the name of the bound cookie of the session with that hash. It depends on
// the session, because browsers may still refresh the cookie of an earlier session.
func (l *Login) boundName(hash string) string { return l.cookies.name("-b-" + hash[:22]) }

// setBound sets the bound cookie. The browser removes it shortly before it expires here, so that
// no cookie expires on the way.
func (l *Login) setBound(w http.ResponseWriter, hash string) error {
	name, refresh := l.boundName(hash), l.config.Device.Refresh
	expires, err := l.config.Now().Add(refresh).MarshalText()
	if err != nil {
		return err
	}
	sealed, err := l.sealer.seal(forBound, name, expires)
	if err != nil {
		return err
	}
	l.cookies.set(w, name, sealed, refresh-min(30*time.Second, refresh/10))
	return nil
}

// dropBound removes the bound cookie of a session that has ended. s may be nil.
func (l *Login) dropBound(w http.ResponseWriter, r *http.Request, s *session) {
	if s != nil && l.config.Device != nil {
		l.cookies.expireIfSent(w, r, l.boundName(hashed(s.ID)))
	}
}

// openBound reports whether a bound cookie belongs to s and has not expired.
func (l *Login) openBound(s *session, sealed string) bool {
	plain, ok := l.sealer.open(forBound, l.boundName(hashed(s.ID)), sealed)
	var expires time.Time
	return ok && expires.UnmarshalText(plain) == nil && l.config.Now().Before(expires)
}

// identified is the session in the header Sec-Secure-Session-Id.
type identified struct {
	hash string // of the session's id
	key  *boundKey
}

// deviceSessions is the part of sessions for device-bound sessions.
type deviceSessions interface {
	// authorization returns what a registration must send back. "" means nothing.
	authorization(s *session) (string, error)

	// bind sets the key of the session with that hash. nil means that it has ended, or has a
	// key already.
	bind(ctx context.Context, w http.ResponseWriter, authorization, hash string, key *boundKey) (*session, error)

	// identifier returns the name that the browser uses for a bound session.
	identifier(s *session) (string, error)

	// identify reads that name. nil means that the session has ended or is unknown.
	identify(ctx context.Context, identifier string) (*identified, error)
}
