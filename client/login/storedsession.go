package login

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
)

// storedSessions are in the Store. The cookie contains the id and the time of the last use. That
// time is written often, and a write to the Store could restore a session that another process
// ends at that moment.
type storedSessions struct{ login *Login }

// ticket is the content of the cookie.
type ticket struct {
	ID   string    `json:"id"`
	Seen time.Time `json:"seen"`
	At   string    `json:"at,omitempty"` // of the session, to notice another application's cookie
}

func (l *storedSessions) cookie() string { return l.login.cookies.name("") }

// The keys of a session whose id has that hash.
func sessionKey(hash string) string { return "session:" + hash }
func tokensKey(hash string) string  { return "tokens:" + hash }

func (s *session) tokensKey() string { return tokensKey(hashed(s.ID)) }

// The sets that a session is in. Their names are hashes, so they do not contain data of the user.
func sidIndex(iss, sid string) string { return "sid:" + hashed(iss+"\x00"+sid) }
func subIndex(iss, sub string) string { return "sub:" + hashed(iss+"\x00"+sub) }

// noSIDIndex is the set of a user's sessions without a sid that can be read. A server may write
// a number as sid into its ID tokens, and the same number as text into its logout tokens.
func noSIDIndex(iss, sub string) string { return "nosid:" + hashed(iss+"\x00"+sub) }

func (s *session) indexes() []string {
	bySID := noSIDIndex(s.Issuer, s.Subject)
	if s.SessionID != "" {
		bySID = sidIndex(s.Issuer, s.SessionID)
	}
	return []string{subIndex(s.Issuer, s.Subject), bySID}
}

func (l *storedSessions) load(r *http.Request) (*session, error) {
	var t ticket
	if !l.login.openCookie(r, forTicket, l.cookie(), &t) || t.ID == "" {
		return nil, nil
	}
	key := hashedAfter(sessionKey(""), t.ID)
	sealed, err := l.login.shared.Load(r.Context(), key)
	if err != nil {
		return nil, err
	}
	s := &session{}
	if sealed == nil {
		l.login.warnForeignTicket(r, t)
	}
	if sealed == nil || !l.login.openFast(forStore, key, string(sealed), s) || s.ID != t.ID {
		return nil, nil
	}
	if s.Seen = t.Seen; !l.login.good(s) {
		l.login.warnForeignSession(r, s)
		return nil, nil
	}
	return s, nil
}

// begin links the session before it saves it, so that a back-channel logout finds every saved
// session. A logout that came before the link has left a marker.
func (l *storedSessions) begin(w http.ResponseWriter, r *http.Request, s *session, tokens *client.Tokens) error {
	old, err := l.load(r)
	if err == nil && old != nil {
		err = l.forget(r.Context(), old)
	}
	if err != nil {
		return storeDown(err)
	}
	for _, index := range s.indexes() {
		if err := l.login.shared.Link(r.Context(), index, hashed(s.ID), l.login.until(s)); err != nil {
			return storeDown(err)
		}
	}
	if err := l.save(r.Context(), s, tokens); err != nil {
		return storeDown(err)
	}
	switch ended, err := l.endedMeanwhile(r.Context(), s, issuedAt(s, tokens)); {
	case err != nil:
		return storeDown(err)
	case ended:
		return errors.Join(errors.New("the server ended this login while it was in progress"), l.forget(r.Context(), s))
	}
	return l.touch(w, r, s)
}

func (l *storedSessions) save(ctx context.Context, s *session, tokens *client.Tokens) error {
	s.IDToken, s.Issued = l.login.keptOf(tokens).IDToken, issuedAt(s, tokens)
	if l.login.config.KeepTokens {
		if err := l.login.refreshers[s.Client].Add(ctx, s.tokensKey(), tokens); err != nil {
			return err
		}
	}
	return l.write(ctx, s)
}

func (l *storedSessions) write(ctx context.Context, s *session) error {
	key := sessionKey(hashed(s.ID))
	sealed, err := l.login.sealJSON(forStore, key, s)
	if err != nil {
		return err
	}
	return l.login.shared.Save(ctx, key, []byte(sealed), l.login.until(s))
}

func (l *storedSessions) touch(w http.ResponseWriter, _ *http.Request, s *session) error {
	sealed, err := l.login.sealJSON(forTicket, l.cookie(), ticket{s.ID, s.Seen, s.At})
	if err == nil {
		l.login.cookies.set(w, l.cookie(), sealed, l.login.cookieAge(s))
	}
	return err
}

func (l *storedSessions) end(w http.ResponseWriter, r *http.Request, s *session) error {
	l.login.cookies.expireIfSent(w, r, l.cookie())
	if s == nil {
		return nil
	}
	l.login.dropBound(w, r, s)
	return l.forget(r.Context(), s)
}

// forget removes a session from the Store, and then its links.
func (l *storedSessions) forget(ctx context.Context, s *session) error {
	hash := hashed(s.ID)
	err := l.drop(ctx, hash)
	for _, index := range s.indexes() {
		err = errors.Join(err, l.login.shared.Unlink(ctx, index, hash))
	}
	return err
}

func (l *storedSessions) drop(ctx context.Context, hash string) error {
	var err error
	if l.login.config.Device != nil { // a registration in progress must not restore the session: see bind
		err = l.login.shared.Save(ctx, "ended:"+sessionKey(hash), []byte("1"), l.login.config.Now().Add(attemptsLifetime))
	}
	return errors.Join(err, l.login.shared.Delete(ctx, sessionKey(hash)), l.login.anyRefresher().Forget(ctx, tokensKey(hash)))
}

// endSet leaves a marker for the logins in progress of a set, and ends its sessions.
func (l *storedSessions) endSet(ctx context.Context, index string, at time.Time) error {
	if err := l.leaveWord(ctx, index, at); err != nil {
		return storeDown(err)
	}
	if err := l.endAll(ctx, index); err != nil {
		return storeDown(err)
	}
	return nil
}

// endUnreadable ends the sessions of a user whose sid cannot be read. One of them may be the
// session that ended at the server. Sessions that began after at continue.
func (l *storedSessions) endUnreadable(ctx context.Context, iss, sub string, at time.Time) error {
	if sub == "" {
		return nil
	}
	return l.endEarlier(ctx, noSIDIndex(iss, sub), at)
}

// endAll ends every session of a set.
func (l *storedSessions) endAll(ctx context.Context, index string) error {
	all, err := l.login.shared.Linked(ctx, index)
	for _, hash := range all {
		if dropped := l.drop(ctx, hash); dropped != nil {
			err = errors.Join(err, dropped)
			continue
		}
		err = errors.Join(err, l.login.shared.Unlink(ctx, index, hash))
	}
	return err
}

// downError marks an error of the Store.
type downError struct{ err error }

func storeDown(err error) error { return &downError{err} }

func (e *downError) Error() string   { return "the store: " + e.err.Error() }
func (e *downError) Unwrap() error   { return e.err }
func (e *downError) Temporary() bool { return true }

// Configuration reports whether the fault remains until the operator acts: a wrong password, or a
// table that is missing. The stores of this module then return an error that is not Temporary.
func (e *downError) Configuration() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.err, &t) && !t.Temporary()
}

// storeCode is the code of a problem with an error of the Store.
func storeCode(err error) string { return codeOf(storeDown(err)) }
