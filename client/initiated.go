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

// Initiated is a login that a third party asks for, OpenID Connect Core §4: what an
// application's initiate_login_uri is called with.
type Initiated struct {
	// Request is for Begin.
	Request Request

	// Target is where the visitor is to be brought after the login: a path of this
	// application with its query, "" when none was named.
	Target string
}

const maxHint = 1000 // characters

// Initiated reads the parameters of such a call. It is rejected if it names another issuer than
// this client's, or leads to another site than that of RedirectURL: anybody can make such a link.
// Every error is an [*Error] with the code "login_failed".
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
			return nil, fmt.Errorf("parameter %s came %d times, or is too long", name, len(q[name]))
		}
	}
	if !c.isIssuer(q.Get("iss")) {
		return nil, fmt.Errorf("iss is %s, not the configured issuer", jose.Quote(q.Get("iss")))
	}
	target, err := c.target(q.Get("target_link_uri"))
	return &Initiated{Request: Request{LoginHint: q.Get("login_hint")}, Target: target}, err
}

// isIssuer tells whether iss is this client's, or of one of its tenants.
func (c *Client) isIssuer(iss string) bool {
	return iss == c.config.Issuer && !c.config.hasTenants() || slices.ContainsFunc(c.config.Tenants, func(tenant string) bool {
		return iss == strings.Replace(c.config.Issuer, "{tenantid}", tenant, 1)
	})
}

// target takes a URL of this application and gives its path: written anew, so that
// nothing remains in it that a browser could read in another way.
func (c *Client) target(link string) (string, error) {
	if link == "" {
		return "", nil
	}
	u, err := url.Parse(link)
	if err != nil || !endpoint.SameOrigin(link, c.config.RedirectURL) || u.User != nil || u.Opaque != "" {
		return "", errors.New("target_link_uri is not on this site")
	}
	path := (&url.URL{Path: u.Path, RawQuery: u.Query().Encode()}).String()
	if path == "" {
		path = "/"
	}
	if path[0] != '/' || len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
		return "", errors.New("target_link_uri is not on this site")
	}
	return path, nil
}
