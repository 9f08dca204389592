package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/client/tokens"
)

const (
	offlineAccess = "offline_access"
	maxScopes     = 500     // of one login
	maxScopeBytes = 8 << 10 // of all of them: browsers and servers limit addresses
)

// login gets tokens from the authorization server, and starts a session. old is the previous
// session at the same server, or nil.
func (h *Handler) login(ctx context.Context, f *found, challenge *tokens.ChallengeError, old *session) error {
	if err := h.countLogin(challenge); err != nil {
		return err
	}
	config, err := h.clientAt(ctx, f)
	if err != nil {
		return err
	}
	request := challenge.Request()
	if request.Scopes, err = h.scopes(f, challenge, old); err != nil {
		return err
	}
	request.Resources = []string{f.resource.Resource}
	c, issued, err := h.tokens(ctx, f, config, request)
	if err != nil {
		h.forgetClient(ctx, f.server.Issuer, err)
		return err
	}
	if err := h.canSend(issued.TokenType); err != nil {
		return err
	}
	return h.begin(ctx, f, c, issued, request.Scopes)
}

// tokens gets tokens by Config.Grant, or signs the user in.
func (h *Handler) tokens(ctx context.Context, f *found, config client.Config, request client.Request) (*client.Client, *client.Tokens, error) {
	if h.config.Grant != nil {
		c, err := client.New(config)
		if err != nil {
			return nil, nil, err
		}
		issued, err := h.config.Grant(ctx, c, client.TokenRequest{Scopes: request.Scopes, Resources: request.Resources})
		return c, issued, err
	}
	if err := h.checkPKCE(f); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxLogin)
	defer cancel()
	if h.config.Callback != nil {
		return h.callback(ctx, config, request)
	}
	issued, err := loopback.Login(ctx, loopback.Config{Client: config, Request: request, Open: h.config.Open})
	if err != nil {
		return nil, nil, err
	}
	c, err := client.New(config)
	return c, issued, err
}

// callback signs the user in with the application's own redirect URI.
func (h *Handler) callback(ctx context.Context, config client.Config, request client.Request) (*client.Client, *client.Tokens, error) {
	c, err := client.New(config)
	if err != nil {
		return nil, nil, err
	}
	address, pending, err := c.Begin(ctx, request)
	if err != nil {
		return nil, nil, err
	}
	at, err := h.config.Callback(ctx, address)
	if err == nil && at == nil {
		err = errors.New("Config.Callback returned no URL")
	}
	if err != nil {
		return nil, nil, client.NewError(client.StepCallback, err)
	}
	issued, err := c.FinishAt(ctx, pending, at, at.Query())
	return c, issued, err
}

// stepUp requests the granted scopes and the missing ones. It fails if the last login requested
// them already: the server does not grant them, or the MCP server does not accept them.
func (h *Handler) stepUp(ctx context.Context, f *found, challenge *tokens.ChallengeError, s *session) error {
	if challenge.Code == tokens.InsufficientScope {
		missing := slices.DeleteFunc(slices.Clone(challenge.Scopes), func(scope string) bool { return slices.Contains(s.record.Scopes, scope) })
		if len(missing) == 0 {
			return fmt.Errorf("the authorization server does not grant the scopes %q, which the MCP server requires: allow them for this user and client: %w",
				challenge.Scopes, challenge)
		}
	} else if h.config.Grant != nil {
		return fmt.Errorf("the user must authenticate again, but Config.Grant has no user: use a Handler without Grant: %w", challenge)
	}
	return h.login(ctx, f, challenge, s)
}

// countLogin limits logins, which an MCP server can cause.
func (h *Handler) countLogin(challenge *tokens.ChallengeError) error {
	now := h.config.Now()
	h.logins = slices.DeleteFunc(h.logins, func(at time.Time) bool { return now.Sub(at) >= loginWindow })
	if len(h.logins) >= maxLogins {
		return fmt.Errorf("the MCP server required %d logins within %s: no further login before %s: %w",
			maxLogins, loginWindow, h.logins[0].Add(loginWindow).Format(time.TimeOnly), challenge)
	}
	h.logins = append(h.logins, now)
	return nil
}

// scopes returns the scopes of the challenge. Without them it returns the scopes of the resource
// metadata, if any. A session keeps the scopes that it has. offline_access is for servers that list
// it: without it they issue no refresh token. For a registered client the operator decides this, in
// its Scopes.
// Too many scopes for a user's decision are an error.
func (h *Handler) scopes(f *found, challenge *tokens.ChallengeError, old *session) ([]string, error) {
	wanted := challenge.Scopes
	if len(wanted) == 0 && old == nil {
		wanted = f.resource.ScopesSupported
	}
	if len(wanted) > maxScopes {
		return nil, fmt.Errorf("the MCP server asks for %d scopes, expected at most %d", len(wanted), maxScopes)
	}
	all := []string{}
	if old != nil {
		all = append(all, old.record.Scopes...)
	}
	for _, scope := range wanted {
		if !slices.Contains(all, scope) && !strings.ContainsAny(scope, ` "\`) {
			all = append(all, scope)
		}
	}
	all = slices.DeleteFunc(all, func(scope string) bool { return scope == offlineAccess })
	if _, registered := h.registered(f); h.config.Grant == nil && !registered && slices.Contains(f.metadata.ScopesSupported, offlineAccess) {
		all = append(all, offlineAccess)
	}
	if n := len(strings.Join(all, " ")); len(all) > maxScopes || n > maxScopeBytes {
		return nil, fmt.Errorf("the MCP server asks for %d scopes of %d bytes, expected at most %d of %d bytes", len(all), n, maxScopes, maxScopeBytes)
	}
	return all, nil
}
