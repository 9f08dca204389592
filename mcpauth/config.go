package mcpauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
)

// Config describes how an MCP client gets tokens for one MCP server. Trusted must be set. Client or
// Registered must be set too.
type Config struct {
	// Endpoint is the URL of the MCP server. With it, tokens of Store are sent from the first
	// request on. "" means the URL of the first request.
	Endpoint string

	// Resource is the resource identifier of the MCP server (RFC 9728 §1.2), if it is neither
	// Endpoint nor the origin of Endpoint. "" accepts these two.
	Resource string

	// Trusted decides whether the user may sign in at an authorization server. A hostile MCP server
	// can name a hostile one: show the host to the user, or compare it with a list. Trusted is not
	// called again for an issuer that it accepted, also in the next run if Store has the session.
	// For an issuer that it rejected, it is called at each login.
	Trusted func(ctx context.Context, issuer string) bool

	// Registered returns the client that the operator registered at an issuer. It has precedence
	// over Client. Issuer, DiscoveryURL, Metadata and Provider of the result are replaced. nil
	// means that there are no such clients.
	Registered func(issuer string) (c client.Config, ok bool)

	// Client describes the client. With a ClientID it is a client ID metadata document, for servers
	// that support these. Its Metadata is sent to servers with dynamic client registration. nil
	// means that only Registered provides clients.
	Client *registration.Document

	// Keys sign the client assertions of Client (private_key_jwt). nil means a client without keys.
	Keys auth.KeySource

	// Open shows the address of a login to the user. The response arrives at a port of this
	// machine, see package loopback. nil means the system's browser.
	Open func(ctx context.Context, address string) error

	// Callback shows the address of a login to the user, and returns the URL at which the response
	// arrived, with its query. It is for applications with their own redirect URI. Check that the
	// response came with the browser of this user. nil means loopback.
	Callback func(ctx context.Context, address string) (*url.URL, error)

	// Grant gets tokens without a user, for example [grant.ClientCredentials], [Workload] or
	// [EnterpriseManaged]. nil means that the user signs in.
	Grant Grant

	// DPoP binds tokens to a key. nil means that they are bound only if the MCP server requires it.
	// DPoP works only with Handler.HTTPClient.
	DPoP *client.DPoP

	// Store keeps tokens and registrations for the next run of the program. It holds secrets.
	// nil means the memory of this process.
	Store tokens.Store

	// Leases let one process at a time refresh the tokens of Store. nil means Store itself, if
	// it has the method Acquire. Otherwise no other process may use Store.
	Leases tokens.Leases

	// User identifies the user if Store has the tokens of several users. "" is for a Store with one
	// user.
	User string

	// InsecureNoS256 are issuers whose metadata need not list S256 in
	// code_challenge_methods_supported. S256 is sent to them too, but may be ignored. In revision
	// 2025-03-26 an MCP server may be its own authorization server without metadata. Its endpoints
	// are then /authorize, /token and /register. Empty means none.
	InsecureNoS256 []string

	// HTTP sends the requests. Its Transport is used. nil means the module's own client for
	// authorization servers, and http.DefaultTransport for the MCP server.
	HTTP *http.Client

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Grant gets an access token for c, with the scopes and the resource of req.
type Grant func(ctx context.Context, c *client.Client, req client.TokenRequest) (*client.Tokens, error)

func (c *Config) check() error {
	var w []error
	if c.Trusted == nil {
		w = append(w, errors.New("mcpauth: Config.Trusted is nil: set a function that accepts authorization servers"))
	}
	if c.Client == nil && c.Registered == nil {
		w = append(w, errors.New("mcpauth: Config.Client and Config.Registered are nil: set one"))
	}
	if c.Client != nil && c.Client.ClientID != "" {
		if _, err := c.Client.JSON(); err != nil {
			w = append(w, fmt.Errorf("mcpauth: Config.Client: %w", err))
		}
	}
	for name, value := range map[string]string{"Endpoint": c.Endpoint, "Resource": c.Resource} {
		if value == "" {
			continue
		}
		if err := discovery.CheckURL(value); err != nil {
			w = append(w, fmt.Errorf("mcpauth: Config.%s is %w", name, err))
		}
	}
	return errors.Join(w...)
}

func (c *Config) transport() http.RoundTripper {
	if c.HTTP != nil && c.HTTP.Transport != nil {
		return c.HTTP.Transport
	}
	return http.DefaultTransport
}

func (c *Config) leases() tokens.Leases {
	if c.Leases != nil {
		return c.Leases
	}
	if own, ok := c.Store.(tokens.Leases); ok {
		return own
	}
	return tokens.LocalLeases{}
}
