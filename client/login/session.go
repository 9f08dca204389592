package login

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"github.com/go-json-experiment/json/jsontext"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// session is the stored result of a login.
type session struct {
	ID        string         `json:"id"` // 256 bits
	Client    string         `json:"client"`
	At        string         `json:"at"` // the client's id and issuer, hashed: a name may come to mean another
	Issuer    string         `json:"iss"`
	Subject   string         `json:"sub"`
	SessionID string         `json:"sid,omitempty"` // the server's
	ACR       string         `json:"acr,omitempty"`
	AMR       []string       `json:"amr,omitempty"`
	AuthTime  time.Time      `json:"auth_time,omitzero"`
	Claims    jsontext.Value `json:"claims,omitempty"` // an object, which few requests read
	Begun     time.Time      `json:"begun"`
	Issued    time.Time      `json:"iat,omitzero"`       // of the ID token, by the server's clock; only in the Store
	Seen      time.Time      `json:"seen"`               // the last request, within an interval
	IDToken   string         `json:"id_token,omitempty"` // as it was issued; only in the Store
	Device    *boundKey      `json:"device,omitempty"`   // nil: not bound to a device

	bound bool // the request has the cookie that is bound to Device
}

// sessions stores sessions, in cookies or in the Store.
type sessions interface {
	// load returns the session of a request, nil if there is no valid one. An error means that
	// the Store did not answer.
	load(r *http.Request) (*session, error)

	// begin stores a new session. It replaces the session of the request.
	begin(w http.ResponseWriter, r *http.Request, s *session, tokens *client.Tokens) error

	// touch notes that s is in use.
	touch(w http.ResponseWriter, r *http.Request, s *session) error

	// end deletes s, which may be nil, and removes the cookies.
	end(w http.ResponseWriter, r *http.Request, s *session) error

	// source returns the tokens of s, if they were kept.
	source(w http.ResponseWriter, r *http.Request, s *session) *source

	// kept returns the stored tokens of s.
	kept(r *http.Request, s *session) (*tokens.Stored, error)

	deviceSessions
}

// newSession creates a session with a new id. An id that an attacker planted in the browser
// cannot become the visitor's (session fixation).
func (l *Login) newSession(begun time.Time, user *User, tokens *client.Tokens) *session {
	id := make([]byte, 32)
	rand.Read(id)
	s := &session{
		ID: base64.RawURLEncoding.EncodeToString(id), Client: user.Client, At: l.registrations[user.Client],
		Issuer: user.Issuer, Subject: user.Subject, ACR: user.ACR, AMR: user.AMR, AuthTime: user.AuthTime,
		Claims: encodeClaims(user.claims), Begun: begun, Seen: begun,
	}
	if tokens.IDToken != nil {
		s.SessionID = tokens.IDToken.SessionID
	}
	return s
}

// maxAhead is the accepted difference between the clocks of processes.
const maxAhead = time.Minute

// good reports whether a session is still valid.
func (l *Login) good(s *session) bool {
	now := l.config.Now()
	return l.holds(s) && now.Before(s.Seen.Add(l.config.Idle)) &&
		s.Seen.Sub(now) <= maxAhead // a later time is from another clock, or forged
}

// holds is good without the check of the last use.
func (l *Login) holds(s *session) bool {
	c := l.config.Clients[s.Client]
	return c != nil && s.At == l.registrations[s.Client] && s.ID != "" && s.Subject != "" && l.config.Now().Before(l.until(s))
}

// until returns the latest end of a session.
func (l *Login) until(s *session) time.Time { return s.Begun.Add(l.config.Lifetime) }

// cookieAge is how long the browser keeps the cookies of a session.
func (l *Login) cookieAge(s *session) time.Duration {
	return min(l.config.Idle, l.until(s).Sub(l.config.Now()))
}

// session returns the session of a request, and records its use.
func (l *Login) session(w http.ResponseWriter, r *http.Request) (*session, error) {
	s, err := l.sessions.load(r)
	if s != nil && err == nil && !l.isBound(r, s) {
		l.deviceMissing(r, s)
		return nil, nil
	}
	if s == nil || err != nil || l.config.Now().Sub(s.Seen) < l.config.Idle/20 {
		return s, err
	}
	s.Seen = l.config.Now()
	return s, l.sessions.touch(w, r, s)
}

// hashed returns the hash of an ID for a key in the Store, so that a reader of the Store does not
// learn the ID.
func hashed(id string) string {
	return hashedAfter("", id)
}

// hashedAfter returns prefix + hashed(id) with one allocation.
func hashedAfter(prefix, id string) string {
	var in [128]byte
	sum := sha256.Sum256(append(in[:0], id...))
	var buf [64]byte
	return string(base64.RawURLEncoding.AppendEncode(append(buf[:0], prefix...), sum[:]))
}
