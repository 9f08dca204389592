package tokens

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
)

// retrieveError lets libraries find the server's error code as with x/oauth2: errors.As finds an
// [*oauth2.RetrieveError]. Its code is invalid_grant if the login has ended.
func retrieveError(err error) error {
	found := &oauth2.RetrieveError{Response: &http.Response{}}
	var answer *client.TokenError
	switch {
	case errors.As(err, &answer) && answer.Code != "":
		found.ErrorCode, found.ErrorDescription, found.ErrorURI = answer.Code, answer.Description, answer.URI
		found.Response.StatusCode, found.Response.Status = answer.Status, http.StatusText(answer.Status)
	case errors.Is(err, ErrLoginRequired):
		found.ErrorCode = "invalid_grant"
	default:
		return err
	}
	return &retrieved{err, found}
}

// retrieved is an error of this package that also wraps one of x/oauth2.
type retrieved struct {
	error
	oauth2 *oauth2.RetrieveError
}

// Unwrap returns both errors.
func (r *retrieved) Unwrap() []error { return []error{r.error, r.oauth2} }

// OAuth2 adapts s for libraries that accept a golang.org/x/oauth2 TokenSource. A TokenSource has
// no context, so ctx ends its waits. It supports only bearer tokens. It does not return the
// refresh token, because a second program that uses a refresh token may end the login.
func OAuth2(ctx context.Context, s Source) oauth2.TokenSource {
	return &oauth2Source{ctx: ctx, source: s}
}

type oauth2Source struct {
	unprinted[oauth2Source]

	ctx    context.Context // oauth2.TokenSource has no context parameter
	source Source
}

// Token implements oauth2.TokenSource.
func (s *oauth2Source) Token() (*oauth2.Token, error) {
	t, err := s.source.Tokens(s.ctx)
	if err != nil {
		return nil, retrieveError(err)
	}
	if t == nil || t.Token == nil || t.Type() != "Bearer" {
		return nil, errors.New("tokens: the access token is missing or bound to a key, expected a bearer token: use tokens.Transport for bound tokens")
	}
	out := *t.Token
	out.RefreshToken = ""
	return &out, nil
}
