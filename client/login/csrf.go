package login

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
)

// HeaderCSRF is the header field in which a page sends the token of [Login.Session]. Another
// origin can send it only if the application allows it (Fetch, CORS preflight).
const HeaderCSRF = "X-Csrf-Token"

// csrfToken is bound to the session and to one of Config.Keys.
func csrfToken(secret []byte, s *session) (string, error) {
	sum, err := hkdf.Expand(sha256.New, secret, "countersign login csrf token\x00"+s.ID, 32)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// checkToken checks the header.
func (l *Login) checkToken(r *http.Request, s *session) error {
	values := r.Header[HeaderCSRF]
	if len(values) != 1 {
		return errors.New("the X-CSRF-Token header is missing: send the csrf_token of the session endpoint")
	}
	for _, secret := range l.sealer.secrets {
		want, err := csrfToken(secret, s)
		if err != nil {
			return err
		}
		if hmac.Equal([]byte(want), []byte(values[0])) {
			return nil
		}
	}
	return errors.New("the X-CSRF-Token header does not match this session: read the session endpoint again after each sign-in")
}

// checkCSRF is for requests that scripts of this site make, after [Login.checkOrigin]. If a browser
// cannot send the header (images, EventSource, WebSocket), it must say that the request is
// same-origin. A safe method is not enough, because each request costs a call to the API.
func (l *Login) checkCSRF(r *http.Request, s *session) error {
	switch {
	case r.Header[HeaderCSRF] != nil:
		return l.checkToken(r, s)
	case isHandshake(r) && (r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") == "same-origin"):
		return nil // checkOrigin has compared them
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.Header.Get("Sec-Fetch-Site") == "same-origin":
		return nil
	}
	return l.checkToken(r, s)
}
