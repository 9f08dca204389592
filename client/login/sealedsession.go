package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/countersign/countersign/client"
)

// sealedSessions are in cookies. This process remembers the sessions that have ended. It rejects
// copies of their cookies, and a response in progress cannot restore them here.
type sealedSessions struct{ login *Login }

func (l *sealedSessions) cookie() string { return l.login.cookies.name("") }

func (l *sealedSessions) load(r *http.Request) (*session, error) {
	s := &session{}
	if !l.login.openCookie(r, forSession, l.cookie(), s) {
		return nil, nil
	}
	if !l.login.good(s) {
		l.login.warnForeignSession(r, s)
		return nil, nil
	}
	ended, err := l.login.shared.Load(r.Context(), hashedAfter("ended:", s.ID))
	if err != nil || ended != nil {
		return nil, err
	}
	if l.login.config.Device != nil && s.Device == nil { // a cookie from before the registration
		s.Device, err = l.keyOf(r.Context(), hashed(s.ID))
	}
	return s, err
}

func (l *sealedSessions) begin(w http.ResponseWriter, r *http.Request, s *session, tokens *client.Tokens) error {
	old, err := l.load(r)
	if err != nil {
		return storeDown(err)
	}
	if err := l.forget(r.Context(), old); err != nil {
		return err
	}
	kept, err := json.Marshal(l.login.keptOf(tokens))
	if err != nil {
		return err
	}
	if err := l.carry(w, r, s, carried{ID: s.ID, At: l.login.config.Now(), Kept: kept}); err != nil {
		return err
	}
	return l.touch(w, r, s)
}

func (l *sealedSessions) touch(w http.ResponseWriter, r *http.Request, s *session) error {
	sealed, err := l.seal(s)
	if err == nil {
		l.login.cookies.set(w, l.cookie(), sealed, l.login.cookieAge(s))
	}
	return err
}

func (l *sealedSessions) seal(s *session) (string, error) {
	sealed, err := l.login.sealJSON(forSession, l.cookie(), s)
	if err == nil && len(sealed) > maxValue {
		err = errTooLarge
	}
	return sealed, err
}

func (l *sealedSessions) end(w http.ResponseWriter, r *http.Request, s *session) error {
	l.login.cookies.expireIfSent(w, r, l.cookie())
	l.login.cookies.expireLong(w, r, l.tokensCookie())
	l.login.dropBound(w, r, s)
	return l.forget(r.Context(), s)
}

func (l *sealedSessions) forget(ctx context.Context, s *session) error {
	if s == nil {
		return nil
	}
	ended := l.login.shared.Save(ctx, "ended:"+hashed(s.ID), []byte("1"), l.login.until(s))
	if err := errors.Join(ended, l.login.carried.Delete(ctx, s.tokensKey())); err != nil {
		return storeDown(err)
	}
	return nil
}
