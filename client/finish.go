package client

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/pkce"
)

// Finish reads the parameters of the callback (r.URL.Query(), with duplicates) and the Pending that
// was stored for this browser, and returns the tokens. It checks state and iss, exchanges the code
// with the code_verifier, and validates the ID token in 14 steps.
//
// A Pending can be finished once: remove it from the session before the call. A second call of the
// same Client is rejected. The code is sent once, and again only if the server requires a DPoP
// nonce.
//
// Every error is an [*Error]. For an error of the server errors.As finds a [*CallbackError] or a
// [*TokenError]. Codes of the server:
//
//   - in the callback (RFC 6749 §4.1.2.1): "access_denied", "invalid_request",
//     "unauthorized_client", "unsupported_response_type", "invalid_scope", "server_error",
//     "temporarily_unavailable"
//   - in the callback (OpenID Connect Core §3.1.2.6): "login_required", "interaction_required",
//     "account_selection_required", "consent_required", "invalid_request_uri",
//     "invalid_request_object", "request_not_supported", "request_uri_not_supported",
//     "registration_not_supported"
//   - of the token endpoint (RFC 6749 §5.2): "invalid_grant", "invalid_client",
//     "unauthorized_client", "invalid_request", "invalid_scope", "unsupported_grant_type"
//
// Other codes of the server are returned unchanged. The code is "temporarily_unavailable" too if
// the server did not answer. Everything that is wrong with a response is "login_failed". errors.As
// finds a [*SubjectError] if another user than Request.Subject signed in.
func (c *Client) Finish(ctx context.Context, pending *Pending, callback url.Values) (*Tokens, error) {
	response, err := c.checkResponse(ctx, pending, callback)
	if err != nil {
		c.endIfAnswered(pending, err)
		return nil, err
	}
	if !c.claim(pending) {
		return nil, fail(StepCallback, errors.New("this login was finished before, and a response is accepted only once: start the login again"))
	}
	tokens, err := c.complete(ctx, pending, response)
	if err == nil {
		err = c.checkUser(pending, tokens)
	}
	if err != nil {
		return nil, err
	}
	return tokens, nil
}

// checkUser checks that the user is the expected one, and authenticated as the login asked.
func (c *Client) checkUser(p *Pending, t *Tokens) error {
	if err := checkSubject(p, t); err != nil {
		return fail(StepIDToken, err)
	}
	return c.checkPrompt(p, t)
}

func checkSubject(p *Pending, t *Tokens) error {
	switch {
	case p.Subject == "":
		return nil
	case t.IDToken == nil:
		return errors.New("Request.Subject is set, but the login has no ID token: add openid to Config.Scopes")
	case t.IDToken.Subject != p.Subject:
		return &SubjectError{Expected: p.Subject, Subject: t.IDToken.Subject}
	}
	return nil
}

// checkPrompt rejects a user who did not sign in again although prompt=login was requested. The
// user of the browser can remove prompt=login from the address.
func (c *Client) checkPrompt(p *Pending, t *Tokens) error {
	if !slices.Contains(p.Prompt, "login") || t.IDToken == nil || t.IDToken.AuthTime.IsZero() {
		return nil
	}
	if t.IDToken.AuthTime.Before(p.CreatedAt.Add(-c.skew())) {
		return fail(StepIDToken, errors.New("auth_time is before the request, but prompt=login requires the user to sign in again"))
	}
	return nil
}

// complete validates an ID token that came through the browser, and redeems the code.
func (c *Client) complete(ctx context.Context, p *Pending, r *response) (*Tokens, error) {
	if !p.asksFor("id_token") {
		return c.redeem(ctx, p, r.code)
	}
	front, err := c.addIDToken(ctx, &Tokens{Token: &oauth2.Token{}, Scopes: p.Scopes}, r.idToken, idtoken.Expected{
		Nonce: p.Nonce, Code: r.code, State: p.State, ACRValues: p.ACRValues, MaxAge: p.MaxAge, FrontChannel: true,
		RequireStateHash: c.config.Profile.requiresStateHash(),
	})
	if err != nil || r.code == "" {
		return front, err
	}
	tokens, err := c.redeem(ctx, p, r.code)
	if err != nil {
		return nil, err
	}
	if tokens.IDToken.Issuer != front.IDToken.Issuer || tokens.IDToken.Subject != front.IDToken.Subject { // OpenID Connect Core §3.3.3.6
		return nil, fail(StepIDToken, errors.New("the ID token from the token endpoint names another user than the ID token from the browser"))
	}
	return tokens, nil
}

// endIfAnswered ends a login that the server has answered with an error. A code that arrives
// later for it is not genuine.
func (c *Client) endIfAnswered(p *Pending, err error) {
	var answer *CallbackError
	if errors.As(err, &answer) {
		c.claim(p)
	}
}

// claim returns true for the first caller with this login.
func (c *Client) claim(p *Pending) bool {
	return c.used.claim(p.State, c.config.Now(), p.CreatedAt.Add(pendingLifetime))
}

var errBegunElsewhere = errors.New("another client began this login: check Config.Issuer and Config.ClientID")

// began reports whether a stored login was begun by this client.
func (c *Client) began(issuer, clientID string) bool {
	return issuer == c.config.Issuer && clientID == c.config.ClientID && clientID != ""
}

func (c *Client) checkPending(p *Pending) error {
	switch {
	case p == nil:
		return errors.New("no login is under way in this browser: start the login again")
	case !c.began(p.Issuer, p.ClientID):
		return errBegunElsewhere
	case p.RedirectURL == "":
		return errors.New("the stored login has no redirect_uri: start the login again")
	case c.config.signedMode() && !p.signedResponse():
		return errors.New("the login began before Config.ResponseMode required a signed response: start the login again")
	case p.Expired(c.config.Now()) && p.CreatedAt.After(c.config.Now()):
		return errors.New("the login began in the future: the clocks of the processes differ, or Config.Now went back: set the clocks with NTP")
	case p.Expired(c.config.Now()):
		return errors.New("the login took longer than 10 minutes: start it again")
	}
	return c.checkVerifier(p)
}

// Exchange redeems a code that a mobile app obtained. The app sends code and verifier to its
// backend, which has authenticated the app. The app's request must have had this client's
// RedirectURL, PKCE and no nonce. For an app that sends a nonce, max_age or acr_values, call
// [Client.Finish] with a Pending that contains them. Exchange fails with a FAPI profile or a
// signed ResponseMode, because these require checks of the whole response.
//
// Every error is an [*Error]. For an error of the server errors.As finds a [*TokenError]. Codes of
// the token endpoint (RFC 6749 §5.2): "invalid_grant",
// "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope",
// "unsupported_grant_type". Other codes of the server are returned unchanged. The code is
// "temporarily_unavailable" if the server did not answer, and "login_failed" if a setting, an
// argument or the response is wrong.
func (c *Client) Exchange(ctx context.Context, code string, verifier pkce.Verifier) (*Tokens, error) {
	if err := c.signsIn(); err != nil {
		return nil, fail(StepCallback, err)
	}
	if c.config.Profile.isFAPI() || c.config.signedMode() {
		return nil, fail(StepCallback, errors.New("Exchange checks only a code, but Config.Profile or Config.ResponseMode requires checks of the whole response: use Finish"))
	}
	if c.config.InsecureNoPKCE {
		return nil, fail(StepCallback, errors.New("Exchange requires PKCE, but Config.InsecureNoPKCE is true: set it to false"))
	}
	if _, err := pkce.Parse(string(verifier)); err != nil {
		return nil, fail(StepCallback, err)
	}
	code, err := checkCode(code)
	if err != nil {
		return nil, fail(StepCallback, err)
	}
	p := &Pending{RedirectURL: c.config.RedirectURL, CodeVerifier: string(verifier), Scopes: c.config.Scopes}
	if _, err := c.giveKey(p); err != nil {
		return nil, fail(StepToken, err)
	}
	return c.redeem(ctx, p, code)
}

// redeem sends the code once, and validates the response.
func (c *Client) redeem(ctx context.Context, p *Pending, code string) (*Tokens, error) {
	form := url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code},
		"redirect_uri": {p.RedirectURL},
	}
	p.addVerifier(form)
	c.repeatResource(form, p.Resources)
	key, err := c.keyOf(p.DPoPKey)
	if err != nil {
		return nil, fail(StepToken, err)
	}
	response, err := c.requestToken(ctx, form, key)
	if err != nil {
		return nil, err
	}
	tokens := response.tokens(p.Scopes, key, c.config.Now())
	tokens.Resources = slices.Clone(p.Resources)
	if response.IDToken == "" && !p.wantsIDToken() {
		return tokens, nil
	}
	return c.addIDToken(ctx, tokens, response.IDToken, idtoken.Expected{
		Nonce: p.Nonce, AccessToken: response.AccessToken, Code: code, State: p.State,
		ACRValues: p.ACRValues, MaxAge: p.MaxAge, FromTokenEndpoint: true, Date: response.date,
	})
}

// keyOf decodes the stored key of a login. It is zero without Config.DPoP.
func (c *Client) keyOf(kept string) (auth.SigningKey, error) {
	if c.config.DPoP == nil {
		return auth.SigningKey{}, nil
	}
	return c.config.DPoP.keptKey(kept)
}

func (c *Client) skew() time.Duration {
	if c.config.Skew == 0 {
		return 30 * time.Second
	}
	return c.config.Skew
}

// addIDToken validates the ID token of a token response.
func (c *Client) addIDToken(ctx context.Context, tokens *Tokens, raw string, want idtoken.Expected) (*Tokens, error) {
	if raw == "" {
		return nil, fail(StepIDToken, configurationError{errors.New("the token response has no id_token, expected one for the scope openid: enable OpenID Connect for this client at the server. If access tokens are enough, request no openid")})
	}
	want.FromTokenEndpoint = want.FromTokenEndpoint && c.hasTLS(ctx)
	token, report := c.verifier.Check(ctx, raw, want)
	if err := report.Err(); err != nil {
		return nil, fail(StepIDToken, err)
	}
	plain, err := c.decrypt(raw, c.config.DecryptionKeys) // an id_token_hint must be decrypted: OpenID Connect Core §3.1.2.1
	if err != nil {
		return nil, fail(StepIDToken, err)
	}
	tokens.IDToken, tokens.Report, tokens.IDTokenHint = token, report, plain
	if tokens.Login == nil {
		tokens.Login = token.Original()
	}
	return tokens, nil
}

// hasTLS reports whether TLS authenticates the token endpoint. On loopback the endpoint may lack
// TLS.
func (c *Client) hasTLS(ctx context.Context) bool {
	m, err := c.metadata(ctx)
	return err == nil && strings.HasPrefix(m.TokenEndpoint, "https://")
}
