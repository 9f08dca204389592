package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/countersign/countersign/client"
)

// signIn redeems the code, calls Config.SignIn, and begins the session.
func (l *Login) signIn(w http.ResponseWriter, r *http.Request, a *attempt, q url.Values, leave func()) error {
	begun := l.config.Now() // before the calls to the server, because a logout may arrive during them
	user, tokens, err := l.redeem(r, a, q)
	leave()
	if err != nil {
		return err
	}
	if err := l.askSignIn(r.Context(), user, tokens, q); err != nil {
		return err
	}
	if a.Subject != "" && (user.Subject != a.Subject || user.Issuer != a.Issuer) {
		return &client.SubjectError{Expected: a.Subject, Subject: user.Subject}
	}
	s := l.newSession(begun, user, tokens)
	if err := l.sessions.begin(w, r, s, tokens); err != nil {
		return err
	}
	return l.offerDevice(w, s)
}

// redeem makes the calls to the server: it redeems the code, and reads the claims.
func (l *Login) redeem(r *http.Request, a *attempt, q url.Values) (*User, *client.Tokens, error) {
	c := l.config.Clients[a.Client]
	tokens, err := c.Finish(r.Context(), a.Pending, q)
	if err != nil {
		return nil, nil, err
	}
	l.accepted.note(requestKey(a), l.config.Now())
	if tokens.IDToken != nil {
		l.nonces.Store(a.Client, true)
	}
	claims, err := l.claims(r, c, tokens)
	if err != nil {
		return nil, nil, err
	}
	user := &User{Issuer: c.Issuer(), Client: a.Client, SignedIn: l.config.Now(), claims: claims}
	if t := tokens.IDToken; t != nil {
		user.Issuer, user.Subject, user.ACR, user.AMR, user.AuthTime = t.Issuer, t.Subject, t.ACR, slices.Clone(t.AMR), t.AuthTime
	}
	return user, tokens, nil
}

// claims returns the claims of the ID token and, with Config.UserInfo, of the UserInfo endpoint.
// Those of the ID token take precedence.
func (l *Login) claims(r *http.Request, c *client.Client, tokens *client.Tokens) (map[string]json.RawMessage, error) {
	all := map[string]json.RawMessage{}
	if tokens.IDToken == nil {
		return all, nil
	}
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
	l.warnMissingClaims(r.Context(), c, all)
	return all, nil
}

// hiddenFromSignIn are the parameters of a callback that are secrets or only serve the protocol.
var hiddenFromSignIn = []string{"code", "state", "iss", "id_token", "access_token", "response"}

// askSignIn calls Config.SignIn. The application decides whether the user may sign in, and
// identifies the user if there is no ID token.
func (l *Login) askSignIn(ctx context.Context, user *User, tokens *client.Tokens, q url.Values) error {
	issuer, subject := user.Issuer, user.Subject
	if l.config.SignIn != nil {
		callback := maps.Clone(q)
		for _, name := range hiddenFromSignIn {
			callback.Del(name)
		}
		if err := l.config.SignIn(ctx, user, tokens, callback); err != nil {
			return &signInError{err}
		}
	}
	switch {
	case user.Subject == "":
		return &codeError{CodeConfiguration, errors.New("the login has no ID token, and Config.SignIn did not set User.Subject: set it there, or add the scope openid")}
	case subject != "" && (user.Subject != subject || user.Issuer != issuer) || user.Issuer == "":
		return &codeError{CodeConfiguration, errors.New("Config.SignIn changed User.Issuer or User.Subject: keep the values of the ID token")}
	}
	for name := range user.claims { // claims that are not in Config.Claims were for Config.SignIn only
		if !slices.Contains(l.config.Claims, name) && !user.added[name] {
			delete(user.claims, name)
		}
	}
	return nil
}

// signInError is an error of Config.SignIn.
type signInError struct{ err error }

func (e *signInError) Error() string { return "Config.SignIn: " + e.err.Error() }
func (e *signInError) Unwrap() error { return e.err }

// SetClaim adds or replaces a claim for [User.Claims]. Call it in Config.SignIn: the session
// keeps the claim. value is encoded by encoding/json. It returns an error if value cannot be
// encoded.
func (u *User) SetClaim(name string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("login: claim %q: %w", name, err)
	}
	if u.kept != nil { // the User is from a session: only this User gets the claim
		u.claims = map[string]json.RawMessage{}
		json.Unmarshal(u.kept, &u.claims)
		u.kept = nil
	}
	if u.claims == nil {
		u.claims = map[string]json.RawMessage{}
	}
	if u.added == nil {
		u.added = map[string]bool{}
	}
	u.claims[name], u.added[name] = raw, true
	return nil
}

// issuedAt returns when the server issued the ID token of a login. Without an ID token it
// returns when the login ended here.
func issuedAt(s *session, tokens *client.Tokens) time.Time {
	if tokens.IDToken != nil {
		return tokens.IDToken.IssuedAt
	}
	return s.Begun
}
