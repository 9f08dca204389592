package flow

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// key is the name of the tokens in the store.
func (s *session) key() string {
	if s.Name != "" {
		return s.Name
	}
	return s.Issuer + " " + s.ClientID
}

// keepFor is how long unused tokens stay in the store.
const keepFor = 30 * 24 * time.Hour

// keep stores the tokens, and describes them.
func (s *session) keep(ctx context.Context, t *client.Tokens) (*Outcome, error) {
	data, err := json.Marshal(tokens.ToStore(t))
	if err != nil {
		return nil, err
	}
	if err := s.store.Save(ctx, s.key(), data, time.Now().Add(keepFor)); err != nil {
		return nil, fmt.Errorf("the server issued the tokens, but they cannot be stored in -store %s: %w", s.StoreDir, err)
	}
	o := &Outcome{TokenType: t.TokenType, Scopes: slices.Clone(t.Scopes), RefreshToken: t.RefreshToken != "", DPoP: t.DPoPKey.Key != nil, Checks: t.Report, Stored: s.key()}
	if !t.Expiry.IsZero() {
		o.Expiry = &t.Expiry
	}
	if t.IDToken != nil {
		o.Subject = t.IDToken.Subject
	}
	return o, nil
}

// load returns the stored tokens.
func (s *session) load(ctx context.Context) (*client.Tokens, error) {
	k, err := s.stored(ctx)
	if err != nil {
		return nil, err
	}
	s.mask.Learn("access_token", k.AccessToken)
	s.mask.Learn("refresh_token", k.RefreshToken)
	s.mask.Learn("id_token", k.IDToken)
	s.mask.Learn("dpop_key", k.DPoPKey)
	return k.Tokens()
}

func (s *session) stored(ctx context.Context) (*tokens.Stored, error) {
	data, err := s.store.Load(ctx, s.key())
	if err != nil {
		return nil, fmt.Errorf("cannot read -store %s: %w", s.StoreDir, err)
	}
	if data == nil {
		return nil, fmt.Errorf("no tokens are stored as %q: run countersign login, device or credentials first, or set -name", s.key())
	}
	var k tokens.Stored
	if err := json.Unmarshal(data, &k); err != nil {
		return nil, errors.New("the stored tokens are malformed: log in again")
	}
	return &k, nil
}

// boundToKey reports whether the stored tokens are used with DPoP.
func (s *session) boundToKey(ctx context.Context) bool {
	k, err := s.stored(ctx)
	return err == nil && k.DPoPKey != ""
}
