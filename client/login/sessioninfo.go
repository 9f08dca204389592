package login

import (
	"encoding/json"
	"net/http"
	"time"
)

// sessionInfo is what a page may know about its visitor. It contains no token.
type sessionInfo struct {
	SignedIn    bool            `json:"signed_in"`
	Issuer      string          `json:"iss,omitempty"`
	Subject     string          `json:"sub,omitempty"`
	Client      string          `json:"client,omitempty"`
	Claims      json.RawMessage `json:"claims,omitempty"`
	ACR         string          `json:"acr,omitempty"`
	AMR         []string        `json:"amr,omitempty"`
	AuthTime    int64           `json:"auth_time,omitempty"`
	SignedInAt  int64           `json:"signed_in_at,omitempty"`
	IdleAt      int64           `json:"idle_at,omitempty"`
	ExpiresAt   int64           `json:"expires_at,omitempty"`
	DeviceBound bool            `json:"device_bound,omitempty"`
	CSRFToken   string          `json:"csrf_token,omitempty"`
}

// Session answers GET with who is signed in, as JSON for the scripts of a page. It is the session
// endpoint of a backend for frontend (RFC 10017). It never answers with a token of the server.
//
//	{"signed_in":true,"iss":"…","sub":"…","claims":{"name":"…"},"signed_in_at":…,"idle_at":…,"expires_at":…,"csrf_token":"…"}
//	{"signed_in":false}
//
// claims are the claims of Config.Claims. Times are in seconds since 1970. idle_at is when the
// session ends without further requests. expires_at is when it ends at the latest. csrf_token is
// for the header X-CSRF-Token. A request to Session does not extend the session, so a page may call
// it every minute.
//
// Problems: CodeMethod, CodeCrossOrigin, and CodeUnavailable if the Store does not answer.
func (l *Login) Session() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if err := l.checkOrigin(r); err != nil {
			l.answer(w, r, CodeCrossOrigin, err)
			return
		}
		info, err := l.sessionInfo(r)
		if err != nil {
			l.answer(w, r, CodeUnavailable, err)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		json.NewEncoder(w).Encode(info)
	}, http.MethodGet)
}

func (l *Login) sessionInfo(r *http.Request) (*sessionInfo, error) {
	s, err := l.sessions.load(r)
	if s == nil || err != nil || !l.isBound(r, s) {
		return &sessionInfo{}, err
	}
	token, err := csrfToken(l.sealer.secrets[0], s)
	if err != nil {
		return nil, err
	}
	return &sessionInfo{
		SignedIn: true, Issuer: s.Issuer, Subject: s.Subject, Client: s.Client, Claims: json.RawMessage(s.Claims), ACR: s.ACR, AMR: s.AMR,
		AuthTime: seconds(s.AuthTime), SignedInAt: seconds(s.Begun), ExpiresAt: seconds(l.until(s)),
		IdleAt: seconds(s.Seen.Add(l.config.Idle)), DeviceBound: s.bound, CSRFToken: token,
	}, nil
}

// seconds is 0 for a time that is not known.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
