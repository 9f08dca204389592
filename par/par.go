// Package par pushes authorization requests, RFC 9126. The client authenticates and sends the
// request directly to the server. It receives a reference, which replaces the request in the
// browser's address.
package par

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/redact"
)

// Authenticator adds the client's authentication to the request's header or to
// the form, RFC 6749 §2.3.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

type hidden[T any] = redact.All[T]

// Pushed is the server's response, RFC 9126 §2.2. It redacts itself in fmt and log/slog,
// because anyone with RequestURI can start the login. Encoders such as encoding/json return an error.
type Pushed struct {
	hidden[Pushed]

	// RequestURI refers to the request and can be used once. It is an opaque string: many
	// servers send a URN, others do not.
	RequestURI string

	// ExpiresIn is how long RequestURI is valid, starting now.
	ExpiresIn time.Duration

	// DPoPNonce is the nonce for the next DPoP proof (RFC 9449 §8.2). "" means that the
	// response has none, or an ambiguous one.
	DPoPNonce string
}

// Error reports a push that failed. Code, Description and URI come from the server, as in RFC
// 6749 §5.2. They are sanitized and limited in length.
type Error struct {
	Code, Description, URI string        // members error, error_description and error_uri; "" if the response was malformed
	Status                 int           // HTTP status, 0 if there was no response
	RetryAfter             time.Duration // from the server's Retry-After, 0 if it sent none
	Err                    error         // for the log
}

func (e *Error) Error() string { return "par: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same call may succeed later.
func (e *Error) Temporary() bool {
	var t interface{ Temporary() bool }
	return errors.As(e.Err, &t) && t.Temporary()
}

const (
	maxLifetime   = 24 * time.Hour
	maxRequestURI = 2 << 10 // characters, because it becomes part of the browser's address
)

// Push posts the authorization request in form to the pushed authorization request endpoint u (RFC
// 9126 §2.1). form must contain client_id; it is not changed. hc may be nil. auth may be nil for a
// public client. Push does not repeat the request, and does not fall back to a request that is not
// pushed.
//
// Every error is an [*Error]. Code is from the server (RFC 9126 §2.3):
//
//   - "invalid_request": a parameter is missing or wrong, or the redirect_uri is not
//     registered.
//   - "invalid_client": check the client ID, the secret or the key.
//   - "unauthorized_client", "unsupported_response_type", "access_denied": the client's
//     registration or a policy of the server does not allow the request.
//   - "invalid_scope", "invalid_target": the scope or the resource is unknown, or not allowed
//     for the client.
//   - "server_error", "temporarily_unavailable": the server failed.
//   - "invalid_request_object": the server rejects the signed request. Check the key, Audience
//     and Typ.
//   - "use_dpop_nonce": repeat the request with the nonce of the response.
//
// Other codes of the server are returned unchanged, but see package client for
// "invalid_error_code". Code is "" if the server did not answer, or if its response is not an OAuth
// error. Then check Status and Temporary.
func Push(ctx context.Context, hc *http.Client, u string, auth Authenticator, form url.Values) (*Pushed, error) {
	if form.Has("request_uri") { // RFC 9126 §2.1
		return nil, &Error{Err: errors.New("the form contains request_uri, which must not be pushed: remove it")}
	}
	resp, err := endpoint.Client{HTTP: hc}.PostForm(ctx, u, auth, clone(form), "application/json")
	if err != nil {
		return nil, wrap(err)
	}
	if resp.Status != http.StatusCreated && resp.Status != http.StatusOK {
		return nil, wrap(resp.Failure("the server rejected the pushed request"))
	}
	pushed, err := parse(resp)
	if errors.Is(err, errInBody) {
		return nil, wrap(resp.Failure(err.Error()))
	}
	if err != nil {
		return nil, wrap(resp.Refuse(err))
	}
	return pushed, nil
}

var errInBody = errors.New("the response has a success status and contains an error")

func parse(resp *endpoint.Response) (*Pushed, error) {
	var body struct {
		RequestURI string         `json:"request_uri"`
		ExpiresIn  jsontext.Value `json:"expires_in"`
		Error      *string        `json:"error"`
	}
	if !resp.IsJSON() {
		return nil, resp.NotJSON()
	}
	if err := jose.Decode(resp.Body, &body, jose.DocumentLimits); err != nil {
		return nil, err
	}
	if body.Error != nil {
		return nil, errInBody
	}
	if body.RequestURI == "" || len(body.RequestURI) > maxRequestURI || strings.IndexFunc(body.RequestURI, notVisible) >= 0 {
		return nil, errors.New("request_uri in the response is missing or malformed: correct the server, or do not push requests (Config.PAR)")
	}
	lifetime, err := seconds(body.ExpiresIn)
	if err != nil {
		return nil, err
	}
	out := &Pushed{RequestURI: body.RequestURI, ExpiresIn: lifetime}
	if nonces := resp.Header.Values("DPoP-Nonce"); len(nonces) == 1 {
		out.DPoPNonce = nonces[0]
	}
	return out, nil
}

// seconds decodes a positive integer. It accepts a number, and also a string, which some
// servers send.
func seconds(v jsontext.Value) (time.Duration, error) {
	n, err := strconv.ParseInt(strings.Trim(string(v), `"`), 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("expires_in is %s, expected a positive integer", jose.Quote(string(v)))
	}
	return time.Duration(min(n, int64(maxLifetime/time.Second))) * time.Second, nil
}

func notVisible(r rune) bool { return r <= 0x20 || r >= 0x7f }

func clone(form url.Values) url.Values {
	out := make(url.Values, len(form))
	for name, values := range form {
		out[name] = append([]string(nil), values...)
	}
	return out
}

func wrap(err error) *Error {
	out := &Error{Err: err}
	var e *endpoint.Error
	if errors.As(err, &e) {
		out.Code, out.Description, out.URI = e.Code, e.Description, e.URI
		out.Status, out.RetryAfter = e.Status, e.RetryAfter
	}
	return out
}
