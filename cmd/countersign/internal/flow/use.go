package flow

import (
	"context"
	"errors"
)

// token returns the token from standard input, or the stored access token.
func (s *session) token(ctx context.Context) (string, error) {
	if s.Token != "" {
		return s.Token, nil
	}
	t, err := s.load(ctx)
	if err != nil {
		return "", err
	}
	if s.Hint == "refresh_token" {
		return t.RefreshToken, nil
	}
	return t.AccessToken, nil
}

func introspect(ctx context.Context, s *session) (*Outcome, error) {
	token, err := s.token(ctx)
	if err != nil {
		return nil, err
	}
	in, err := s.client.Introspect(ctx, token, s.Hint)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Active: &in.Active}
	if in.Active {
		err = in.Claims(&o.Claims)
	}
	return o, err
}

// revoke revokes the token of standard input, or all stored tokens, which are then deleted.
func revoke(ctx context.Context, s *session) (*Outcome, error) {
	if s.Token != "" {
		return &Outcome{Done: "the server revoked the token"}, s.client.Revoke(ctx, s.Token, s.Hint)
	}
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.client.RevokeTokens(ctx, t); err != nil {
		return nil, err
	}
	return &Outcome{Done: "the server revoked the tokens, and they are deleted here"}, s.store.Delete(ctx, s.key())
}

func userinfo(ctx context.Context, s *session) (*Outcome, error) {
	t, err := s.load(ctx)
	if err != nil {
		return nil, err
	}
	if t.Login == nil && t.IDToken == nil {
		return nil, errNoUser
	}
	info, err := s.client.UserInfo(ctx, t)
	if err != nil {
		return nil, err
	}
	o := &Outcome{Subject: info.Subject}
	return o, info.Claims(&o.Claims)
}

var errNoUser = errors.New("the stored tokens have no ID token, so they name no user: sign in with countersign login -scope openid. Tokens of countersign credentials are for the client itself, and have no UserInfo")
