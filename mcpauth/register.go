package mcpauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/registration"
)

const (
	defaultRedirectURL = "http://127.0.0.1/callback"
	keepRegistration   = 365 * 24 * time.Hour
)

// clientAt returns the client at the authorization server: the one of the operator, the client ID
// metadata document, or a registration.
func (h *Handler) clientAt(ctx context.Context, f *found) (client.Config, error) {
	c, err := h.knownAt(ctx, f)
	if err != nil {
		return c, err
	}
	if f.dpop && c.DPoP == nil {
		c.DPoP = &client.DPoP{}
	}
	if h.config.DPoP != nil {
		c.DPoP = h.config.DPoP
	}
	if c.HTTP == nil {
		c.HTTP = f.server.HTTP
	}
	c.Provider, c.Issuer, c.DiscoveryURL, c.Metadata, c.Now = f.server, "", "", nil, h.config.Now
	return c, nil
}

func (h *Handler) knownAt(ctx context.Context, f *found) (client.Config, error) {
	if c, ok := h.registered(f); ok {
		return h.preregistered(c), nil
	}
	document := h.config.Client
	switch {
	case document == nil:
		return client.Config{}, fmt.Errorf("no client is registered at %q, and Config.Client is nil: add the issuer to Config.Registered or set Config.Client", f.server.Issuer)
	case document.ClientID != "" && f.metadata.ClientIDMetadataDocumentSupported:
		c := document.Config(f.server, h.config.Keys)
		c.Scopes = []string{}
		return c, nil
	}
	registered, err := h.register(ctx, f)
	if err != nil {
		return client.Config{}, err
	}
	c := registered.Config(f.server, h.config.Keys)
	c.Scopes = []string{} // not all that it was registered with: the MCP server says which ones
	if c.RedirectURL == "" {
		c.RedirectURL = h.redirectURL()
	}
	return c, nil
}

// registered returns the operator's client at the server.
func (h *Handler) registered(f *found) (client.Config, bool) {
	if h.config.Registered == nil {
		return client.Config{}, false
	}
	return h.config.Registered(f.server.Issuer)
}

func (h *Handler) preregistered(c client.Config) client.Config {
	if c.Scopes == nil {
		c.Scopes = []string{}
	}
	if c.RedirectURL == "" && h.config.Grant == nil {
		c.RedirectURL = h.redirectURL()
	}
	return c
}

func (h *Handler) redirectURL() string {
	if h.config.Client != nil && len(h.config.Client.Metadata.RedirectURIs) > 0 {
		return h.config.Client.Metadata.RedirectURIs[0]
	}
	return defaultRedirectURL
}

// register returns the registration at the server: the stored one, or a new one. A registration is
// used only at the issuer that it is stored under.
func (h *Handler) register(ctx context.Context, f *found) (*registration.Registered, error) {
	key := h.key("client", f.server.Issuer)
	if stored := h.storedRegistration(ctx, key); stored != nil {
		return stored, nil
	}
	if f.metadata.RegistrationEndpoint == "" {
		return nil, fmt.Errorf("%q supports neither Config.Client.ClientID (client ID metadata documents) nor registration: register a client there and add it to Config.Registered", f.server.Issuer)
	}
	registrar := &registration.Registrar{Server: f.server, MissingSecretExpiry: true}
	registered, err := registrar.Register(ctx, h.clientMetadata(f))
	if err != nil {
		return nil, err
	}
	return registered, h.save(ctx, key, registered, h.keepUntil(registered))
}

func (h *Handler) storedRegistration(ctx context.Context, key string) *registration.Registered {
	value, err := h.config.Store.Load(ctx, key)
	stored := &registration.Registered{}
	if err != nil || len(value) == 0 || json.Unmarshal(value, stored) != nil || stored.ClientID == "" {
		return nil
	}
	if !stored.SecretExpiry.IsZero() && !h.config.Now().Before(stored.SecretExpiry) {
		return nil
	}
	return stored
}

func (h *Handler) keepUntil(r *registration.Registered) time.Time {
	until := h.config.Now().Add(keepRegistration)
	if !r.SecretExpiry.IsZero() && r.SecretExpiry.Before(until) {
		return r.SecretExpiry
	}
	return until
}

// forgetClient drops a registration that the server does not know any more.
func (h *Handler) forgetClient(ctx context.Context, issuer string, err error) {
	var answer *client.TokenError
	if errors.As(err, &answer) && (answer.Code == "invalid_client" || answer.Code == "unauthorized_client") {
		h.config.Store.Delete(context.WithoutCancel(ctx), h.key("client", issuer))
	}
}

// clientMetadata is Config.Client.Metadata with what it leaves out.
func (h *Handler) clientMetadata(f *found) registration.Metadata {
	m := h.config.Client.Metadata
	if len(m.RedirectURIs) == 0 && h.config.Grant == nil {
		m.RedirectURIs = []string{h.redirectURL()}
	}
	if len(m.GrantTypes) == 0 && h.config.Grant == nil {
		m.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	if m.ApplicationType == "" {
		m.ApplicationType = applicationType(m.RedirectURIs)
	}
	m.TokenEndpointAuthMethod = authMethod(m.TokenEndpointAuthMethod, f.metadata.TokenEndpointAuthMethodsSupported)
	return m
}

// applicationType is "native" for clients on the user's machine (OpenID Connect Dynamic Client
// Registration 1.0 §2).
func applicationType(redirects []string) string {
	for _, redirect := range redirects {
		u, err := url.Parse(redirect)
		if err != nil || u.Scheme == "https" || !isLoopback(u.Hostname()) && u.Scheme == "http" {
			return "web"
		}
	}
	return "native"
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// authMethod replaces "none" if the server does not support it.
func authMethod(wanted string, supported []string) string {
	if wanted != "" && wanted != "none" {
		return wanted
	}
	if len(supported) == 0 || slices.Contains(supported, "none") {
		return "none"
	}
	for _, method := range []string{"client_secret_basic", "client_secret_post"} {
		if slices.Contains(supported, method) {
			return method
		}
	}
	return "none"
}
