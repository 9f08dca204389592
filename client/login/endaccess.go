package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Effect ends access elsewhere when a server ends sessions here. *rs.Revocations implements it:
// a logout at the server then also ends the access tokens of the session.
type Effect interface {
	// EndAccess ends the session sid at issuer iss. If sid is "", it ends all access of the user
	// sub that was issued at or before the given time. It may be called twice for one logout.
	EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error
}

var errNoStore = errors.New("login: sessions are in cookies, and only the visitor can end them: set Config.Store")

// EndAccess ends sessions on all machines, through Config.Store, and the tokens that they keep. It
// ends the session sid at issuer iss. If sid is "", it ends the sessions of the user sub whose ID
// token was issued at or before the given time. With both, it also ends the user's sessions whose
// ID token had no readable sid. It also ends logins that are in progress. After an error some
// sessions may continue, and the caller may repeat the call. With this method Login is an effect of
// rs/ssf. The error is Temporary if the Store did not answer. Otherwise Config.Store is nil, or
// iss, sub and sid are empty.
func (l *Login) EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error {
	stored, ok := l.sessions.(*storedSessions)
	switch {
	case !ok:
		return errNoStore
	case iss == "" || sub == "" && sid == "":
		return errors.New("login: EndAccess requires iss, and sub or sid")
	}
	if sid == "" {
		return stored.endEarlier(ctx, subIndex(iss, sub), before)
	}
	if err := stored.endSet(ctx, sidIndex(iss, sid), l.config.Now().Add(attemptsLifetime)); err != nil { // no later login has a sid that has ended
		return err
	}
	if before.IsZero() { // a caller with sid may omit it
		before = l.config.Now()
	}
	return stored.endUnreadable(ctx, iss, sub, before)
}

// endEarlier ends the sessions and the logins in progress of a set that began at or before a time.
func (l *storedSessions) endEarlier(ctx context.Context, index string, before time.Time) error {
	if err := l.leaveWord(ctx, index, before); err != nil {
		return storeDown(err)
	}
	return l.endBefore(ctx, index, before)
}

// endBefore ends the sessions of a set that began at or before a time.
func (l *storedSessions) endBefore(ctx context.Context, index string, before time.Time) error {
	all, err := l.login.shared.Linked(ctx, index)
	for _, hash := range all {
		later, failed := l.beganAfter(ctx, hash, before)
		if failed == nil && !later {
			failed = l.drop(ctx, hash)
			if failed == nil {
				failed = l.login.shared.Unlink(ctx, index, hash)
			}
		}
		err = errors.Join(err, failed)
	}
	if err != nil {
		return storeDown(err)
	}
	return nil
}

// beganAfter reports whether a session began after the given time. If the session cannot be opened,
// it returns false.
func (l *storedSessions) beganAfter(ctx context.Context, hash string, before time.Time) (bool, error) {
	sealed, err := l.login.shared.Load(ctx, sessionKey(hash))
	if err != nil {
		return false, err
	}
	s := &session{}
	if sealed == nil || !l.login.openJSON(forStore, sessionKey(hash), string(sealed), s) {
		return false, nil
	}
	began := s.Issued
	if began.IsZero() { // it was stored by an earlier version
		began = s.Begun
	}
	return began.After(before), nil
}

// spread calls Config.Effects after a logout at the server.
func (l *Login) spread(ctx context.Context, iss, sub, sid string, at time.Time) error {
	for _, effect := range l.config.Effects {
		if err := effect.EndAccess(ctx, iss, sub, sid, at); err != nil {
			return &downError{fmt.Errorf("effect %T: %w", effect, err)}
		}
	}
	return nil
}

// lastWord returns the later of two markers, because a server's messages may arrive in another
// order.
func (l *storedSessions) lastWord(ctx context.Context, index string, w word) (word, error) {
	left, err := l.login.shared.Load(ctx, "ended:"+index)
	if err != nil {
		return w, err
	}
	var earlier word
	if json.Unmarshal(left, &earlier) == nil && earlier.At.After(w.At) {
		return earlier, nil
	}
	return w, nil
}
