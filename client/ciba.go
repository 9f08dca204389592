package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
)

// BackchannelRequest asks a user who is not in this client's browser to sign in, OpenID
// Connect CIBA Core 1.0 §7.1. Exactly one of the three hints must be set. It redacts itself
// in fmt, log/slog and encoding.
type BackchannelRequest struct {
	TokenRequest

	// LoginHint names the user, LoginHintToken is a token that does, and IDTokenHint an ID
	// token of the user's, as the server issued it.
	LoginHint, LoginHintToken, IDTokenHint string

	// BindingMessage is shown on both devices, so that the user sees that they belong
	// together.
	BindingMessage string

	// UserCode is the secret that the user has given, where the server wants one against
	// requests that nobody began.
	UserCode string

	// RequestedExpiry is how long the user may take, in whole seconds. 0 leaves it to the
	// server.
	RequestedExpiry time.Duration

	// ACRValues are the authentication context classes that will do, best first. The ID
	// token must then hold one of them.
	ACRValues []string

	// Ping says that the client is registered for the ping mode: the server tells a
	// PingHandler when the user has answered. False is for the poll mode.
	Ping bool
}

// Backchannel is a login while the user is asked on another device. It is plain JSON for
// the application to keep. It holds secrets, and redacts itself in fmt and log/slog.
type Backchannel struct {
	Issuer            string        `json:"issuer"`
	ClientID          string        `json:"client_id"`
	AuthReqID         string        `json:"auth_req_id"`
	NotificationToken string        `json:"client_notification_token,omitempty"` // in ping mode
	Notified          bool          `json:"notified,omitempty"`                  // the server has said that the tokens are there
	Expiry            time.Time     `json:"expiry"`
	Interval          time.Duration `json:"interval_ns"`
	Scopes            []string      `json:"scopes,omitempty"`
	ACRValues         []string      `json:"acr_values,omitempty"`
	DPoPKey           string        `json:"dpop_key,omitempty"` // the login's own key: PKCS #8, base64
}

// BeginBackchannel has the server ask the user. The scope must have openid, and the client
// must authenticate. With Config.RequestObject the request is signed (CIBA Core §7.1.1).
// Tokens are polled for, at once after a ping if there is one; the push mode, in which
// they would come unasked, is not supported. Every error is an [*Error].
func (c *Client) BeginBackchannel(ctx context.Context, req BackchannelRequest) (*Backchannel, error) {
	b, err := c.newBackchannel(&req)
	if err != nil {
		return nil, fail(StepBackchannel, err)
	}
	form, err := c.backchannelForm(ctx, &req, b)
	if err != nil {
		return nil, fail(StepBackchannel, err)
	}
	var answer backchannelResponse
	err = c.ask(ctx, StepBackchannel, func(m *discovery.Metadata) place { return place{url: m.BackchannelAuthenticationEndpoint} }, form, &answer)
	if err != nil {
		return nil, err
	}
	if err := answer.fill(b, c.config.Now()); err != nil {
		return nil, fail(StepBackchannel, err)
	}
	return b, nil
}

func (c *Client) newBackchannel(req *BackchannelRequest) (*Backchannel, error) {
	if c.config.Auth.Name() == "none" {
		return nil, errors.New("a public client cannot ask for a login elsewhere")
	}
	if err := errors.Join(req.check(), c.config.Profile.checkBackchannel(req)); err != nil {
		return nil, err
	}
	_, kept, err := c.newKey()
	b := &Backchannel{Issuer: c.config.Issuer, ClientID: c.config.ClientID, ACRValues: slices.Clone(req.ACRValues), DPoPKey: kept}
	if req.Ping {
		b.NotificationToken = random()
	}
	return b, err
}

// check is that of the request without its scopes, which form checks.
func (r *BackchannelRequest) check() error {
	hints := 0
	for _, hint := range []string{r.LoginHint, r.LoginHintToken, r.IDTokenHint} {
		if hint != "" {
			hints++
		}
	}
	if hints != 1 {
		return fmt.Errorf("%d of LoginHint, LoginHintToken and IDTokenHint are set; it must be one", hints)
	}
	if r.RequestedExpiry < 0 || r.RequestedExpiry%time.Second != 0 {
		return fmt.Errorf("RequestedExpiry is %v, not a whole number of seconds", r.RequestedExpiry)
	}
	return nil
}

// backchannelForm gives the parameters, or those that stand for them.
func (c *Client) backchannelForm(ctx context.Context, req *BackchannelRequest, b *Backchannel) (url.Values, error) {
	form, scopes, err := c.loginForm(req.TokenRequest)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(scopes, "openid") {
		return nil, errors.New("the scope lacks openid")
	}
	b.Scopes = scopes
	req.addTo(form)
	if b.NotificationToken != "" {
		form.Set("client_notification_token", b.NotificationToken)
	}
	if c.config.RequestObject == nil {
		return form, nil
	}
	form.Set("client_id", c.config.ClientID)
	return c.pack(ctx, form)
}

func (r *BackchannelRequest) addTo(form url.Values) {
	setGiven(form, map[string]string{
		"login_hint": r.LoginHint, "login_hint_token": r.LoginHintToken, "id_token_hint": r.IDTokenHint,
		"binding_message": r.BindingMessage, "user_code": r.UserCode, "acr_values": strings.Join(r.ACRValues, " "),
	})
	if r.RequestedExpiry > 0 {
		form.Set("requested_expiry", strconv.Itoa(int(r.RequestedExpiry/time.Second)))
	}
}

// backchannelResponse is the answer of CIBA Core §7.3.
type backchannelResponse struct {
	AuthReqID string         `json:"auth_req_id"`
	ExpiresIn jsontext.Value `json:"expires_in"`
	Interval  jsontext.Value `json:"interval"`
}

func (r *backchannelResponse) fill(b *Backchannel, now time.Time) (err error) {
	if r.AuthReqID == "" || !printable(r.AuthReqID) {
		return errors.New("auth_req_id is missing, or contains a character that is not printable ASCII")
	}
	b.AuthReqID = r.AuthReqID
	b.Expiry, b.Interval, err = pollTimes(now, r.ExpiresIn, r.Interval)
	return err
}

// FinishBackchannel waits for the user and gives the tokens, CIBA Core §10.1: it asks in
// the interval that the server wants, the first time at once if the server has notified
// the client, until the user has allowed or denied it, the request has expired
// (Error.Code "expired_token"), or ctx ends. The ID token is validated as that of a login
// without nonce. Every error is an [*Error].
func (c *Client) FinishBackchannel(ctx context.Context, b *Backchannel) (*Tokens, error) {
	if err := c.checkBackchannel(b); err != nil {
		return nil, fail(StepBackchannel, err)
	}
	key, err := c.keyOf(b.DPoPKey)
	if err != nil {
		return nil, fail(StepToken, err)
	}
	response, err := c.poll(ctx, &poll{
		form: url.Values{"grant_type": {grantBackchannel}, "auth_req_id": {b.AuthReqID}},
		key:  key, interval: max(b.Interval, minInterval), expiry: b.Expiry, atOnce: b.Notified,
	})
	if err != nil {
		return nil, err
	}
	want := response.expected()
	want.ACRValues = b.ACRValues
	tokens, err := c.loginTokens(ctx, response, b.Scopes, key, want)
	if err != nil {
		return nil, err
	}
	if err := b.checkClaim(tokens.IDToken); err != nil {
		return nil, fail(StepIDToken, err)
	}
	return tokens, nil
}

// checkClaim: the push mode alone requires the claim (CIBA Core §10.3.1), but one that is
// there must be right.
func (b *Backchannel) checkClaim(t *idtoken.Token) error {
	var claims struct {
		AuthReqID *string `json:"urn:openid:params:jwt:claim:auth_req_id"`
	}
	if err := t.Claims(&claims); err != nil {
		return err
	}
	if claims.AuthReqID != nil && *claims.AuthReqID != b.AuthReqID {
		return errors.New("the ID token answers another request by its auth_req_id")
	}
	return nil
}

func (c *Client) checkBackchannel(b *Backchannel) error {
	switch {
	case b == nil || b.AuthReqID == "":
		return errors.New("there is no login under way")
	case !c.began(b.Issuer, b.ClientID):
		return errBegunElsewhere
	case !slices.Contains(b.Scopes, "openid"):
		return errors.New("the scope lacks openid")
	}
	return nil
}

// Format implements fmt.Formatter: no verb prints a secret.
func (b Backchannel) Format(f fmt.State, _ rune) { io.WriteString(f, b.redacted()) }

// LogValue implements slog.LogValuer.
func (b Backchannel) LogValue() slog.Value { return slog.StringValue(b.redacted()) }

func (b Backchannel) redacted() string {
	return fmt.Sprintf("[login elsewhere at %s until %s]", b.Issuer, b.Expiry.UTC().Format(time.RFC3339))
}

// Format implements fmt.Formatter: no verb prints a hint or a code.
func (r BackchannelRequest) Format(f fmt.State, _ rune) { io.WriteString(f, r.redacted()) }

// LogValue implements slog.LogValuer.
func (r BackchannelRequest) LogValue() slog.Value { return slog.StringValue(r.redacted()) }

// MarshalText implements encoding.TextMarshaler without hints and codes.
func (r BackchannelRequest) MarshalText() ([]byte, error) { return []byte(r.redacted()), nil }

func (r BackchannelRequest) redacted() string {
	return fmt.Sprintf("[request for a login elsewhere, scope %q]", r.Scopes)
}
