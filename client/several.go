package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
)

// Issuer is the issuer identifier of the client's server, as configured.
func (c *Client) Issuer() string { return c.config.Issuer }

// RedirectURL is where authorization responses come to, as configured; "" for a client
// that signs nobody in.
func (c *Client) RedirectURL() string { return c.config.RedirectURL }

// ResponseMode tells how authorization responses come: Config.ResponseMode, and where that
// leaves it to the server, what goes with the response type (OAuth 2.0 Multiple Response
// Type Encoding Practices, JARM): "query", "fragment", "form_post", or one of them with ".jwt".
func (c *Client) ResponseMode() string {
	usual := "query"
	if c.config.ResponseType != "" && c.config.ResponseType != ResponseCode {
		usual = "fragment"
	}
	if c.config.ResponseMode == "jwt" {
		return usual + ".jwt"
	}
	return cmp.Or(c.config.ResponseMode, usual)
}

// CheckMixUp checks the clients of one application against mix-up attacks (RFC 9700 §4.4): one
// server must not be able to pass the response of another off as its own. Clients of different
// issuers that share a RedirectURL must all receive the issuer in the response: by RequireIss,
// a profile that has it, a signed response or an ID token in it. The error names those that
// do not.
//
// CheckMixUp is half of the defence. Clients with different RedirectURLs pass it, and are safe
// only if the application accepts a response at the RedirectURL of its own login alone
// (§4.4.2.2). Package login does so; an application without it calls [Client.FinishAt].
func CheckMixUp(clients ...*Client) error {
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
			errs = append(errs, fmt.Errorf("client: %s shares the RedirectURL %s with a client of another issuer: set Config.RequireIss, or give it a RedirectURL of its own", c, at))
		}
	}
	return errors.Join(errs...)
}

// leadsTo is where a URL leads to: two that differ in the letters of the host, or in a port
// that goes without saying, lead to one handler.
func leadsTo(redirectURL string) string {
	u, err := url.Parse(redirectURL)
	if err != nil || u.Host == "" {
		return redirectURL
	}
	u.Host = strings.ToLower(u.Host)
	return endpoint.Origin(u) + u.RequestURI()
}

// CallbackState gives the state of an authorization response, "" when it has none: it
// tells which of a browser's logins the response is for. Of a signed response (JARM) it is
// what the server signed. Nothing else is checked; that is [Client.Finish]'s to do. Every
// error is an [*Error].
func (c *Client) CallbackState(ctx context.Context, callback url.Values) (string, error) {
	if !strings.HasSuffix(c.config.ResponseMode, "jwt") {
		return callback.Get("state"), nil
	}
	inner, err := c.openResponse(ctx, callback)
	if err != nil {
		return "", fail(StepCallback, err)
	}
	return inner.Get("state"), nil
}

// VerifyLogout validates a logout token of this client's server, see
// [idtoken.Verifier.VerifyLogout]. replay remembers those that were used; nil means in the
// memory of this Client.
func (c *Client) VerifyLogout(ctx context.Context, raw string, replay idtoken.Replay) (*idtoken.LogoutToken, error) {
	if c.verifier == nil {
		return nil, fmt.Errorf("client: %w", errUnmade)
	}
	if replay == nil {
		return c.verifier.VerifyLogout(ctx, raw)
	}
	shared := c.config.verifier(c.verifier.Keys)
	shared.Replay = replay
	return shared.VerifyLogout(ctx, raw)
}
