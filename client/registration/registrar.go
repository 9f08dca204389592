// Package registration registers clients at a server. It implements dynamic client registration
// (RFC 7591, OpenID Connect Dynamic Client Registration 1.0) and its management (RFC 7592). It
// also implements client ID metadata documents (draft-ietf-oauth-client-id-metadata-document),
// which need no registration.
package registration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
)

// Registrar registers clients at one server. Server must be set. It is safe for concurrent use
// after the fields are set.
type Registrar struct {
	// Server is the server. Its metadata contains the registration_endpoint.
	Server *discovery.Provider

	// InitialAccessToken authorizes the registration (RFC 7591 §3). "" is for servers with open
	// registration.
	InitialAccessToken string `json:"-"`

	// MutualTLS must be true if HTTP presents a client certificate. The server's
	// mtls_endpoint_aliases are then used if there are any (RFC 8705 §5).
	MutualTLS bool

	// MissingSecretExpiry accepts a secret without client_secret_expires_at as one that does not
	// expire. RFC 7591 §3.2.1 requires that member, but Django OAuth Toolkit omits it. A client
	// that authenticates without a secret does not need this setting.
	MissingSecretExpiry bool

	// HTTP sends the requests. Its Transport is used, for tracing or proxies. The module always
	// applies its own timeouts and limits, and it rejects redirects. nil means Server.HTTP.
	HTTP *http.Client
}

// Format implements fmt.Formatter: no verb prints the token.
func (r Registrar) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue implements slog.LogValuer.
func (r Registrar) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

func (r Registrar) redacted() string { return fmt.Sprintf("[registrar at %v]", r.Server) }

// Register registers a client, RFC 7591 §3. The server may register other values than those of
// m. Check Registered.Changed before you use the client. The request is sent once, because a
// second request would register a second client.
//
// Every error is an [*Error]. Codes: [InvalidRedirectURI], [InvalidClientMetadata],
// [InvalidSoftwareStatement] and [UnapprovedSoftwareStatement] say which part of m to change
// (RFC 7591 §3.2.2). Status 401 or 403 means that the server requires another
// InitialAccessToken. Other codes of the server are returned unchanged, but see package client for
// "invalid_error_code". errors.Is finds [ErrNoEndpoint] if the server has no registration endpoint.
// Code is "" if the server sent none, for example if m is invalid or the server did not answer.
//
// If the server registered the client but its response is unusable, Register returns the
// registration with the error. Pass it to [Registrar.Delete] to remove that client.
func (r *Registrar) Register(ctx context.Context, m Metadata) (*Registered, error) {
	sent, err := m.members()
	if err != nil {
		return nil, wrap(err)
	}
	ctx, metadata, err := r.metadata(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	if metadata.RegistrationEndpoint == "" {
		return nil, wrap(ErrNoEndpoint)
	}
	document, err := json.Marshal(sent)
	if err != nil {
		return nil, wrap(err)
	}
	resp, err := r.http().SendJSON(ctx, http.MethodPost, metadata.RegistrationEndpoint, r.InitialAccessToken, document, m.SoftwareStatement)
	if err != nil {
		return nil, wrap(err)
	}
	return r.answer(resp, sent, m.TokenEndpointAuthMethod, http.StatusCreated, http.StatusOK)
}

// Read returns the current registration of a client, RFC 7592 §2.1. A secret or a registration
// access token that the server issued anew replaces the old one. Store the result instead of
// old.
//
// Every error is an [*Error]. Its Code is "" or a code of the server (RFC 6750 §3.1): "invalid_token",
// "insufficient_scope", "invalid_request". Other codes of the server are returned unchanged. Status
// 401 means that Registered.AccessToken is no longer valid, or the client was deleted: register
// again. Status 403 means that the server does not allow this.
func (r *Registrar) Read(ctx context.Context, old *Registered) (*Registered, error) {
	resp, err := r.manage(ctx, http.MethodGet, old, nil)
	if err != nil {
		return nil, wrap(err)
	}
	return r.follow(resp, old, nil)
}

// Update replaces the registration by changed.Metadata, RFC 7592 §2.2. Omitted members are removed,
// so start with the result of Register, Read or Update. Store the result, as with Read.
//
// Every error is an [*Error]. Codes are the same as for Register (RFC 7591 §3.2.2): [InvalidRedirectURI],
// [InvalidClientMetadata], [InvalidSoftwareStatement] and [UnapprovedSoftwareStatement]; and the same
// as for Read (RFC 6750 §3.1): "invalid_token", "insufficient_scope" and "invalid_request". Other
// codes of the server are returned unchanged. Status 401 means that Registered.AccessToken is no
// longer valid, or the client was deleted: register again. Status 403 means that the server does
// not allow this.
func (r *Registrar) Update(ctx context.Context, changed *Registered) (*Registered, error) {
	if changed == nil {
		return nil, wrap(errUnmanaged)
	}
	sent, err := changed.Metadata.members()
	if err != nil {
		return nil, wrap(err)
	}
	sent["client_id"] = quoted(changed.ClientID)
	if changed.ClientSecret != "" {
		sent["client_secret"] = quoted(changed.ClientSecret)
	}
	resp, err := r.manage(ctx, http.MethodPut, changed, sent)
	if err != nil {
		return nil, wrap(err)
	}
	return r.follow(resp, changed, sent)
}

// Delete deletes a registration, RFC 7592 §2.3.
//
// Every error is an [*Error]. Its Code is "" or a code of the server (RFC 6750 §3.1): "invalid_token",
// "insufficient_scope", "invalid_request". Other codes of the server are returned unchanged. Status
// 401 means that Registered.AccessToken is no longer valid, or the client was deleted already. Status
// 403 means that the server does not allow this, and 405 that it deletes no registrations.
func (r *Registrar) Delete(ctx context.Context, old *Registered) error {
	resp, err := r.manage(ctx, http.MethodDelete, old, nil)
	if err != nil {
		return wrap(err)
	}
	if resp.Status != http.StatusNoContent && resp.Status != http.StatusOK {
		return wrap(resp.Failure("the registration was not deleted"))
	}
	return nil
}

var (
	errUnmanaged = errors.New("the registration has no AccessToken or no URI: the server does not let clients manage their registration")
	errElsewhere = errors.New("Registered.URI has another origin than the issuer and the registration endpoint")
)

// manage sends a request about a registration. Its token is sent only to the server that issued
// it: the URI must have the same origin as the issuer or the registration endpoint.
func (r *Registrar) manage(ctx context.Context, method string, old *Registered, members map[string]json.RawMessage) (*endpoint.Response, error) {
	if old == nil || old.AccessToken == "" || old.URI == "" {
		return nil, errUnmanaged
	}
	ctx, metadata, err := r.metadata(ctx)
	if err != nil {
		return nil, err
	}
	if !endpoint.SameOrigin(old.URI, metadata.Issuer) && !endpoint.SameOrigin(old.URI, metadata.RegistrationEndpoint) {
		return nil, errElsewhere
	}
	var document []byte
	if members != nil {
		if document, err = json.Marshal(members); err != nil {
			return nil, err
		}
	}
	return r.http().SendJSON(ctx, method, old.URI, old.AccessToken, document, old.ClientSecret, old.Metadata.SoftwareStatement)
}

func (r *Registrar) metadata(ctx context.Context) (context.Context, *discovery.Metadata, error) {
	if r.Server == nil {
		return ctx, nil, errors.New("Registrar.Server is nil: set it to the server's discovery.Provider")
	}
	m, err := r.Server.Metadata(ctx)
	if err == nil && r.MutualTLS {
		m = m.MTLS()
	}
	return r.Server.Context(ctx), m, err
}

func (r *Registrar) http() endpoint.Client {
	if r.HTTP != nil {
		return endpoint.Client{HTTP: r.HTTP}
	}
	return endpoint.Client{HTTP: r.Server.HTTP}
}

// answer parses a response that has one of the statuses, about a client with that authentication
// method.
func (r *Registrar) answer(resp *endpoint.Response, sent map[string]json.RawMessage, method string, statuses ...int) (*Registered, error) {
	for _, status := range statuses {
		if resp.Status == status {
			out, err := r.read(resp, sent, method)
			if err != nil {
				return out, wrap(resp.Refuse(err))
			}
			return out, nil
		}
	}
	return nil, wrap(resp.Failure("the server rejected the request to read, change or delete the registration"))
}

// follow parses a response about a client that was registered before. Values that the server
// issued earlier and does not repeat are kept.
func (r *Registrar) follow(resp *endpoint.Response, old *Registered, sent map[string]json.RawMessage) (*Registered, error) {
	out, err := r.answer(resp, sent, old.Metadata.TokenEndpointAuthMethod, http.StatusOK)
	if out == nil {
		return nil, err
	}
	if out.ClientID != old.ClientID { // RFC 7592 §2.1
		return nil, wrap(resp.Refuse(errors.New("client_id of the response does not match the registration")))
	}
	if out.ClientSecret == "" {
		out.ClientSecret, out.SecretExpiry = old.ClientSecret, old.SecretExpiry
	}
	if out.AccessToken == "" {
		out.AccessToken = old.AccessToken
	}
	if out.URI == "" {
		out.URI = old.URI
	}
	return out, err
}

func quoted(s string) json.RawMessage {
	raw, _ := json.Marshal(s)
	return raw
}
