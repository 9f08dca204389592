package login

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// newRefreshers creates a Refresher for each client. Tokens are refreshed once for all tabs, and
// with a Store once for all processes.
func (l *Login) newRefreshers() {
	l.refreshers = map[string]*tokens.Refresher{}
	for name, c := range l.config.Clients {
		r := &tokens.Refresher{Client: c, Store: l.carried, Leases: tokens.LocalLeases{}, Lifetime: l.config.Lifetime}
		if l.config.Store != nil {
			r.Store, r.Leases = sealedValues{l}, l.shared
		}
		l.refreshers[name] = r
	}
}

// anyRefresher returns a Refresher that forgets the tokens of a session, and prevents a refresh in
// progress from restoring them. The Refresher of any client works, because all have the same Store.
func (l *Login) anyRefresher() *tokens.Refresher {
	for _, r := range l.refreshers {
		return r
	}
	return nil // there is no Login without clients
}

// sealedValues seals tokens, so that the Store cannot read them.
type sealedValues struct{ login *Login }

// Load implements tokens.Store. A value that no key opens counts as missing.
func (v sealedValues) Load(ctx context.Context, key string) ([]byte, error) {
	sealed, err := v.login.shared.Load(ctx, key)
	if sealed == nil || err != nil {
		return nil, err
	}
	plain, _ := v.login.sealer.open(forStore, key, string(sealed))
	return plain, nil
}

// Save implements tokens.Store.
func (v sealedValues) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	sealed, err := v.login.sealer.seal(forStore, key, value)
	if err != nil {
		return err
	}
	return v.login.shared.Save(ctx, key, []byte(sealed), until)
}

// Delete implements tokens.Store.
func (v sealedValues) Delete(ctx context.Context, key string) error {
	return v.login.shared.Delete(ctx, key)
}

// source returns the tokens of one session in one request.
type source struct {
	tokens.Source
	carrier *carrier // nil with a Store
}

// Tokens implements tokens.Source.
func (s *source) Tokens(ctx context.Context) (*client.Tokens, error) {
	return s.around(ctx, s.Source.Tokens)
}

// Renew is called by tokens.Transport after an API has rejected a token.
func (s *source) Renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error) {
	return s.around(ctx, func(ctx context.Context) (*client.Tokens, error) {
		return s.Source.(renewer).Renew(ctx, rejected)
	})
}

type renewer interface {
	Renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error)
}

func (s *source) around(ctx context.Context, get func(context.Context) (*client.Tokens, error)) (*client.Tokens, error) {
	if s.carrier == nil {
		return get(ctx)
	}
	if err := s.carrier.bring(ctx); err != nil {
		return nil, storeDown(err)
	}
	t, err := get(ctx)
	s.carrier.take(ctx)
	return t, err
}

func (l *Login) refresher(s *session) tokens.Source {
	return l.refreshers[s.Client].Source(s.tokensKey())
}

func (l *storedSessions) source(_ http.ResponseWriter, _ *http.Request, s *session) *source {
	return &source{Source: l.login.refresher(s)}
}

func (l *sealedSessions) source(w http.ResponseWriter, r *http.Request, s *session) *source {
	return &source{l.login.refresher(s), &carrier{l: l, w: w, r: r, s: s}}
}

// kept returns the stored tokens. If they are no longer usable, it returns what the login
// stored.
func (l *storedSessions) kept(r *http.Request, s *session) (*tokens.Stored, error) {
	kept := &tokens.Stored{IDToken: s.IDToken}
	plain, err := sealedValues{l.login}.Load(r.Context(), s.tokensKey())
	if err != nil || plain == nil {
		return kept, err
	}
	return kept, json.Unmarshal(plain, kept)
}

// keptOf returns what a session stores of the tokens. It always has the ID token, which the
// logout at the server requires.
func (l *Login) keptOf(issued *client.Tokens) *tokens.Stored {
	all := tokens.ToStore(issued)
	if !l.config.KeepTokens {
		return &tokens.Stored{IDToken: all.IDToken}
	}
	return all
}
