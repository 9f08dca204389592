package client

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
)

// FinishAt is Finish for applications with clients at several issuers. at is the URL at which
// the response arrived, as the browser sees it: behind a proxy that changes host or path, the
// URL before the change. A response that arrived elsewhere than at the RedirectURL of the
// login is rejected before anything is sent (RFC 9700 §4.4.2.2). Host, path and the
// RedirectURL's own query are compared; the scheme and the response's parameters are not.
func (c *Client) FinishAt(ctx context.Context, pending *Pending, at *url.URL, callback url.Values) (*Tokens, error) {
	if err := checkArrival(pending, at); err != nil {
		return nil, fail(StepCallback, err)
	}
	return c.Finish(ctx, pending, callback)
}

func checkArrival(p *Pending, at *url.URL) error {
	if p == nil || at == nil {
		return errors.New("the login or the URL at which the response arrived is missing")
	}
	want, err := url.Parse(p.RedirectURL)
	if err != nil || want.Host == "" {
		return errors.New("the login's redirect_uri is not a URL with a host")
	}
	got := *at
	got.Scheme = want.Scheme // a proxy may end TLS
	switch {
	case arrivalPlace(&got) != arrivalPlace(want):
		return errors.New("the response did not arrive at the login's redirect_uri: host or path differ")
	case !hasQuery(got.Query(), want.Query()):
		return errors.New("the response did not arrive at the login's redirect_uri: the query differs")
	}
	return nil
}

// arrivalPlace is the part of a URL that leads to a handler, without the query.
func arrivalPlace(u *url.URL) string {
	bare := *u
	bare.RawQuery, bare.ForceQuery = "", false
	return leadsTo(bare.String())
}

// hasQuery reports whether a query has all parameters of own, with the same values.
func hasQuery(all, own url.Values) bool {
	for name, values := range own {
		if !slices.Equal(all[name], values) {
			return false
		}
	}
	return true
}

// CheckCallback checks an authorization response as Finish does, and stops there: shape,
// state, iss, and the signature of a signed response. It redeems and remembers nothing, so
// that an error response costs no memory. Every error is an [*Error]; errors.As finds a
// [*CallbackError] if the server sent one.
func (c *Client) CheckCallback(ctx context.Context, pending *Pending, callback url.Values) error {
	_, err := c.checkResponse(ctx, pending, callback)
	return err
}

func (c *Client) checkResponse(ctx context.Context, pending *Pending, callback url.Values) (*response, error) {
	if err := c.checkPending(pending); err != nil {
		return nil, fail(StepCallback, err)
	}
	m, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	r, err := c.readCallback(ctx, callback, pending, m)
	if err != nil {
		return nil, fail(StepCallback, err)
	}
	return r, nil
}

// NamesIssuer reports whether every response that this client accepts names its issuer: by
// RequireIss or a profile that has it, by metadata in Config that announces iss, or because
// the response is signed or has an ID token.
func (c *Client) NamesIssuer() bool {
	return c.config.RequireIss || c.config.Profile.requiresIss() || strings.HasSuffix(c.config.ResponseMode, "jwt") ||
		strings.Contains(c.config.ResponseType, "id_token") || c.config.Metadata != nil && c.config.Metadata.AuthorizationResponseIssParameterSupported
}

// HasIDToken reports whether a login of this client ends with an ID token, if the request adds
// these scopes to those of Config.
func (c *Client) HasIDToken(scopes ...string) bool {
	p := Pending{Scopes: union(c.config.Scopes, scopes), ResponseType: c.config.ResponseType}
	return p.wantsIDToken()
}

// HasAccessToken reports whether a login of this client ends with an access token: one with
// the response type id_token does not.
func (c *Client) HasAccessToken() bool {
	p := Pending{ResponseType: c.config.ResponseType}
	return p.asksFor("code")
}
