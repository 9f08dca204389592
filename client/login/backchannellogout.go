package login

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/idtoken"
)

// BackchannelLogout ends sessions when the server ends them (OpenID Connect Back-Channel Logout).
// Register its URL as backchannel_logout_uri. With several clients, add the client's name as
// {client} in the pattern or as a parameter. BackchannelLogout requires Config.Store, and answers
// 501 without one.
//
// A logout token with a sid ends the sessions of that sid. It also ends earlier sessions of its sub
// whose ID token had no sid, or a sid that is not a string. A token without sid ends all sessions
// of its sub. Both also end logins that are in progress. The status is 200 even if there was no
// session. It is 400 if the token is rejected. It is 503 if the server's keys or the Store are not
// available; the server may then send the same token again.
//
// Problems: CodeMethod, CodeRequest (the token is rejected, or names no client; the log has the
// reason) and CodeUnavailable.
func (l *Login) BackchannelLogout() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		stored, ok := l.sessions.(*storedSessions)
		if !ok {
			l.config.Log.Error("login: back-channel logout requires Config.Store, which is nil")
			w.WriteHeader(http.StatusNotImplemented)
			return
		}
		_, c := l.choose(r)
		q, err := parameters(w, r)
		if c == nil || err != nil || len(q["logout_token"]) != 1 {
			l.answer(w, r, CodeRequest, errors.Join(errors.New("the back-channel logout does not name a client of Config.Clients, or does not have exactly one logout_token"), err))
			return
		}
		r, cancel := unheard(r)
		defer cancel()
		if err := stored.logout(r.Context(), c, q.Get("logout_token")); err != nil {
			l.answer(w, r, logoutCode(err), err)
		}
	}, http.MethodPost)
}

// answer writes the response to a request of a server. It never writes a page.
func (l *Login) answer(w http.ResponseWriter, r *http.Request, code string, err error) {
	machine := r.Clone(r.Context())
	machine.Header.Set("Sec-Fetch-Mode", "cors")
	l.fail(w, machine, code, err)
}

func logoutCode(err error) string {
	if isUnavailable(err) {
		return CodeUnavailable
	}
	return CodeRequest
}

// logout ends the sessions before it marks the token as used. If they could not be ended, the
// token can be used again. Ending them twice does no harm.
func (l *storedSessions) logout(ctx context.Context, c *client.Client, raw string) error {
	used := &lateReplay{store: l.login.shared}
	t, err := c.VerifyLogout(ctx, raw, used)
	if err != nil {
		return err
	}
	if err := l.endNamed(ctx, t.Issuer, t.Subject, t.SessionID, t.IssuedAt); err != nil {
		return err
	}
	if err := l.login.spread(ctx, t.Issuer, t.Subject, t.SessionID, t.IssuedAt); err != nil {
		return err
	}
	if err := used.remember(ctx); err != nil {
		return storeDown(err)
	}
	l.login.onServerLogout(ctx, ServerLogout{Issuer: t.Issuer, Subject: t.Subject, SessionID: t.SessionID})
	return nil
}

// endNamed ends the sessions that a logout token of that time names.
func (l *storedSessions) endNamed(ctx context.Context, iss, sub, sid string, at time.Time) error {
	if sid == "" {
		return l.endSet(ctx, subIndex(iss, sub), at)
	}
	if err := l.endSet(ctx, sidIndex(iss, sid), at); err != nil {
		return err
	}
	return l.endUnreadable(ctx, iss, sub, at)
}

// ServerLogout identifies the sessions that a server has ended here.
type ServerLogout struct {
	Issuer    string // iss: the server that ended them
	Subject   string // "" if the server names only the session
	SessionID string // sid: the session at the server; "" means all sessions of Subject
}

func (l *Login) onServerLogout(ctx context.Context, ended ServerLogout) {
	if l.config.OnServerLogout != nil {
		l.config.OnServerLogout(ctx, ended)
	}
}

// word is the marker of a logout for logins in progress, whose sessions are in no set yet.
type word struct {
	At    time.Time `json:"at"`    // of the logout, by the server's clock
	Heard time.Time `json:"heard"` // by ours
}

func (l *storedSessions) leaveWord(ctx context.Context, index string, at time.Time) error {
	w, err := l.lastWord(ctx, index, word{At: at, Heard: l.login.config.Now()})
	if err != nil {
		return err
	}
	left, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return l.login.shared.Save(ctx, "ended:"+index, left, l.login.config.Now().Add(attemptsLifetime))
}

// endedMeanwhile reports whether a logout ended a login whose ID token was issued at a time. The
// server's times are whole seconds. Within one second, the time of arrival here decides.
func (l *storedSessions) endedMeanwhile(ctx context.Context, s *session, issued time.Time) (bool, error) {
	for _, index := range s.indexes() {
		left, err := l.login.shared.Load(ctx, "ended:"+index)
		if err != nil {
			return false, err
		}
		var w word
		if json.Unmarshal(left, &w) == nil && (w.At.After(issued) || w.At.Equal(issued) && w.Heard.After(s.Begun)) {
			return true, nil
		}
	}
	return false, nil
}

// lateReplay reports whether a logout token was used, and remembers it later.
type lateReplay struct {
	store Values
	key   string
	until time.Time
}

var _ idtoken.Replay = (*lateReplay)(nil)

// Once implements idtoken.Replay.
func (p *lateReplay) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	p.key, p.until = key, until
	used, err := p.store.Load(ctx, key)
	return used == nil, err
}

func (p *lateReplay) remember(ctx context.Context) error {
	return p.store.Save(ctx, p.key, []byte("1"), p.until)
}

// FrontchannelLogout ends the session that the server names in a frame of its page (OpenID
// Connect Front-Channel Logout). Register its URL as frontchannel_logout_uri, with
// frontchannel_logout_session_required: a request without iss and sid is rejected. With a Store
// the session always ends. Without one it ends only if the browser sends its cookie into that
// frame. Browsers do so only for a server of the same site.
//
// Problems: CodeMethod, CodeRequest (iss or sid is missing) and CodeUnavailable (the Store does
// not answer).
func (l *Login) FrontchannelLogout() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		iss, sid := q.Get("iss"), q.Get("sid")
		if len(q["iss"]) != 1 || len(q["sid"]) != 1 || sid == "" {
			l.fail(w, r, CodeRequest, errors.New("the front-channel logout must have exactly one iss and one sid"))
			return
		}
		r, cancel := unheard(r)
		defer cancel()
		ended, err := l.endFrom(w, r, iss, sid)
		switch {
		case err != nil:
			l.fail(w, r, CodeUnavailable, err)
		case ended:
			l.onServerLogout(r.Context(), ServerLogout{Issuer: iss, SessionID: sid})
		}
	}, http.MethodGet)
}

// endFrom ends the sessions of a sid, and the browser's session if it is one of them. It reports
// whether there were any.
func (l *Login) endFrom(w http.ResponseWriter, r *http.Request, iss, sid string) (ended bool, err error) {
	s, err := l.sessions.load(r)
	if err != nil {
		return false, err
	}
	if ended = s != nil && s.Issuer == iss && s.SessionID == sid; ended {
		if err := l.sessions.end(w, r, s); err != nil {
			return false, err
		}
	}
	stored, ok := l.sessions.(*storedSessions)
	if !ok {
		return ended, nil
	}
	all, err := l.shared.Linked(r.Context(), sidIndex(iss, sid))
	if err != nil {
		return false, err
	}
	return ended || len(all) > 0, stored.endAll(r.Context(), sidIndex(iss, sid))
}
