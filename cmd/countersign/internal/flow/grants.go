package flow

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/client/grant"
)

func credentials(ctx context.Context, s *session) (*Outcome, error) {
	t, err := grant.ClientCredentials(ctx, s.client, s.tokenRequest())
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// exchange exchanges the token of standard input, or the stored access token. The new one
// does not replace the stored one, unless -name says so.
func exchange(ctx context.Context, s *session) (*Outcome, error) {
	if s.ActorTokenType != "" && s.ActorToken == "" {
		return nil, usagef("-actor-token-type requires the token: set -actor-token-env too")
	}
	subject := s.SubjectToken
	if subject == "" {
		t, err := s.load(ctx)
		if err != nil {
			return nil, err
		}
		subject = t.AccessToken
	}
	t, err := grant.TokenExchange(ctx, s.client, s.exchangeRequest(subject))
	if err != nil {
		return nil, err
	}
	s.Name = s.key() + " exchanged"
	return s.keep(ctx, t)
}

// jwtBearer sends the JWT of standard input, or signs one with -key for -subject.
func jwtBearer(ctx context.Context, s *session) (*Outcome, error) {
	req := grant.AssertionRequest{TokenRequest: s.tokenRequest(), Assertion: s.Assertion}
	if s.Assertion == "" {
		keys, err := s.keys()
		if err != nil {
			return nil, err
		}
		if keys == nil || s.Subject == "" {
			return nil, usagef("name the user with -subject and the key that signs the JWT with -key, or pass a JWT on standard input with the argument -")
		}
		req.Keys, req.Subject, req.Issuer, req.Audience, req.Typ = keys, s.Subject, s.AssertionIssuer, s.AssertionAudience, s.AssertionTyp
	}
	t, err := grant.JWTBearer(ctx, s.client, req)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

// refresh holds the lease of the tokens, so that a refresh token is sent once. A server that rotates
// refresh tokens may treat a second request as a theft.
func refresh(ctx context.Context, s *session) (*Outcome, error) {
	release, held, err := s.store.Acquire(ctx, s.key(), time.Minute)
	switch {
	case err != nil:
		return nil, err
	case !held:
		return nil, errors.New("another process refreshes these tokens: try again when it has finished")
	}
	defer release()
	return s.refreshAlone(ctx)
}

func (s *session) refreshAlone(ctx context.Context) (*Outcome, error) {
	old, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if old.RefreshToken == "" {
		return nil, errNoRefreshToken
	}
	t, err := s.client.Refresh(ctx, old, s.Scopes...)
	if err != nil {
		return nil, err
	}
	return s.keep(ctx, t)
}

var errNoRefreshToken = errors.New("the stored tokens have no refresh token. For tokens of a client, run countersign credentials again. For tokens of a login, log in with -scope \"openid offline_access\", if the server supports it")
