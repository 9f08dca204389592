package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
)

// ErrNoEndpoint is the cause of an [*Error] if the server's metadata has no endpoint for the
// operation.
var ErrNoEndpoint = errors.New("the server's metadata has no endpoint for this operation: if the server has one, set it in Config.Metadata")

// place is an endpoint at which a client authenticates, as the metadata describes it.
type place struct {
	url     string
	methods []string // of authentication; empty if the endpoint has no list
	failure string   // the reason for the log if the server responds with another status than 200
}

// postTo posts a form once, with the client's authentication. If the metadata has no list of
// methods for the endpoint, it uses the list of the token endpoint. A response with another status
// than 200 is an error.
func (c *Client) postTo(ctx context.Context, step Step, at func(*discovery.Metadata) place, form url.Values, accept string) (*endpoint.Response, error) {
	ctx = c.provider.Context(ctx)
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	p := at(m)
	if p.url == "" {
		return nil, fail(step, ErrNoEndpoint)
	}
	if len(p.methods) > 0 {
		own := *m
		own.TokenEndpointAuthMethodsSupported = p.methods
		m = &own
	}
	resp, err := c.http.PostForm(ctx, p.url, c.auth(m), form, accept)
	if err != nil {
		return nil, fail(step, tokenError(err))
	}
	if resp.Status != http.StatusOK {
		return nil, fail(step, c.rejected(m, form, resp.Failure(p.failure)))
	}
	return resp, nil
}

// cloneValues returns a copy to which parameters can be added, also for nil.
func cloneValues(v url.Values) url.Values {
	out := make(url.Values, len(v))
	for name, values := range v {
		out[name] = slices.Clone(values)
	}
	return out
}

// setGiven sets the parameters whose value is not empty.
func setGiven(v url.Values, given map[string]string) {
	for name, value := range given {
		if value != "" {
			v.Set(name, value)
		}
	}
}

// auth returns the client's authentication at the server with this metadata.
func (c *Client) auth(m *discovery.Metadata) auth.Authenticator {
	return c.method(m).Bind(c.Binding())
}

// method returns the authentication method that fits the server's metadata.
func (c *Client) method(m *discovery.Metadata) auth.Method {
	return c.config.Auth.Choose(m.TokenEndpointAuthMethodsSupported)
}

// Binding returns what authentication and signing need: the client ID, the issuer, the
// algorithms of the profile and the clock.
func (c *Client) Binding() auth.Binding {
	return auth.Binding{ClientID: c.config.ClientID, Issuer: c.config.Issuer, CheckAlg: c.config.Profile.checkAlg, Now: c.config.Now}
}

var errUnmade = errors.New("the Client is the zero value: create it with client.New")

// Metadata returns the server's metadata, with the endpoints that this client uses. It is
// fetched at the first use. Every error is an [*Error]. Codes: "temporarily_unavailable" if it
// could not be fetched and a later call may succeed, "login_failed" if a setting or the
// metadata is wrong.
func (c *Client) Metadata(ctx context.Context) (*discovery.Metadata, error) {
	if c.provider == nil {
		return nil, fail(StepDiscovery, errUnmade)
	}
	return c.metadata(c.provider.Context(ctx))
}

// metadata returns the server's metadata with the endpoints that this client uses. A client that
// presents a certificate must use the mtls_endpoint_aliases if there are any (RFC 8705 §5).
func (c *Client) metadata(ctx context.Context) (*discovery.Metadata, error) {
	if c.provider == nil {
		return nil, fail(StepDiscovery, errUnmade)
	}
	m, err := c.provider.Metadata(ctx)
	if err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if err := c.config.checkMetadata(m); err != nil {
		return nil, fail(StepDiscovery, err)
	}
	if c.config.Auth.UsesCertificate() || c.config.CertificateBound {
		return m.MTLS(), nil
	}
	return m, nil
}

// repeatResource adds resource to a token request if an earlier step named exactly one API (RFC
// 8707 §2.2). If it named several, the server chooses the API of the token.
func (c *Client) repeatResource(form url.Values, named []string) {
	if len(named) == 1 && !c.config.OmitTokenResource && !form.Has("resource") {
		form["resource"] = slices.Clone(named)
	}
}
