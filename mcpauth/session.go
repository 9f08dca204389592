package mcpauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

const keepSession = 30 * 24 * time.Hour

// record is what the Store keeps of a session beside its tokens.
type record struct {
	Issuer   string   `json:"issuer"`
	Resource string   `json:"resource"`
	Address  string   `json:"resource_metadata,omitempty"` // where a challenge said that the metadata is
	Scopes   []string `json:"scopes,omitempty"`            // that the last login requested
	DPoP     bool     `json:"dpop,omitempty"`
}

// session is a login at an authorization server.
type session struct {
	record    record
	client    *client.Client
	refresher *tokens.Refresher
	key       string // of the tokens

	// The holder of Handler.turn has these.
	issued, renewed string // access tokens: of the login, and of the last refresh after a rejection
	issuedAt        time.Time
}

func (s *session) source() tokens.Source { return s.refresher.Source(s.key) }

// isFor reports whether the session is one at this server, for this resource.
func (s *session) isFor(f *found) bool {
	return s.record.Issuer == f.server.Issuer && s.record.Resource == f.resource.Resource
}

// sent reports whether the session has nothing better than the rejected token.
func (s *session) sent(ctx context.Context, rejected string) bool {
	t, err := s.source().Tokens(ctx)
	return err != nil || t.AccessToken == rejected
}

// renew refreshes the tokens that the MCP server rejected.
func (s *session) renew(ctx context.Context, rejected string) (*client.Tokens, error) {
	t, err := s.source().Tokens(ctx)
	if err != nil || t.AccessToken != rejected {
		return t, err
	}
	return s.refresher.Renew(ctx, s.key, t)
}

// begin stores the tokens of a login.
func (h *Handler) begin(ctx context.Context, f *found, c *client.Client, issued *client.Tokens, scopes []string) error {
	r := record{Issuer: f.server.Issuer, Resource: f.resource.Resource, Address: f.address, DPoP: isDPoP(issued)}
	r.Scopes = slices.Clone(scopes)
	for _, scope := range issued.Scopes {
		if !slices.Contains(r.Scopes, scope) {
			r.Scopes = append(r.Scopes, scope)
		}
	}
	s := h.newSession(r, c)
	s.issued, s.issuedAt = issued.AccessToken, h.config.Now()
	ctx = context.WithoutCancel(ctx) // the tokens of a login must not be lost
	if err := s.refresher.Add(ctx, s.key, issued); err != nil {
		return err
	}
	if before := h.stored(ctx); before != nil && before.Issuer != r.Issuer {
		s.refresher.Forget(ctx, h.tokensKey(before.Issuer)) // no login leads to them any more
	}
	h.use(s)
	return h.save(ctx, h.key("session", h.at()), r, h.config.Now().Add(keepSession))
}

func (h *Handler) newSession(r record, c *client.Client) *session {
	s := &session{record: r, client: c, key: h.tokensKey(r.Issuer)}
	s.refresher = &tokens.Refresher{Client: c, Store: h.config.Store, Leases: h.config.Leases, Lifetime: keepSession}
	if h.config.Grant != nil {
		request := client.TokenRequest{Scopes: slices.Clone(r.Scopes), Resources: []string{r.Resource}}
		s.refresher.Fetch = func(ctx context.Context, _ *client.Tokens) (*client.Tokens, error) {
			return h.config.Grant(ctx, c, request)
		}
	}
	return s
}

// open returns the session, also the one of an earlier run of the program, or nil.
func (h *Handler) open(ctx context.Context) *session {
	if s := h.current(); s != nil || h.at() == "" {
		return s
	}
	stored := h.stored(ctx)
	if stored == nil {
		return nil
	}
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return nil
	}
	if s := h.current(); s != nil {
		return s
	}
	h.approved[stored.Issuer] = true // it was, when the session began
	f, err := h.discover(ctx, &tokens.ChallengeError{ResourceMetadata: stored.Address})
	if err != nil {
		return nil // the challenge that follows leads to the same error, and reports it
	}
	s := h.restore(ctx, f)
	if s != nil {
		h.use(s)
	}
	return s
}

// restore makes the session from the stored tokens of this server. It returns nil without tokens.
func (h *Handler) restore(ctx context.Context, f *found) *session {
	stored := h.stored(ctx)
	if stored == nil || stored.Issuer != f.server.Issuer || stored.Resource != f.resource.Resource {
		return nil
	}
	f.dpop = f.dpop || stored.DPoP
	config, err := h.clientAt(ctx, f)
	if err != nil {
		return nil
	}
	c, err := client.New(config)
	if err != nil {
		return nil
	}
	return h.newSession(*stored, c)
}

func (h *Handler) stored(ctx context.Context) *record {
	value, err := h.config.Store.Load(ctx, h.key("session", h.at()))
	if err != nil {
		return nil
	}
	return readRecord(value)
}

// readRecord decodes a stored record. It returns nil if it is unusable.
func readRecord(value []byte) *record {
	r := &record{}
	if len(value) == 0 || json.Unmarshal(value, r) != nil || r.Issuer == "" {
		return nil
	}
	return r
}

// Logout revokes the tokens if the server supports it, and deletes them. The next request signs the
// user in again. If the tokens cannot be refreshed, or a server does not answer, they are deleted
// without revocation. An error comes from the revocation or the Store. A [*client.Error] has the
// codes of [client.Client.Revoke].
func (h *Handler) Logout(ctx context.Context) error {
	s := h.open(ctx)
	if s == nil {
		return h.forgetStored(ctx)
	}
	issued, err := s.source().Tokens(ctx)
	if gone := s.refresher.Forget(ctx, s.key); gone != nil {
		return gone
	}
	h.use(nil)
	if gone := h.config.Store.Delete(ctx, h.key("session", h.at())); gone != nil {
		return gone
	}
	if err != nil {
		return nil // the tokens cannot be refreshed: they are not revoked
	}
	return s.client.RevokeTokens(ctx, issued)
}

// forgetStored forgets the session of an earlier run that cannot be opened: a server does not
// answer, or the configuration has changed.
func (h *Handler) forgetStored(ctx context.Context) error {
	name := h.key("session", h.at())
	value, err := h.config.Store.Load(ctx, name)
	if err != nil || len(value) == 0 {
		return err
	}
	if r := readRecord(value); r != nil {
		if err := h.config.Store.Delete(ctx, h.tokensKey(r.Issuer)); err != nil {
			return err
		}
	}
	return h.config.Store.Delete(ctx, name)
}

// tokensKey is where the tokens of an authorization server are: another process, which knows
// another server, must not send it these.
func (h *Handler) tokensKey(issuer string) string { return h.key("tokens", h.at()+"\x00"+issuer) }

// key returns the key in the Store for an entry of this user about the MCP server or about an issuer.
func (h *Handler) key(kind, about string) string {
	sum := sha256.Sum256([]byte(h.config.User + "\x00" + about))
	return "mcpauth-" + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (h *Handler) save(ctx context.Context, key string, value any, until time.Time) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return h.config.Store.Save(ctx, key, data, until)
}

// memory is the Store of a program that keeps nothing. It has a few values of one MCP server.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
}

// Load implements tokens.Store.
func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], nil
}

// Save implements tokens.Store.
func (m *memory) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[key] = value
	return nil
}

// Delete implements tokens.Store.
func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, key)
	return nil
}
