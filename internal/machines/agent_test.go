package machines_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// reject is a header field: the API rejects the token of a request that has it.
const reject = "X-Reject"

// startTools starts the API that agents use, with metadata that leads to the issuer.
func startTools(t testing.TB, issuer string) string {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	meta := &rs.Metadata{Resource: server.URL + "/mcp", AuthorizationServers: []string{issuer}}
	provider := &discovery.Provider{Issuer: issuer}
	api := &rs.Protection{
		Tokens: &rs.JWT{Issuer: issuer, Audience: meta.Resource, Keys: provider.Keys(), Algs: []string{"ES256"}}, ResourceMetadata: meta.URL(), Logger: slog.New(slog.DiscardHandler),
	}
	mux.Handle(meta.Path(), meta)
	mux.Handle("/mcp", api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(reject) != "" {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer error="invalid_token", resource_metadata=%q`, meta.URL()))
			w.WriteHeader(http.StatusUnauthorized)
		}
	})))
	return meta.Resource
}

// newAgent makes the client of a user, which knows only the content of the store.
func (p *program) newAgent(user string) (*mcpauth.Handler, error) {
	return mcpauth.New(mcpauth.Config{
		Endpoint: p.Tools, Store: p.store, User: user, Trusted: func(context.Context, string) bool { return true },
		Registered: func(string) (client.Config, bool) {
			return client.Config{
				ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), RedirectURL: p.Front + "/callback", IDTokenAlgs: []string{"ES256"},
			}, true
		},
		Callback: func(_ context.Context, address string) (*url.URL, error) {
			return atIssuer(address + "&login_hint=" + url.QueryEscape(user))
		},
	})
}

// agentStarts is a program that starts: it signs the user in if the store has no session.
func (p *program) agentStarts(user string) string {
	h, err := p.newAgent(user)
	if err != nil {
		return err.Error()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.agents[user] = h
	return use(h, p.Tools)
}

// agentCalls is another request of a running program.
func (p *program) agentCalls(user string) string { return use(p.agent(user), p.Tools) }

// agentRefreshes is a request whose token is rejected, so that the agent gets a new one.
func (p *program) agentRefreshes(user string) string {
	h := p.agent(user)
	r, err := http.NewRequest("GET", p.Tools, nil)
	if err != nil {
		return err.Error()
	}
	r.Header.Set(reject, "yes")
	resp, err := h.HTTPClient().Do(r)
	if err == nil {
		err = h.Authorize(context.Background(), r, resp)
	}
	if err != nil {
		return err.Error()
	}
	return "refreshed"
}

func (p *program) agentSignsOut(user string) string {
	if err := p.agent(user).Logout(context.Background()); err != nil {
		return err.Error()
	}
	return "signed out"
}

func (p *program) agent(user string) *mcpauth.Handler {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.agents[user]
}

// use sends a request, and a second one if the first response leads to a login.
func use(h *mcpauth.Handler, address string) string {
	for range 2 {
		r, err := http.NewRequest("GET", address, nil)
		if err != nil {
			return err.Error()
		}
		resp, err := h.HTTPClient().Do(r)
		if err != nil {
			return err.Error()
		}
		if resp.StatusCode != http.StatusUnauthorized {
			resp.Body.Close()
			return resp.Status
		}
		if err := h.Authorize(context.Background(), r, resp); err != nil {
			return err.Error()
		}
	}
	return "not signed in"
}
