package client

import (
	"context"
	"errors"

	"golang.org/x/oauth2"
)

// OAuth2 is s for libraries that take a golang.org/x/oauth2 TokenSource. That has no
// context of its own: ctx ends its waits. Bearer tokens alone can be used in this way.
func OAuth2(ctx context.Context, s TokenSource) oauth2.TokenSource { return &oauth2Source{ctx, s} }

type oauth2Source struct {
	ctx    context.Context // oauth2.TokenSource leaves no other place for it
	source TokenSource
}

// Token implements oauth2.TokenSource.
func (s *oauth2Source) Token() (*oauth2.Token, error) {
	t, err := s.source.Tokens(s.ctx)
	if err != nil {
		return nil, err
	}
	if t.TokenType != "Bearer" {
		return nil, errors.New("client: the access token is bound to a key; send it by Transport")
	}
	return t.Token, nil
}
