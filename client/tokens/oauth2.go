package tokens

import (
	"context"
	"errors"

	"golang.org/x/oauth2"
)

// OAuth2 is s for libraries that take a golang.org/x/oauth2 TokenSource. That has no
// context of its own: ctx ends its waits. Bearer tokens alone can be used in this way. The
// refresh token stays here: used by somebody else too, it would be used twice.
func OAuth2(ctx context.Context, s Source) oauth2.TokenSource {
	return &oauth2Source{ctx: ctx, source: s}
}

type oauth2Source struct {
	unprinted[oauth2Source]

	ctx    context.Context // oauth2.TokenSource leaves no other place for it
	source Source
}

// Token implements oauth2.TokenSource.
func (s *oauth2Source) Token() (*oauth2.Token, error) {
	t, err := s.source.Tokens(s.ctx)
	if err != nil {
		return nil, err
	}
	if t == nil || t.Token == nil || t.Type() != "Bearer" {
		return nil, errors.New("tokens: there is no access token, or it is bound to a key; send that by Transport")
	}
	out := *t.Token
	out.RefreshToken = ""
	return &out, nil
}
