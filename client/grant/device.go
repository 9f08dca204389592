package grant

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
)

// Device is a login on a device without a browser. The user allows it on another device. Show
// UserCode and VerificationURI, and VerificationURIComplete as a QR code if it is set. The user
// compares the code with the one on the server's page. Otherwise the user could sign in another
// person's device (RFC 8628 §5.4). All three are safe for a terminal. In a page they must still be
// escaped.
//
// It encodes as plain JSON for the application to store. DeviceCode and DPoPKey are secrets, and it
// redacts itself in fmt and log/slog.
type Device struct {
	unprinted[Device]

	Issuer                  string        `json:"issuer"`                              // the server's issuer identifier
	ClientID                string        `json:"client_id"`                           // of this client
	DeviceCode              string        `json:"device_code"`                         // for the token request; a secret
	UserCode                string        `json:"user_code"`                           // what the user enters or compares
	VerificationURI         string        `json:"verification_uri"`                    // where the user enters the code
	VerificationURIComplete string        `json:"verification_uri_complete,omitempty"` // contains the code; "" if the server sent none
	Expiry                  time.Time     `json:"expiry"`                              // when the codes expire
	Interval                time.Duration `json:"interval_ns"`                         // minimum time between two polls, encoded in nanoseconds
	Scopes                  []string      `json:"scopes,omitempty"`                    // the requested scopes
	Resources               []string      `json:"resources,omitempty"`                 // the requested resources, RFC 8707 §2
	DPoPKey                 string        `json:"dpop_key,omitempty"`                  // the key of this login: PKCS #8, base64
}

// StepDevice is the step that requests the codes.
const StepDevice client.Step = "device authorization request"

// BeginDevice gets a code that the user enters on another device, RFC 8628 §3.1. Show it, then call
// [FinishDevice].
//
// Every error is a [*client.Error]. errors.Is finds [client.ErrNoEndpoint] if the server's metadata
// has no endpoint for this. Codes of the server (RFC 8628 §3.2): "invalid_client",
// "unauthorized_client", "invalid_scope", "invalid_request". Other codes of the server are returned
// unchanged. The code is "temporarily_unavailable" if the server did not answer, and
// "login_failed" if a setting, req or the response is wrong.
func BeginDevice(ctx context.Context, c *client.Client, req client.TokenRequest) (*Device, error) {
	form, scopes, err := loginForm(c, req)
	if err != nil {
		return nil, client.NewError(StepDevice, err)
	}
	form.Set("client_id", c.Config().ClientID) // some servers look for it beside an Authorization header too
	var answer deviceResponse
	err = c.PostForm(ctx, StepDevice, func(m *discovery.Metadata) string { return m.DeviceAuthorizationEndpoint }, form, &answer)
	if err != nil {
		return nil, err
	}
	d, err := answer.device(c.Config().Now())
	if err != nil {
		return nil, client.NewError(StepDevice, err)
	}
	d.Issuer, d.ClientID, d.Scopes, d.Resources = c.Issuer(), c.Config().ClientID, scopes, slices.Clone(req.Resources)
	if d.DPoPKey, err = c.NewDPoPKey(); err != nil {
		return nil, client.NewError(StepDevice, err)
	}
	return d, nil
}

// loginForm returns the form of a login on another device, and its scopes.
func loginForm(c *client.Client, req client.TokenRequest) (url.Values, []string, error) {
	if req.Scopes == nil {
		req.Scopes = c.Config().Scopes
	}
	form, err := req.Form()
	return form, slices.Clone(req.Scopes), err
}

// FinishDevice waits for the user and returns the tokens, RFC 8628 §3.4. It asks at the server's
// interval until the user has answered, the code has expired, or ctx ends. An ID token is validated
// as that of a login without nonce. It is required if the scope was openid.
//
// Every error is a [*client.Error]. Codes of the server (RFC 8628 §3.5, RFC 6749 §5.2):
// "access_denied" if the user denied the login, "expired_token", "invalid_grant", "invalid_client",
// "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_request". Other codes
// of the server are returned unchanged, except "authorization_pending" and "slow_down", after which
// the polling continues. It also continues while the server does not answer. If ctx ends, errors.Is
// finds its error, and the code is "temporarily_unavailable" for a deadline. The code is
// "login_failed" for everything else.
func FinishDevice(ctx context.Context, c *client.Client, d *Device) (*client.Tokens, error) {
	if err := checkDevice(c, d); err != nil {
		return nil, client.NewError(StepDevice, err)
	}
	if err := checkKey(c, d.DPoPKey); err != nil {
		return nil, client.NewError(client.StepToken, err)
	}
	grant := client.Grant{
		Type: "urn:ietf:params:oauth:grant-type:device_code", Form: url.Values{"device_code": {d.DeviceCode}},
		Scopes: d.Scopes, Resources: d.Resources, DPoPKey: d.DPoPKey, Check: accept,
	}
	if slices.Contains(d.Scopes, "openid") {
		grant.IDToken = &idtoken.Expected{}
	}
	p := &poll{grant: grant, interval: max(d.Interval, minInterval), expiry: d.Expiry}
	return p.run(ctx, c)
}

func checkDevice(c *client.Client, d *Device) error {
	switch {
	case d == nil || d.DeviceCode == "":
		return errors.New("no login is under way: start one, or pass the stored login")
	case !began(c, d.Issuer, d.ClientID):
		return errBegunElsewhere
	}
	return nil
}

// checkKey requires a stored login to have the key that was created for it.
func checkKey(c *client.Client, key string) error {
	if own := c.Config().DPoP; own != nil && own.Keys == nil && key == "" {
		return errors.New("the stored login has no DPoP key, and Config.DPoP.Keys is nil: start the login again")
	}
	return nil
}

var errBegunElsewhere = errors.New("another client began this login: check Config.Issuer and Config.ClientID")

// began reports whether a stored login was begun by this client.
func began(c *client.Client, issuer, clientID string) bool {
	own := c.Config()
	return issuer == own.Issuer && clientID == own.ClientID && clientID != ""
}

// deviceResponse is the response of RFC 8628 §3.2.
type deviceResponse struct {
	DeviceCode              string          `json:"device_code"`
	UserCode                string          `json:"user_code"`
	VerificationURI         string          `json:"verification_uri"`
	VerificationURL         string          `json:"verification_url"` // Google's name for it
	VerificationURIComplete string          `json:"verification_uri_complete"`
	ExpiresIn               json.RawMessage `json:"expires_in"`
	Interval                json.RawMessage `json:"interval"`
}

const (
	maxUserCode = 64 // characters; RFC 8628 §6.1 has eight
	maxShownURL = 2 << 10
)

// device returns the login if every value of the response is valid. Values that are shown to a
// user must be printable ASCII, so that they cannot control a terminal or mislead the user.
func (r *deviceResponse) device(now time.Time) (*Device, error) {
	d := &Device{
		DeviceCode: r.DeviceCode, UserCode: r.UserCode,
		VerificationURI: cmp.Or(r.VerificationURI, r.VerificationURL), VerificationURIComplete: r.VerificationURIComplete,
	}
	if d.DeviceCode == "" || !printable(d.DeviceCode) {
		return nil, errors.New("device_code in the response is missing or contains a character that is not printable ASCII")
	}
	if strings.TrimSpace(d.UserCode) == "" || len(d.UserCode) > maxUserCode || !visible(strings.ReplaceAll(d.UserCode, " ", "")) {
		return nil, errors.New("user_code in the response is missing, too long or contains characters that a user cannot type")
	}
	if err := checkShownURL("verification_uri", d.VerificationURI); err != nil {
		return nil, err
	}
	if d.VerificationURIComplete != "" {
		if err := checkShownURL("verification_uri_complete", d.VerificationURIComplete); err != nil {
			return nil, err
		}
	}
	var err error
	d.Expiry, d.Interval, err = pollTimes(now, r.ExpiresIn, r.Interval)
	return d, err
}

// checkShownURL accepts https, and http on loopback, because the user signs in there.
func checkShownURL(name, u string) error {
	if len(u) > maxShownURL || !visible(u) {
		return fmt.Errorf("%s in the response is too long or contains a character that is not allowed in URLs", name)
	}
	if err := discovery.CheckURL(u); err != nil {
		return fmt.Errorf("%s is %w", name, err)
	}
	return nil
}

// printable reports whether s consists of VSCHAR (RFC 6749 appendix A).
func printable(s string) bool { return consistsOf(s, 0x20) }

// visible reports whether s consists of visible ASCII.
func visible(s string) bool { return consistsOf(s, 0x21) }

func consistsOf(s string, lowest byte) bool {
	for i := range len(s) {
		if s[i] < lowest || s[i] > 0x7e {
			return false
		}
	}
	return true
}
