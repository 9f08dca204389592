package tokens

import (
	"context"

	"github.com/countersign/countersign/client"
)

// Source returns tokens that are valid now.
type Source interface {
	Tokens(ctx context.Context) (*client.Tokens, error)
}

// NewSource returns a Source that refreshes t in the memory of this process. An error says that c
// was not made by client.New or that t has no tokens. The Source returns the errors of
// [Refresher.Tokens].
func NewSource(c *client.Client, t *client.Tokens) (Source, error) {
	r := &Refresher{Client: c}
	return r.Source(""), r.Add(context.Background(), "", t)
}

type source struct {
	unprinted[source]

	refresher *Refresher
	key       string
}

func (s *source) Tokens(ctx context.Context) (*client.Tokens, error) {
	return s.refresher.Tokens(ctx, s.key)
}

// Renew is called by Transport after an API has rejected a token.
func (s *source) Renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error) {
	return s.refresher.Renew(ctx, s.key, rejected)
}
