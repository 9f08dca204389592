package login

import (
	"context"
	"encoding/json"
	"net/http"
	"time"
)

// ledger identifies a bound session without a Store. The browser keeps it as the session's
// identifier, and sends it with every refresh.
type ledger struct {
	Session string    `json:"session"` // hash of its id
	Key     *boundKey `json:"key"`
	Until   time.Time `json:"until"`
}

// deviceEntry is the key under which this process remembers that a session is bound.
func deviceEntry(hash string) string { return "device:" + hash }

// authorization is the session itself: the registration may come without its cookie.
func (l *sealedSessions) authorization(s *session) (string, error) {
	return l.login.sealJSON(forChallenge, "authorization", s)
}

// bind seals the session again with its key. The process remembers the key, so that an earlier
// copy of the cookie is bound too.
func (l *sealedSessions) bind(ctx context.Context, w http.ResponseWriter, authorization, hash string, key *boundKey) (*session, error) {
	s := &session{}
	if !l.login.openFast(forChallenge, "authorization", authorization, s) || hashed(s.ID) != hash || !l.login.good(s) {
		return nil, rejected(ReasonSession, "the session has ended, or authorization does not match the offered value")
	}
	ended, err := l.login.shared.Load(ctx, "ended:"+hash)
	if err != nil {
		return nil, storeDown(err)
	}
	known, err := l.keyOf(ctx, hash)
	switch {
	case err != nil:
		return nil, storeDown(err)
	case ended != nil:
		return nil, rejected(ReasonSession, "the session has ended")
	case known != nil:
		return nil, rejected(ReasonRegistered, "the session is already bound to a key")
	}
	s.Device = key
	entry, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	if err := l.login.shared.Save(ctx, deviceEntry(hash), entry, l.login.until(s)); err != nil {
		return nil, storeDown(err)
	}
	return s, l.touch(w, nil, s)
}

// keyOf returns the key that this process remembers.
func (l *sealedSessions) keyOf(ctx context.Context, hash string) (*boundKey, error) {
	raw, err := l.login.shared.Load(ctx, deviceEntry(hash))
	if raw == nil || err != nil {
		return nil, err
	}
	key := &boundKey{}
	return key, json.Unmarshal(raw, key)
}

func (l *sealedSessions) identifier(s *session) (string, error) {
	return l.login.sealJSON(forBound, "identifier", ledger{hashed(s.ID), s.Device, l.login.until(s)})
}

func (l *sealedSessions) identify(ctx context.Context, identifier string) (*identified, error) {
	var known ledger
	if !l.login.openJSON(forBound, "identifier", identifier, &known) || known.Key == nil || !l.login.config.Now().Before(known.Until) {
		return nil, nil
	}
	ended, err := l.login.shared.Load(ctx, "ended:"+known.Session)
	if ended != nil || err != nil {
		return nil, err
	}
	return &identified{known.Session, known.Key}, nil
}

// authorization is not needed: the challenge names the session in the Store.
func (l *storedSessions) authorization(*session) (string, error) { return "", nil }

// bind writes the key into the session. A logout may end the session at the same moment, and
// must not be undone. The logout leaves a marker before it deletes, and bind looks for the
// marker after the write.
func (l *storedSessions) bind(ctx context.Context, _ http.ResponseWriter, _, hash string, key *boundKey) (*session, error) {
	s, err := l.findByHash(ctx, hash)
	switch {
	case err != nil:
		return nil, storeDown(err)
	case s == nil:
		return nil, rejected(ReasonSession, "the session has ended")
	case s.Device != nil:
		return nil, rejected(ReasonRegistered, "the session is already bound to a key")
	}
	s.Device = key
	if err := l.write(ctx, s); err != nil {
		return nil, storeDown(err)
	}
	ended, err := l.login.shared.Load(ctx, "ended:"+sessionKey(hash))
	if err == nil && ended != nil {
		err = l.login.shared.Delete(ctx, sessionKey(hash))
	}
	switch {
	case err != nil:
		return nil, storeDown(err)
	case ended != nil:
		return nil, rejected(ReasonSession, "the session ended during the registration")
	}
	return s, nil
}

// findByHash returns the session with that hash. Only its cookie knows its last use.
func (l *storedSessions) findByHash(ctx context.Context, hash string) (*session, error) {
	key := sessionKey(hash)
	sealed, err := l.login.shared.Load(ctx, key)
	if sealed == nil || err != nil {
		return nil, err
	}
	s := &session{}
	if !l.login.openFast(forStore, key, string(sealed), s) || hashed(s.ID) != hash || !l.login.holds(s) {
		return nil, nil
	}
	return s, nil
}

func (l *storedSessions) identifier(s *session) (string, error) { return hashed(s.ID), nil }

func (l *storedSessions) identify(ctx context.Context, identifier string) (*identified, error) {
	if len(identifier) != len(hashed("")) || !isName(identifier[:40]) || !isName(identifier[40:]) {
		return nil, nil
	}
	s, err := l.findByHash(ctx, identifier)
	if s == nil || s.Device == nil || err != nil {
		return nil, err
	}
	return &identified{identifier, s.Device}, nil
}
