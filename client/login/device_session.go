package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/countersign/countersign/internal/jose"
)

// DeviceSession registers the key of a session and refreshes its bound cookie: what is
// mounted at the path of Config.Device. Browsers call it by themselves. A request with
// Sec-Secure-Session-Id is a refresh, every other a registration.
//
// The answers are 200, or 403 with a new challenge, or 400 where the browser is to forget the
// key, 429 to a flood and 503 while the Store is down. Without Config.Device it is 404.
func (l *Login) DeviceSession() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		switch err := l.config.CrossOrigin.Check(r); {
		case l.config.Device == nil:
			l.rejectDevice(w, r, http.StatusNotFound, errors.New("a request for a device bound session, and Config.Device is nil"))
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

// register checks the proof of a registration, and binds the session that its challenge
// names. Where the browser sends a session, it must be that one.
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
		return nil, rejected(ReasonChallenge, "the challenge is of another session")
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
		l.rejectDevice(w, r, http.StatusBadRequest, rejected(ReasonSession, "a refresh for a session that has ended or is not bound"))
	case !l.refreshes.allow(known.hash, l.config.Now()):
		w.Header().Set("Retry-After", "10")
		l.rejectDevice(w, r, http.StatusTooManyRequests, rejected(ReasonFlood, "too many refreshes of one session"))
	case r.Header[headerResponse] == nil:
		l.challengeDevice(w, r, id, known.hash)
	default:
		l.prove(w, r, id, known)
	}
}

// prove answers a refresh that brings a proof. A challenge that is late or used may be an
// honest race, after a good signature: the browser then gets another.
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

// checkRefresh looks at the signature first: only the holder of the key learns about
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
		return rejected(ReasonChallenge, "the challenge is of another session")
	}
	return l.useChallenge(r.Context(), p.Challenge, c)
}

// challengeDevice asks for a proof: status 403, upon which the browser signs and comes again.
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

// instruct writes the JSON session instructions. Every site may initiate a refresh: what it
// could learn from the time that takes, SameSite prevents, since a refresh is for requests
// that would send the cookie; and a visitor who follows a link from elsewhere stays signed in.
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

// rejectDevice answers, and says why in the log. The browser learns the reason's name.
func (l *Login) rejectDevice(w http.ResponseWriter, r *http.Request, status int, err error) {
	if codeOf(err) == CodeUnavailable {
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
	l.config.Log.InfoContext(r.Context(), "login: a device bound session was rejected", slog.String("code", reason), slog.Any("reason", err))
	return reason
}
