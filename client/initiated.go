package client

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Initiated is a login that a third party requests with the application's initiate_login_uri,
// OpenID Connect Core §4.
type Initiated struct {
	// Request is the argument for Begin.
	Request Request

	// Target is the path to redirect the visitor to after the login: a path of this application
	// with its query. "" if the request has no target.
	Target string
}

const maxHint = 1000 // characters

// Initiated reads the parameters with which a third party requests a login at the application's
// initiate_login_uri (OpenID Connect Core §4). q holds the query, or the posted form. It rejects
// another issuer than this client's, and a target on another site than RedirectURL, because every
// website can have such a link. Every error is an [*Error] with the code "login_failed".
func (c *Client) Initiated(q url.Values) (*Initiated, error) {
	out, err := c.readInitiated(q)
	if err != nil {
		return nil, fail(StepRequest, err)
	}
	return out, nil
}

func (c *Client) readInitiated(q url.Values) (*Initiated, error) {
	for _, name := range []string{"iss", "login_hint", "target_link_uri"} {
		if len(q[name]) > 1 || len(q.Get(name)) > maxHint {
			return nil, fmt.Errorf("the parameter %s was received %d times or is too long, expected once with at most %d characters", name, len(q[name]), maxHint)
		}
	}
	if !c.isIssuer(q.Get("iss")) {
		return nil, fmt.Errorf("iss is %s, expected %s (Config.Issuer)", jose.Quote(q.Get("iss")), jose.Quote(c.config.Issuer))
	}
	target, err := c.target(q.Get("target_link_uri"))
	return &Initiated{Request: Request{LoginHint: q.Get("login_hint")}, Target: target}, err
}

// isIssuer reports whether iss is this client's issuer, or that of one of its tenants.
func (c *Client) isIssuer(iss string) bool {
	return iss == c.config.Issuer && !c.config.hasTenants() || slices.ContainsFunc(c.config.Tenants, func(tenant string) bool {
		return iss == strings.Replace(c.config.Issuer, "{tenantid}", tenant, 1)
	})
}

// target returns the path of a URL of this application. It encodes the path again, so that a
// browser cannot interpret it in another way.
func (c *Client) target(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	if err != nil || !endpoint.SameOrigin(link, c.config.RedirectURL) || u.User != nil || u.Opaque != "" {
		return "", errors.New("target_link_uri is not on the site of Config.RedirectURL")
	}
	path := (&url.URL{Path: u.Path, RawQuery: u.Query().Encode()}).String()
	if path == "" {
		path = "/"
	}
	if path[0] != '/' || len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "", errors.New("target_link_uri is not on the site of Config.RedirectURL")
	}
	return path, nil
}
