package client

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"
)

// Logout holds the parameters of one logout that Config does not hold. With the zero value the
// server may ask the user to confirm. It redacts itself in fmt and log/slog. Encoders return an error.
type Logout struct {
	hidden[Logout]

	// IDTokenHint is the user's ID token, which may have expired: Tokens.IDTokenHint. With it
	// most servers end the session without asking the user.
	IDTokenHint string

	// Hint identifies the user or the session in a format that the server defines (logout_hint).
	Hint string

	// UILocales are the user's languages as BCP 47 tags, in order of preference.
	UILocales []string

	// Extra holds additional parameters that a server defines. Parameters that the module sets
	// are rejected.
	Extra url.Values
}

// LogoutEndpoint is the logout endpoint of a server that does not support OpenID Connect
// RP-Initiated Logout. The client sends client_id and the URL to redirect the browser to
// afterwards. Of a [Logout] it sends only Extra. It sends no state.
type LogoutEndpoint struct {
	// URL is the address, such as "https://example.auth.eu-west-1.amazoncognito.com/logout".
	URL string

	// RedirectParameter is the parameter for Config.PostLogoutRedirectURL: "logout_uri" for
	// Amazon Cognito, "returnTo" for Auth0's /v2/logout.
	RedirectParameter string
}

func (e *LogoutEndpoint) check() error {
	if e == nil {
		return nil
	}
	if err := endpoint.CheckURL(e.URL); err != nil {
		return fmt.Errorf("has a URL that is %w", err)
	}
	if e.RedirectParameter == "" || slices.Contains(logoutParameters, e.RedirectParameter) {
		return fmt.Errorf("has the RedirectParameter %q, expected the name of the server's own parameter, such as returnTo", e.RedirectParameter)
	}
	return nil
}

// logoutParameters are the parameters that the module sets itself.
var logoutParameters = []string{"id_token_hint", "logout_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales"}

// LogoutURL makes the URL to redirect the browser to, so that the server ends the user's session
// (OpenID Connect RP-Initiated Logout 1.0 §2). End the application's own session first, because
// the user may never come back.
//
// With Config.PostLogoutRedirectURL the server redirects the browser there afterwards (§3) with
// state. Store state for this browser, and pass it to [CheckLogout]. state is "" if the browser
// does not come back, or if the server does not return state.
//
// Every error is an [*Error]. errors.Is finds [ErrNoEndpoint] if the server has no logout endpoint:
// then end only the application's own session. Other codes: "temporarily_unavailable",
// "login_failed".
func (c *Client) LogoutURL(ctx context.Context, l Logout) (redirect, state string, err error) {
	if err := l.check(); err != nil {
		return "", "", fail(StepLogout, err)
	}
	if own := c.config.LogoutEndpoint; own != nil {
		params := c.ownLogout(l, own.RedirectParameter)
		params.Set("client_id", c.config.ClientID)
		return authorizationURL(own.URL, params), "", nil
	}
	m, err := c.metadata(c.provider.Context(ctx))
	if err != nil {
		return "", "", err
	}
	return c.logoutAt(m, l)
}

func (c *Client) logoutAt(m *discovery.Metadata, l Logout) (redirect, state string, err error) {
	switch {
	case m.EndSessionEndpoint != "":
		params, state := c.logoutParameters(l)
		return authorizationURL(m.EndSessionEndpoint, params), state, nil
	case m.PingEndSessionEndpoint != "":
		return authorizationURL(m.PingEndSessionEndpoint, c.ownLogout(l, "TargetResource")), "", nil
	}
	return "", "", fail(StepLogout, ErrNoEndpoint)
}

func (l *Logout) check() error {
	for name := range l.Extra {
		if slices.Contains(logoutParameters, name) {
			return fmt.Errorf("Logout.Extra contains %q, which the client sets itself: remove it", name)
		}
	}
	if !visible(l.IDTokenHint) {
		return errors.New("Logout.IDTokenHint contains a character that is not allowed in tokens: pass Tokens.IDTokenHint")
	}
	return nil
}

func (c *Client) logoutParameters(l Logout) (params url.Values, state string) {
	params = cloneValues(l.Extra)
	params.Set("client_id", c.config.ClientID)
	if to := c.config.PostLogoutRedirectURL; to != "" {
		state = random()
		params.Set("post_logout_redirect_uri", to)
		params.Set("state", state)
	}
	setGiven(params, map[string]string{
		"id_token_hint": l.IDTokenHint, "logout_hint": l.Hint, "ui_locales": strings.Join(l.UILocales, " "),
	})
	return params, state
}

// ownLogout returns the parameters for a proprietary logout endpoint.
func (c *Client) ownLogout(l Logout, redirectParameter string) url.Values {
	params := cloneValues(l.Extra)
	if to := c.config.PostLogoutRedirectURL; to != "" {
		params.Set(redirectParameter, to)
	}
	return params
}

// CheckLogout checks that a request to Config.PostLogoutRedirectURL answers the logout for which
// [Client.LogoutURL] returned state. callback holds the parameters of that request. Every website
// can send a browser there. Without this check the page must only show a text, and change nothing.
// The error is an [*Error] with the code "login_failed".
func CheckLogout(state string, callback url.Values) error {
	got := callback["state"]
	switch {
	case state == "":
		return fail(StepLogout, errors.New("no logout is under way in this browser"))
	case len(got) != 1:
		return fail(StepLogout, fmt.Errorf("the parameter state was received %d times, expected once", len(got)))
	case subtle.ConstantTimeCompare([]byte(got[0]), []byte(state)) != 1:
		return fail(StepLogout, errors.New("state does not match the logout in this browser"))
	}
	return nil
}

// VerifyLogout validates a logout token of this client's server. See
// [idtoken.Verifier.VerifyLogout]. replay remembers the tokens that were used. nil means the memory
// of this Client.
//
// It returns the errors of [idtoken.Verifier.VerifyLogout]. An [*idtoken.Error] names the step that
// rejected the token. [idtoken.ErrReplayed] means that it was used before. An error that is
// Temporary means that the keys or replay are not available. No error is an [*Error].
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
