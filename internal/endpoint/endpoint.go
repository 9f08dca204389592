// Package endpoint is the one way out: every HTTP request of the module goes
// through it. A call has a deadline that covers the body, a limit on what is
// read after decompression, no redirects, and https except on loopback. What a
// server says ends up in typed errors, cleaned and capped; what was sent to it
// (secrets, codes, verifiers, tokens) never does.
package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Limits of a call.
const (
	Timeout        = 10 * time.Second // a whole call, body included
	connectTimeout = 5 * time.Second
	MaxDocument    = 1 << 20   // bytes of a JSON document
	MaxKeySet      = 512 << 10 // bytes of a JWK Set
)

// Response is a call's answer, read whole.
type Response struct {
	URL       string // of the endpoint, without query, fit for a log
	Status    int
	Header    http.Header
	MediaType string // lower case, without parameters; "" when missing or malformed
	Body      []byte

	secrets []string // what was sent and must not come back in an error
}

// Authenticator adds a client's authentication to a form that is about to be
// posted: to the request's header, or to the form.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Client sends the calls of one user of the module. The zero value is ready.
type Client struct {
	HTTP *http.Client // its Transport is used; nil means one of our own
}

// bounded is the caller's client with the module's limits: no redirects (they
// would carry the form, or the token, to another place) and no cookies.
func (c Client) bounded() http.Client {
	out := http.Client{}
	if c.HTTP != nil {
		out = *c.HTTP
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// Do sends one request and reads at most max bytes of the answer. An answer of
// any status but a redirect is given back for the caller to judge. Where the request may
// go is for the Policy of ctx to say.
func (c Client) Do(ctx context.Context, r *http.Request, max int) (*Response, error) {
	policy, _ := ctx.Value(policyKey{}).(Policy)
	if err := policy.CheckURL(r.URL.String()); err != nil {
		return nil, &Error{URL: location(r.URL), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	resp, err := c.send(ctx, policy, r)
	if err != nil {
		return nil, transportError(ctx, r.URL, err)
	}
	defer resp.Body.Close()
	return read(ctx, r, resp, max)
}

func (c Client) send(ctx context.Context, policy Policy, r *http.Request) (*http.Response, error) {
	hc := c.bounded()
	way, err := policy.route(r, cmp.Or[http.RoundTripper](hc.Transport, openTransport))
	if err != nil {
		return nil, err
	}
	if hc.Transport == nil {
		hc.Transport = guardedTransport
		if way.private {
			hc.Transport = openTransport
		}
	}
	return hc.Do(r.WithContext(context.WithValue(ctx, routeKey{}, way)))
}

func read(ctx context.Context, r *http.Request, resp *http.Response, max int) (*Response, error) {
	out := &Response{URL: location(r.URL), Status: resp.StatusCode, Header: resp.Header, MediaType: mediaType(resp.Header)}
	fail := func(err error) (*Response, error) {
		return nil, &Error{URL: out.URL, Status: out.Status, RetryAfter: retryAfter(out.Header), Err: err}
	}
	if out.Status >= 300 && out.Status < 400 {
		return fail(errors.New("the server redirects to " + target(r, resp) + "; redirects are not followed: configure the address that it redirects to"))
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") && !resp.Uncompressed {
		return fail(errors.New("the body has a content encoding that was not requested"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(max)+1))
	if err != nil {
		return nil, transportError(ctx, r.URL, err)
	}
	if len(body) > max {
		return fail(fmt.Errorf("the body is larger than %d bytes", max))
	}
	out.Body = body
	return out, nil
}

// target is where a response redirects to, fit for a log: no query, and nothing that was sent.
func target(r *http.Request, resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "an address that it does not name"
	}
	return redact(location(u), secretsOf(r, formOf(r)))
}

// formOf reads the form that r was sent with.
func formOf(r *http.Request) url.Values {
	if r.GetBody == nil || r.Header.Get("Content-Type") != formType {
		return nil
	}
	body, err := r.GetBody()
	if err != nil {
		return nil
	}
	raw, _ := io.ReadAll(body)
	form, _ := url.ParseQuery(string(raw))
	return form
}

const formType = "application/x-www-form-urlencoded"

// PostForm posts a form. auth, which may be nil for a form that needs no more,
// completes it last. POSTs are never repeated.
func (c Client) PostForm(ctx context.Context, u string, auth Authenticator, form url.Values, accept string) (*Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return nil, &Error{Err: errors.New("the endpoint's URL is malformed")}
	}
	r.Header.Set("Content-Type", formType)
	r.Header.Set("Accept", accept)
	if auth != nil {
		if err := auth.Authenticate(r, form); err != nil {
			return nil, &Error{URL: location(r.URL), Err: fmt.Errorf("client authentication: %w", err)}
		}
	}
	setBody(r, form.Encode())
	resp, err := c.Do(ctx, r, MaxDocument)
	if resp != nil {
		resp.secrets = secretsOf(r, form)
	}
	return resp, err
}

// setBody lets net/http send the body again over another connection where the server
// has said that it did not look at the request (HTTP/2's GOAWAY and REFUSED_STREAM,
// RFC 9113 §8.7); it repeats no POST for another reason.
func setBody(r *http.Request, body string) {
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
}

// open are the fields of a form that anybody may see.
var open = []string{"client_id", "redirect_uri", "grant_type", "scope", "resource", "response_type", "client_assertion_type", "token_type_hint"}

// secretsOf are the values in a request that must not come back in an error.
func secretsOf(r *http.Request, form url.Values) []string {
	var out []string
	for name, values := range form {
		if !slices.Contains(open, name) {
			out = append(out, values...)
		}
	}
	if _, password, ok := r.BasicAuth(); ok {
		plain, _ := url.QueryUnescape(password)
		out = append(out, password, plain)
	}
	_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return append(out, token, r.Header.Get("DPoP"))
}

func mediaType(h http.Header) string {
	m, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return m
}

// IsJSON tells whether the answer says that it is JSON.
func (r *Response) IsJSON() bool {
	return r.MediaType == "application/json" || strings.HasPrefix(r.MediaType, "application/") && strings.HasSuffix(r.MediaType, "+json")
}

// IsUntyped tells whether the answer says nothing about its content: files in a bucket
// have no Content-Type, or application/octet-stream.
func (r *Response) IsUntyped() bool {
	return r.Header.Get("Content-Type") == "" || r.MediaType == "application/octet-stream"
}

// NotJSON is the error for an answer of another Content-Type.
func (r *Response) NotJSON() error { return r.NotOfType("application/json") }

// NotOfType is NotJSON for another type that was expected.
func (r *Response) NotOfType(expected string) error {
	if r.Header.Get("Content-Type") == "" {
		return fmt.Errorf("the answer has no Content-Type, expected %s", expected)
	}
	return fmt.Errorf("the answer's Content-Type is %s, expected %s", jose.Quote(r.Header.Get("Content-Type")), expected)
}

// IsEmpty tells whether the body has nothing in it.
func (r *Response) IsEmpty() bool { return len(bytes.TrimSpace(r.Body)) == 0 }
