package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/discovery"
)

// Ready reports an error if the configuration does not fit the server. Call it at the start of
// a program or for a health check. It fetches the server's metadata if it is not in memory. The
// error names every setting that makes all logins fail.
//
// Every error is an [*Error]. Codes: "temporarily_unavailable" if the metadata could not be
// fetched, and a later call may succeed; "login_failed" if a setting or the metadata is wrong.
func (c *Client) Ready(ctx context.Context) error {
	if c.provider == nil {
		return fail(StepDiscovery, errUnmade)
	}
	m, err := c.metadata(ctx)
	if err != nil {
		return err
	}
	if err := errors.Join(c.impossible(m)...); err != nil {
		return fail(StepDiscovery, err)
	}
	return nil
}

// impossible lists the settings that the server's metadata excludes. A list that the server does
// not publish excludes nothing, unless the specification gives it a default.
func (c *Client) impossible(m *discovery.Metadata) (out []error) {
	lacks := func(field string, list []string, values ...string) {
		if len(list) > 0 && !slices.ContainsFunc(values, func(v string) bool { return slices.Contains(list, v) }) {
			out = append(out, fmt.Errorf("the setting Config.%s is %q, but the server supports only %q: change one of them", field, values, list))
		}
	}
	if name := c.method(m).Name(); name != "federated_jwt" && name != "spiffe_jwt" {
		lacks("Auth", m.TokenEndpointAuthMethodsSupported, name)
	}
	if c.config.DPoP != nil && c.config.DPoP.Keys != nil {
		lacks("DPoP.Keys", m.DPoPSigningAlgValuesSupported, algOf(c.config.DPoP.Keys))
	}
	if c.config.RedirectURL == "" {
		return out
	}
	if err := c.checkOffer(m); err != nil {
		out = append(out, err)
	}
	if _, err := c.pushes(m); err != nil {
		out = append(out, err)
	}
	if c.config.RequestObject == nil && m.RequireSignedRequestObject {
		out = append(out, errors.New("the server requires signed request objects, and Config.RequestObject is nil: set it"))
	}
	if c.config.needsKeys() && m.JWKSURI == "" {
		out = append(out, errors.New("the server's metadata has no jwks_uri, and Config.IDTokenKeys is nil: set Config.IDTokenKeys"))
	}
	responseType := c.config.ResponseType
	if responseType == "" {
		responseType = ResponseCode
	}
	lacks("ResponseType", m.ResponseTypesSupported, responseType)
	if c.config.ResponseMode != "" {
		lacks("ResponseMode", m.ResponseModesSupported, c.config.ResponseMode)
	}
	if slices.Contains(c.config.Scopes, "openid") {
		algs := c.config.IDTokenAlgs
		if len(algs) == 0 {
			algs = []string{"RS256"}
		}
		lacks("IDTokenAlgs", m.IDTokenSigningAlgValuesSupported, algs...)
	}
	if c.config.RequestObject != nil {
		lacks("RequestObject.Keys", m.RequestObjectSigningAlgValuesSupported, c.config.RequestObject.alg())
	}
	return out
}
