package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/countersign/countersign/internal/jose"
)

// DeviceSession registers the key of a session and refreshes its bound cookie. Mount it at Path
// of Config.Device. Browsers call it themselves. A request with Sec-Secure-Session-Id is a
// refresh. Every other request is a registration.
//
// The answer is 200, or 403 with a new challenge. It is 400 if the browser must forget the key,
// 429 for too many requests, and 503 if the Store is not available. Without Config.Device it is
// 404.
//
// Problems: CodeMethod, CodeCrossOrigin, and CodeUnavailable if the Store does not answer.
// Other rejections have the error "device_rejected" and one of the Reason constants.
func (l *Login) DeviceSession() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		switch err := l.config.CrossOrigin.Check(r); {
		case l.config.Device == nil:
			l.rejectDevice(w, r, http.StatusNotFound, errors.New("received a request for a device-bound session, but Config.Device is nil: set it"))
		case err != nil:
			l.answer(w, r, CodeCrossOrigin, err)
		case r.Header[headerSessionID] != nil:
			l.refreshDevice(w, r)
		default:
			l.registerDevice(w, r)
		}
	}, http.MethodPost)
}

func (l *Login) registerDevice(w http.ResponseWriter, r *http.Request) {
	s, err := l.register(w, r)
	if err == nil {
		err = l.grantBound(w, s)
	}
	if err != nil {
		l.rejectDevice(w, r, http.StatusBadRequest, err)
		return
	}
	l.count(r.Context(), DeviceRegistered, "")
}

// register checks the proof of a registration, and binds the session that its challenge names.
// If the browser sends a session, it must be that session.
func (l *Login) register(w http.ResponseWriter, r *http.Request) (*session, error) {
	p, err := readProof(r.Header)
	if err != nil {
		return nil, err
	}
	c, err := l.openChallenge(forRegistration, p.Challenge)
	if err != nil {
		return nil, err
	}
	if _, err := jose.VerifyEmbedded(p.token); err != nil {
		return nil, &proofError{ReasonKey, err}
	}
	own, err := l.sessions.load(r)
	if err != nil {
		return nil, storeDown(err)
	}
	if own != nil && hashed(own.ID) != c.Session {
		return nil, rejected(ReasonChallenge, "the challenge belongs to another session")
	}
	if err := l.useChallenge(r.Context(), p.Challenge, c); err != nil {
		return nil, err
	}
	return l.sessions.bind(r.Context(), w, p.Authorization, c.Session, &boundKey{p.token.EmbeddedJWK(), l.config.Now()})
}

func (l *Login) refreshDevice(w http.ResponseWriter, r *http.Request) {
	id, err := onlyString(r.Header, headerSessionID)
	if err != nil {
		l.rejectDevice(w, r, http.StatusBadRequest, &proofError{ReasonSession, err})
		return
	}
	known, err := l.sessions.identify(r.Context(), id)
	switch {
	case err != nil:
		l.rejectDevice(w, r, http.StatusServiceUnavailable, storeDown(err))
	case known == nil:
		l.rejectDevice(w, r, http.StatusBadRequest, rejected(ReasonSession, "the session to refresh has ended or is not bound to a device"))
	case !l.refreshes.allow(known.hash, l.config.Now()):
		w.Header().Set("Retry-After", "10")
		l.rejectDevice(w, r, http.StatusTooManyRequests, rejected(ReasonFlood, "too many refreshes of one session: the browser must wait 10 seconds"))
	case r.Header[headerResponse] == nil:
		l.challengeDevice(w, r, id, known.hash)
	default:
		l.prove(w, r, id, known)
	}
}

// prove answers a refresh with a proof. If the signature is good but the challenge is late or
// used, the cause may be an honest race. The browser then gets another challenge.
func (l *Login) prove(w http.ResponseWriter, r *http.Request, id string, known *identified) {
	err := l.checkRefresh(r, known)
	var bad *proofError
	switch {
	case err == nil:
		err = errors.Join(l.setBound(w, known.hash), l.instruct(w, id, known.hash))
		if err != nil {
			l.rejectDevice(w, r, http.StatusInternalServerError, err)
			return
		}
		l.count(r.Context(), DeviceRefreshed, "")
	case errors.As(err, &bad) && (bad.reason == ReasonChallenge || bad.reason == ReasonLate || bad.reason == ReasonUsed):
		l.noteRejected(r, err)
		l.challengeDevice(w, r, id, known.hash)
	default:
		l.rejectDevice(w, r, http.StatusBadRequest, err)
	}
}

// checkRefresh verifies the signature first, so only the holder of the key learns about
// challenges.
func (l *Login) checkRefresh(r *http.Request, known *identified) error {
	p, err := readProof(r.Header)
	if err != nil {
		return err
	}
	if err := jose.VerifyJWK(p.token, known.key.JWK); err != nil {
		return &proofError{ReasonKey, err}
	}
	c, err := l.openChallenge(forRefresh, p.Challenge)
	if err != nil {
		return err
	}
	if c.Session != known.hash {
		return rejected(ReasonChallenge, "the challenge belongs to another session")
	}
	return l.useChallenge(r.Context(), p.Challenge, c)
}

// challengeDevice requests a proof with status 403. The browser then signs and sends another
// request.
func (l *Login) challengeDevice(w http.ResponseWriter, r *http.Request, id, hash string) {
	challenge, err := l.newChallenge(forRefresh, hash)
	if err != nil {
		l.rejectDevice(w, r, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set(headerChallenge, `"`+challenge+`";id="`+id+`"`)
	w.WriteHeader(http.StatusForbidden)
}

// grantBound answers a registration.
func (l *Login) grantBound(w http.ResponseWriter, s *session) error {
	id, err := l.sessions.identifier(s)
	if err != nil {
		return err
	}
	hash := hashed(s.ID)
	return errors.Join(l.setBound(w, hash), l.instruct(w, id, hash))
}

// instruct writes the JSON session instructions. Every site may initiate a refresh. The duration
// does not show another site whether the visitor is signed in. The browser refreshes only for
// requests that would send the cookie, and SameSite withholds it from that site's requests. A
// visitor who follows a link from another site stays signed in.
func (l *Login) instruct(w http.ResponseWriter, id, hash string) error {
	attributes := "Path=/; Secure; HttpOnly; SameSite=Lax"
	if l.config.InsecureHTTP {
		attributes = "Path=/; HttpOnly; SameSite=Lax"
	}
	body, err := json.Marshal(map[string]any{
		"session_identifier":         id,
		"refresh_url":                l.config.Device.Path,
		"scope":                      map[string]any{"include_site": false},
		"credentials":                []any{map[string]string{"type": "cookie", "name": l.boundName(hash), "attributes": attributes}},
		"allowed_refresh_initiators": []string{"*"},
	})
	if err == nil {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
	}
	return err
}

// rejectDevice answers a rejected request, and logs the reason. The browser receives the
// reason's name.
func (l *Login) rejectDevice(w http.ResponseWriter, r *http.Request, status int, err error) {
	if isUnavailable(err) {
		l.answer(w, r, CodeUnavailable, err)
		return
	}
	reason := l.noteRejected(r, err)
	w.Header().Del("Set-Cookie")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error":"device_rejected","reason":%q}`, reason)
}

func (l *Login) noteRejected(r *http.Request, err error) (reason string) {
	reason = ReasonSession
	if bad := (*proofError)(nil); errors.As(err, &bad) {
		reason = bad.reason
	}
	l.count(r.Context(), DeviceRejected, reason)
	l.config.Log.InfoContext(r.Context(), "login: device-bound session rejected", slog.String("code", reason), slog.Any("reason", err))
	return reason
}
