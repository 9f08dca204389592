package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client"
)

const maxForm = 256 << 10 // bytes; an ID token and a code

// Callback ends a login: what is mounted at the path of the clients' RedirectURL. It
// takes GET, or POST for a client whose ResponseMode is form_post.
func (l *Login) Callback() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		q, err := parameters(w, r)
		if err != nil {
			l.fail(w, r, CodeRequest, err)
			return
		}
		a, unread := l.find(w, r, q)
		switch {
		case a == nil:
			l.strayCallback(w, r, unread)
		case l.wantsPost(a.Client) != (r.Method == http.MethodPost):
			l.failLogin(w, r, a, fmt.Errorf("a callback by %s is not what the client is registered for", r.Method))
		default:
			l.finish(w, r, a, q)
		}
	}, http.MethodGet, http.MethodPost)
}

// parameters are those of the query, or of a form that is posted; never both.
func parameters(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	if r.Method != http.MethodPost {
		q, err := url.ParseQuery(r.URL.RawQuery)
		if err != nil {
			return nil, errors.New("the query is malformed")
		}
		return q, nil
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, errors.New("what is posted is not a form by its Content-Type")
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, errors.New("the form is malformed or too long")
	}
	return r.PostForm, nil
}

var errStray = errors.New("a callback without a login under way in this browser: it came twice, cookies are off, " +
	"or the login began under another host name than that of the RedirectURL (localhost, and not 127.0.0.1)")

// strayCallback is one without a login under way in this browser: a reload, the back
// button, an attempt to finish somebody else's login here, or a browser without cookies.
// Whoever is signed in stays so.
func (l *Login) strayCallback(w http.ResponseWriter, r *http.Request, unread error) {
	s, err := l.sessions.load(r)
	switch {
	case err != nil || unread != nil && codeOf(unread) == CodeUnavailable:
		l.fail(w, r, CodeUnavailable, errors.Join(err, unread))
	case s != nil:
		redirect(w, l.config.HomePath)
	default:
		l.fail(w, r, CodeUnknown, errors.Join(errStray, unread))
	}
}

// finish consumes the login first. A callback that comes twice leads to where the first
// one leads, whose answer alone drops the cookie: it may come after those of the others.
func (l *Login) finish(w http.ResponseWriter, r *http.Request, a *attempt, q url.Values) {
	if a.Pending.Expired(l.config.Now()) { // which a Store need not remember
		l.cookies.expire(w, a.cookie)
		l.failWith(w, r, CodeExpired, a, errors.New("the login took longer than 10 minutes"))
		return
	}
	isFirst, err := l.consume(r, a)
	switch {
	case err != nil:
		l.fail(w, r, CodeUnavailable, err)
		return
	case !isFirst:
		redirect(w, a.ReturnTo)
		return
	}
	l.cookies.expire(w, a.cookie)
	if err := l.signIn(w, r, a, q); err != nil {
		l.failLogin(w, r, a, err)
		return
	}
	l.cookies.set(w, l.markName(), "1", markLifetime)
	l.makeRoom(w, r)
	redirect(w, a.ReturnTo)
}

func (l *Login) signIn(w http.ResponseWriter, r *http.Request, a *attempt, q url.Values) error {
	c, begun := l.config.Clients[a.Client], l.config.Now() // before what a logout may overtake
	tokens, err := c.Finish(r.Context(), a.Pending, q)
	if err != nil {
		return err
	}
	if tokens.IDToken == nil {
		return errors.New("there is no ID token: the client's Scopes have no openid")
	}
	claims, err := l.claims(r, c, tokens)
	if err != nil {
		return err
	}
	return l.sessions.begin(w, r, l.newSession(a.Client, begun, tokens, claims), tokens)
}

// claims are those of Config.Claims, from the ID token before the UserInfo endpoint.
func (l *Login) claims(r *http.Request, c *client.Client, tokens *client.Tokens) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if l.config.UserInfo {
		info, err := c.UserInfo(r.Context(), tokens)
		if err != nil {
			return nil, err
		}
		if err := info.Claims(&all); err != nil {
			return nil, fmt.Errorf("UserInfo: %w", err)
		}
	}
	if err := tokens.IDToken.Claims(&all); err != nil {
		return nil, fmt.Errorf("ID token: %w", err)
	}
	for name := range all {
		if !slices.Contains(l.config.Claims, name) {
			delete(all, name)
		}
	}
	return all, nil
}
