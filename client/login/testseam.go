package login

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/testseam"
)

// For client/logintest only.
func init() {
	testseam.WithUser = func(r *http.Request, user any, claims []byte, tokens any) *http.Request {
		u := *user.(*User)
		json.Unmarshal(claims, &u.claims)
		if t := tokens.(*client.Tokens); t != nil {
			u.source = &source{Source: sameTokens{t}}
		}
		return withUser(r, &u)
	}
	testseam.WithSession = func(r *http.Request, login, user any, claims []byte, tokens any) (*http.Request, error) {
		return login.(*Login).withSession(r, user.(*User), claims, tokens.(*client.Tokens))
	}
}

// sameTokens are never refreshed.
type sameTokens struct{ tokens *client.Tokens }

// Tokens implements tokens.Source.
func (s sameTokens) Tokens(context.Context) (*client.Tokens, error) { return s.tokens, nil }

// Renew is what tokens.Transport calls after an API rejected the token.
func (s sameTokens) Renew(context.Context, *client.Tokens) (*client.Tokens, error) {
	return nil, fmt.Errorf("login: the tokens of a test cannot be refreshed: %w", tokens.ErrLoginRequired)
}

// withSession begins the session of a user who did not sign in, and adds its cookies to r.
func (l *Login) withSession(r *http.Request, u *User, claims []byte, tokens *client.Tokens) (*http.Request, error) {
	name, c := l.named(u.Client)
	switch {
	case c == nil:
		return nil, fmt.Errorf("login: Config.Clients has no client %q", u.Client)
	case u.Subject == "":
		return nil, errors.New("login: User.Subject is empty: set it")
	case tokens == nil:
		tokens = &client.Tokens{}
	case !l.config.KeepTokens:
		return nil, errors.New("login: tokens were passed, but Config.KeepTokens is false: set it to true")
	}
	now := l.config.Now()
	s := &session{
		ID: rand.Text(), Client: name, At: l.registrations[name], Issuer: u.Issuer, Subject: u.Subject,
		ACR: u.ACR, AMR: u.AMR, AuthTime: u.AuthTime, Begun: now, Seen: now,
	}
	if !u.SignedIn.IsZero() {
		s.Begun = u.SignedIn
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(claims, &all); err != nil {
		return nil, err
	}
	s.Claims = encodeClaims(all)
	w := headerOnly{}
	if err := l.beginWithout(w, r, s, tokens); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	for _, cookie := range (&http.Response{Header: http.Header(w)}).Cookies() {
		if cookie.MaxAge >= 0 {
			r.AddCookie(cookie)
		}
	}
	return r, nil
}

// beginWithout is begin for a session that replaces none.
func (l *Login) beginWithout(w http.ResponseWriter, r *http.Request, s *session, tokens *client.Tokens) error {
	switch all := l.sessions.(type) {
	case *sealedSessions:
		return all.begin(w, r, s, tokens)
	case *storedSessions:
		for _, index := range s.indexes() {
			if err := l.shared.Link(r.Context(), index, hashed(s.ID), l.until(s)); err != nil {
				return err
			}
		}
		if err := all.save(r.Context(), s, tokens); err != nil {
			return err
		}
		return all.touch(w, r, s)
	}
	return errors.New("login: sessions of an unknown kind")
}

// headerOnly is a response that only has a header.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}
