package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/tokens"
)

const (
	newFor      = 10 * time.Second // how long an access token is new: a rejection then has another cause than its age
	failedFor   = 5 * time.Second  // how long the failure of a login is the answer to other calls too
	loginWindow = 10 * time.Minute
	maxLogins   = 5 // in loginWindow
	maxLogin    = 10 * time.Minute
)

// Handler gets tokens for the requests to one MCP server. It implements the SDK's
// auth.OAuthHandler. It is safe for concurrent use, and must not be copied.
type Handler struct {
	config Config
	turn   chan struct{} // has one element while a call obtains tokens
	proves atomic.Bool   // HTTPClient is in use

	mu       sync.Mutex
	endpoint string
	session  *session

	// The holder of turn has these.
	approved map[string]bool // issuers
	logins   []time.Time
	failure  error
	failedAt time.Time
}

var _ auth.OAuthHandler = (*Handler)(nil)

// New returns a Handler, or an error that names every wrong setting. It sends no request.
func New(config Config) (*Handler, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	config.Leases = config.leases()
	if config.Store == nil {
		config.Store = &memory{}
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Handler{config: config, endpoint: config.Endpoint, turn: make(chan struct{}, 1), approved: map[string]bool{}}, nil
}

// Format implements fmt.Formatter: no verb prints tokens.
func (h *Handler) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[mcpauth.Handler of %q]", h.at()) }

// TokenSource implements auth.OAuthHandler. The source is nil before the first login. It is nil
// too when HTTPClient is used, which adds the token itself. It returns no error: a request
// without a token leads to Authorize.
func (h *Handler) TokenSource(ctx context.Context) (oauth2.TokenSource, error) {
	if h.proves.Load() {
		return nil, nil
	}
	s := h.open(ctx)
	if s == nil {
		return nil, nil
	}
	return tokens.OAuth2(ctx, s.source()), nil
}

// Authorize implements auth.OAuthHandler: the MCP server answered resp to req, with 401 or 403.
// It returns nil if there are new tokens now: the SDK then repeats the request. Only one call
// at a time obtains tokens. The others wait and use the result.
//
// errors.As finds in the error:
//
//   - a [*tokens.ChallengeError] if a new token does not help. Its code is from the MCP server,
//     such as "insufficient_scope" or "invalid_token". Check the audience of the access tokens.
//   - a [*discovery.Error] if metadata of the MCP server or of its authorization server cannot be
//     fetched or used. The error is also returned if Config.Trusted accepts none of the MCP
//     server's authorization servers.
//   - a [*registration.Error] with the codes of [registration.Registrar.Register] if the
//     authorization server does not register the client.
//   - a [*client.Error] with the step and the codes of [client.Client.Begin],
//     [client.Client.Finish] or Config.Grant if the tokens could not be obtained.
//
// Any other error names the setting to change, or says that ctx ended.
func (h *Handler) Authorize(ctx context.Context, req *http.Request, resp *http.Response) error {
	defer resp.Body.Close()
	if err := h.bind(req.URL); err != nil {
		return err
	}
	challenge := tokens.ReadChallenge(resp)
	if challenge == nil {
		challenge = &tokens.ChallengeError{Status: resp.StatusCode, Scheme: "Bearer"}
	}
	rejected := sentToken(resp.Request)
	if rejected == "" {
		rejected = sentToken(req)
	}
	began := h.config.Now()
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	case <-ctx.Done():
		return fmt.Errorf("mcpauth: another call is already signing in: %w", ctx.Err())
	}
	return h.authorize(ctx, challenge, rejected, began)
}

// authorize runs for one call at a time.
func (h *Handler) authorize(ctx context.Context, challenge *tokens.ChallengeError, rejected string, began time.Time) error {
	if h.replaced(ctx, rejected) {
		return nil
	}
	if h.failure != nil && (h.failedAt.After(began) || h.config.Now().Sub(h.failedAt) < failedFor) {
		return h.failure
	}
	err := h.obtain(ctx, challenge, rejected)
	if err != nil {
		err = fmt.Errorf("mcpauth: %w", err)
	}
	h.failure = nil
	if err != nil && ctx.Err() == nil {
		h.failure, h.failedAt = err, h.config.Now()
	}
	return err
}

// replaced reports whether there are other tokens than the rejected ones.
func (h *Handler) replaced(ctx context.Context, rejected string) bool {
	s := h.current()
	if s == nil {
		return false
	}
	t, err := s.source().Tokens(ctx)
	return err == nil && t.AccessToken != rejected && h.canSend(t.TokenType) == nil
}

// obtain gets tokens that satisfy the challenge.
func (h *Handler) obtain(ctx context.Context, challenge *tokens.ChallengeError, rejected string) error {
	stepUp := challenge.Code == tokens.InsufficientScope || challenge.Code == tokens.InsufficientUserAuthentication
	if challenge.Status == http.StatusForbidden && !stepUp {
		return fmt.Errorf("the MCP server rejects the request, and another token does not help: %w", challenge)
	}
	f, err := h.discover(ctx, challenge)
	if err != nil {
		return err
	}
	s := h.current()
	if s == nil || !s.isFor(f) { // no login yet, or the MCP server has another authorization server now
		if s = h.restore(ctx, f); s == nil {
			return h.login(ctx, f, challenge, nil)
		}
		if !s.sent(ctx, rejected) {
			h.use(s)
			return nil
		}
	}
	if stepUp {
		return h.stepUp(ctx, f, challenge, s)
	}
	return h.renew(ctx, f, challenge, s, rejected)
}

// renew refreshes rejected tokens, or lets the user sign in again.
func (h *Handler) renew(ctx context.Context, f *found, challenge *tokens.ChallengeError, s *session, rejected string) error {
	if rejected == s.issued && h.config.Now().Sub(s.issuedAt) < newFor {
		return fmt.Errorf("the MCP server rejects a new access token of %s for the resource %s: check the audience of its access tokens: %w",
			f.server.Issuer, f.resource.Resource, challenge)
	}
	if rejected != s.renewed {
		fresh, err := s.renew(ctx, rejected)
		if err == nil {
			s.renewed = fresh.AccessToken
			return nil
		}
		if !errors.Is(err, tokens.ErrLoginRequired) {
			return err
		}
	}
	return h.login(ctx, f, challenge, s)
}

// bind notes the URL of the MCP server. A Handler has tokens for one server.
func (h *Handler) bind(u *url.URL) error {
	at := *u
	at.Fragment, at.RawFragment, at.User = "", "", nil
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.endpoint == "" {
		h.endpoint = at.String()
	}
	if h.endpoint != at.String() {
		return fmt.Errorf("mcpauth: the request goes to %q, expected %q: create a Handler for each MCP server", at.Redacted(), h.endpoint)
	}
	return nil
}

func (h *Handler) at() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.endpoint
}

func (h *Handler) current() *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.session
}

func (h *Handler) use(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.session = s
}

// canSend reports an error if the SDK cannot send tokens of this type without Handler.HTTPClient.
func (h *Handler) canSend(tokenType string) error {
	if strings.EqualFold(tokenType, "DPoP") && !h.proves.Load() {
		return errors.New("mcpauth: the access token is bound to a key (DPoP): set StreamableClientTransport.HTTPClient to Handler.HTTPClient()")
	}
	return nil
}

// sentToken is the access token of a request, "" if it has none.
func sentToken(r *http.Request) string {
	if r == nil {
		return ""
	}
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return token
}
