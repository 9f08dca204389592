package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/endpoint"
)

// CheckMixUpDefense checks the clients of one application against mix-up attacks (RFC 9700 §4.4).
// In such an attack a server presents the response of another server as its own. Clients of
// different issuers that share a RedirectURL must all receive the issuer in the response.
// RequireIss, a profile that requires iss, a signed response, or an ID token in the response
// ensures this. The error names the clients that do not.
//
// CheckMixUpDefense is half of the defence. Clients with different RedirectURLs pass it. They are
// safe only if the application accepts a response only at the RedirectURL of its login (§4.4.2.2).
// Package login does so. An application without it calls [Client.FinishAt].
func CheckMixUpDefense(clients ...*Client) error {
	issuer := map[string]string{} // by RedirectURL
	shared := map[string]bool{}
	clients = slices.DeleteFunc(slices.Clone(clients), func(c *Client) bool { return c == nil })
	for _, c := range clients {
		at := leadsTo(c.config.RedirectURL)
		if first, known := issuer[at]; known && first != c.config.Issuer {
			shared[at] = true
		}
		issuer[at] = c.config.Issuer
	}
	var errs []error
	for _, c := range clients {
		if at := c.config.RedirectURL; at != "" && shared[leadsTo(at)] && !c.NamesIssuer() {
			errs = append(errs, fmt.Errorf("client: %s has the same RedirectURL %s as a client of another issuer: set Config.RequireIss, or use another RedirectURL", c.name(), at))
		}
	}
	return errors.Join(errs...)
}

// leadsTo normalizes a URL. Two URLs that differ only in the case of the host or in the default
// port lead to the same handler.
func leadsTo(redirectURL string) string {
	u, err := url.Parse(redirectURL)
	if err != nil || u.Host == "" {
		return redirectURL
	}
	u.Host = strings.ToLower(u.Host)
	return endpoint.Origin(u) + u.RequestURI()
}

// NamesIssuer reports whether every successful response that this client accepts names its issuer.
// RequireIss, a profile that requires iss, and metadata in Config that announces iss ensure this.
// Responses that are signed or have an ID token name their issuer too.
func (c *Client) NamesIssuer() bool {
	return c.config.RequireIss || c.config.Profile.requiresIss() || strings.HasSuffix(c.config.ResponseMode, "jwt") ||
		strings.Contains(c.config.ResponseType, "id_token") || c.config.Metadata != nil && c.config.Metadata.AuthorizationResponseIssParameterSupported
}

// FinishAt is Finish for applications with clients at several issuers. at is the URL at which
// the response arrived, as the browser sees it. If a proxy changes host or path, it is the URL
// before the change. A response that did not arrive at the RedirectURL of its login is rejected
// before any request is sent (RFC 9700 §4.4.2.2). FinishAt compares host, path and the query of
// RedirectURL. It ignores the scheme and the parameters of the response. It returns the
// errors of [Client.Finish].
func (c *Client) FinishAt(ctx context.Context, pending *Pending, at *url.URL, callback url.Values) (*Tokens, error) {
	if err := checkArrival(pending, at); err != nil {
		return nil, fail(StepCallback, err)
	}
	return c.Finish(ctx, pending, callback)
}

func checkArrival(p *Pending, at *url.URL) error {
	if p == nil || at == nil {
		return errors.New("the Pending or the URL is nil: pass the stored Pending and the URL at which the response arrived")
	}
	want, err := url.Parse(p.RedirectURL)
	if err != nil || want.Host == "" {
		return errors.New("redirect_uri of the stored login has no host: start the login again")
	}
	got := *at
	got.Scheme = want.Scheme // a proxy may end TLS
	switch {
	case arrivalPlace(&got) != arrivalPlace(want):
		return errors.New("the response did not arrive at the redirect_uri of this login: host or path differ")
	case !hasQuery(got.Query(), want.Query()):
		return errors.New("the response did not arrive at the redirect_uri of this login: the query differs")
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
