package grant

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
)

// BackchannelRequest asks a user to sign in who does not use this client's browser, OpenID
// Connect CIBA Core 1.0 §7.1. Exactly one of the three hints must be set. It redacts itself in
// fmt and log/slog. Encoders return an error.
type BackchannelRequest struct {
	hidden[BackchannelRequest]

	client.TokenRequest

	// LoginHint identifies the user. LoginHintToken is a token that identifies the user.
	// IDTokenHint is an ID token of the user, as the server issued it. One of the three must be
	// set, and the others must be empty.
	LoginHint, LoginHintToken, IDTokenHint string

	// BindingMessage is shown on both devices, so that the user can compare the texts. "" shows none.
	BindingMessage string

	// UserCode is the user's secret. Some servers require it, to prevent unsolicited requests. ""
	// sends none.
	UserCode string

	// RequestedExpiry is how long the user may take, in whole seconds. 0 means the server's
	// default.
	RequestedExpiry time.Duration

	// ACRValues are the accepted authentication context classes, in order of preference. The ID
	// token must contain one of them. Empty means that acr is not checked.
	ACRValues []string

	// Ping says that the client is registered for the ping mode: the server notifies a
	// PingHandler when the user has answered. False means the poll mode.
	Ping bool
}

// Backchannel is a login while the user is asked on another device. It encodes as plain JSON for
// the application to store. It holds secrets, and redacts itself in fmt and log/slog.
type Backchannel struct {
	unprinted[Backchannel]

	Issuer            string        `json:"issuer"`                              // the server's issuer identifier
	ClientID          string        `json:"client_id"`                           // of this client
	AuthReqID         string        `json:"auth_req_id"`                         // the auth_req_id of the response (CIBA §7.3); a secret
	NotificationToken string        `json:"client_notification_token,omitempty"` // in ping mode
	Notified          bool          `json:"notified,omitempty"`                  // the server has reported that the tokens are ready
	Expiry            time.Time     `json:"expiry"`                              // when the server stops waiting for the user
	Interval          time.Duration `json:"interval_ns"`                         // minimum time between two polls, encoded in nanoseconds
	Scopes            []string      `json:"scopes,omitempty"`                    // the requested scopes
	Resources         []string      `json:"resources,omitempty"`                 // the requested resources, RFC 8707 §2
	ACRValues         []string      `json:"acr_values,omitempty"`                // the requested acr_values
	DPoPKey           string        `json:"dpop_key,omitempty"`                  // the key of this login: PKCS #8, base64
}

// StepBackchannel is the step in which the server is requested to ask the user.
const StepBackchannel client.Step = "backchannel authentication request"

// BeginBackchannel makes the server ask the user. The scope must contain openid, and the client
// must authenticate. With Config.RequestObject the request is signed (CIBA Core §7.1.1). The poll
// and ping modes are supported. The push mode is not.
//
// Every error is a [*client.Error]. errors.Is finds [client.ErrNoEndpoint] if the server's metadata
// has no endpoint for this. Codes of the server (CIBA Core §13):
//
//   - "unknown_user_id", "expired_login_hint_token": the hint identifies no user.
//   - "missing_user_code", "invalid_user_code", "invalid_binding_message": change these fields of
//     req.
//   - "access_denied": a policy of the server or of the user does not allow the request.
//   - "invalid_request", "invalid_client", "unauthorized_client", "invalid_scope": compare the
//     client with its registration.
//
// Other codes of the server are returned unchanged. The code is "temporarily_unavailable" if the
// server did not answer, and "login_failed" if a setting, req or the response is wrong.
func BeginBackchannel(ctx context.Context, c *client.Client, req BackchannelRequest) (*Backchannel, error) {
	b, err := newBackchannel(c, &req)
	if err != nil {
		return nil, client.NewError(StepBackchannel, err)
	}
	form, err := req.form(ctx, c, b)
	if err != nil {
		return nil, client.NewError(StepBackchannel, err)
	}
	var answer backchannelResponse
	err = c.PostForm(ctx, StepBackchannel, func(m *discovery.Metadata) string { return m.BackchannelAuthenticationEndpoint }, form, &answer)
	if err != nil {
		return nil, err
	}
	if err := answer.fill(b, c.Config().Now()); err != nil {
		return nil, client.NewError(StepBackchannel, err)
	}
	return b, nil
}

func newBackchannel(c *client.Client, req *BackchannelRequest) (*Backchannel, error) {
	if isPublic(c) {
		return nil, errors.New("a public client cannot start a login on another device with CIBA: set Config.Auth")
	}
	if err := errors.Join(req.check(), req.checkProfile(c.Config().Profile)); err != nil {
		return nil, err
	}
	kept, err := c.NewDPoPKey()
	b := &Backchannel{Issuer: c.Issuer(), ClientID: c.Config().ClientID, ACRValues: slices.Clone(req.ACRValues), Resources: slices.Clone(req.Resources), DPoPKey: kept}
	if req.Ping {
		b.NotificationToken = rand.Text() + rand.Text() // 260 bits
	}
	return b, err
}

// checkProfile applies FAPI-CIBA §5.2.3 to a login on another device: the user must see what the
// request is about.
func (r *BackchannelRequest) checkProfile(p client.Profile) error {
	if p == client.FAPICIBA && r.BindingMessage == "" && r.AuthorizationDetails == nil && len(r.Extra) == 0 {
		return errors.New("the profile FAPI-CIBA requires BindingMessage, AuthorizationDetails or Extra, which describe what the user allows")
	}
	return nil
}

// check checks the request without its scopes, which form checks.
func (r *BackchannelRequest) check() error {
	hints := 0
	for _, hint := range []string{r.LoginHint, r.LoginHintToken, r.IDTokenHint} {
		if hint != "" {
			hints++
		}
	}
	if hints != 1 {
		return fmt.Errorf("%d of LoginHint, LoginHintToken and IDTokenHint are set, expected exactly one", hints)
	}
	if r.RequestedExpiry < 0 || r.RequestedExpiry%time.Second != 0 {
		return fmt.Errorf("RequestedExpiry is %g seconds, expected a whole number, 0 or more", r.RequestedExpiry.Seconds())
	}
	return nil
}

// form returns the parameters, or the request object that replaces them.
func (r *BackchannelRequest) form(ctx context.Context, c *client.Client, b *Backchannel) (url.Values, error) {
	form, scopes, err := loginForm(c, r.TokenRequest)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(scopes, "openid") {
		return nil, errors.New("the scopes do not contain openid: add it to BackchannelRequest.Scopes")
	}
	b.Scopes = scopes
	r.addTo(form)
	setGiven(form, "client_notification_token", b.NotificationToken)
	return c.PackRequest(ctx, form)
}

// setGiven sets a parameter if its value is not empty.
func setGiven(form url.Values, name, value string) {
	if value != "" {
		form.Set(name, value)
	}
}

func (r *BackchannelRequest) addTo(form url.Values) {
	setGiven(form, "login_hint", r.LoginHint)
	setGiven(form, "login_hint_token", r.LoginHintToken)
	setGiven(form, "id_token_hint", r.IDTokenHint)
	setGiven(form, "binding_message", r.BindingMessage)
	setGiven(form, "user_code", r.UserCode)
	setGiven(form, "acr_values", strings.Join(r.ACRValues, " "))
	if r.RequestedExpiry > 0 {
		form.Set("requested_expiry", strconv.Itoa(int(r.RequestedExpiry/time.Second)))
	}
}

// backchannelResponse is the response of CIBA Core §7.3.
type backchannelResponse struct {
	AuthReqID string          `json:"auth_req_id"`
	ExpiresIn json.RawMessage `json:"expires_in"`
	Interval  json.RawMessage `json:"interval"`
}

func (r *backchannelResponse) fill(b *Backchannel, now time.Time) (err error) {
	if r.AuthReqID == "" || !printable(r.AuthReqID) {
		return errors.New("auth_req_id in the response is missing or contains a character that is not printable ASCII")
	}
	b.AuthReqID = r.AuthReqID
	b.Expiry, b.Interval, err = pollTimes(now, r.ExpiresIn, r.Interval)
	return err
}

// FinishBackchannel waits for the user and returns the tokens, CIBA Core §10.1. It asks at the
// server's interval until the user has answered, the request has expired, or ctx ends. After a ping
// it asks at once. The ID token is validated as that of a login without nonce.
//
// Every error is a [*client.Error]. Codes of the server (CIBA Core §11, RFC 6749 §5.2):
// "access_denied" if the user denied the login, "expired_token", "invalid_grant", "invalid_client",
// "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request". Other codes
// of the server are returned unchanged, except "authorization_pending" and "slow_down", after which
// the polling continues. It also continues while the server does not answer. If ctx ends, errors.Is
// finds its error, and the code is "temporarily_unavailable" for a deadline. The code is
// "login_failed" for everything else.
func FinishBackchannel(ctx context.Context, c *client.Client, b *Backchannel) (*client.Tokens, error) {
	if err := checkBackchannel(c, b); err != nil {
		return nil, client.NewError(StepBackchannel, err)
	}
	if err := checkKey(c, b.DPoPKey); err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	p := &poll{grant: client.Grant{
		Type: "urn:openid:params:grant-type:ciba", Form: url.Values{"auth_req_id": {b.AuthReqID}},
		Scopes: b.Scopes, Resources: b.Resources, DPoPKey: b.DPoPKey, IDToken: &idtoken.Expected{ACRValues: b.ACRValues}, Check: accept,
	}, interval: max(b.Interval, minInterval), expiry: b.Expiry, atOnce: b.Notified}
	tokens, err := p.run(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := b.checkClaim(tokens.IDToken); err != nil {
		return nil, client.NewError(client.StepIDToken, err)
	}
	return tokens, nil
}

// checkClaim checks the claim if it is present. Only the push mode requires it (CIBA Core
// §10.3.1).
func (b *Backchannel) checkClaim(t *idtoken.Token) error {
	var claims struct {
		AuthReqID *string `json:"urn:openid:params:jwt:claim:auth_req_id"`
	}
	if err := t.Claims(&claims); err != nil {
		return err
	}
	if claims.AuthReqID != nil && *claims.AuthReqID != b.AuthReqID {
		return errors.New("auth_req_id in the ID token does not match this login")
	}
	return nil
}

func checkBackchannel(c *client.Client, b *Backchannel) error {
	switch {
	case b == nil || b.AuthReqID == "":
		return errors.New("no login is under way: start one, or pass the stored login")
	case !began(c, b.Issuer, b.ClientID):
		return errBegunElsewhere
	case !slices.Contains(b.Scopes, "openid"):
		return errors.New("the scopes do not contain openid: add it to BackchannelRequest.Scopes")
	}
	return nil
}
