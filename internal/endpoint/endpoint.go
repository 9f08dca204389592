// Package endpoint sends every HTTP request of the module. A call has a deadline that includes
// the body, a size limit after decompression, no redirects, and https except on loopback. Texts
// of a server become typed errors, cleaned and shortened. Errors do not contain what was sent
// with PostForm, Get or SendJSON, if it has 8 characters or more: secrets, codes, verifiers or
// tokens.
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
	Timeout        = 10 * time.Second // of a whole call, including the body
	connectTimeout = 5 * time.Second
	MaxDocument    = 1 << 20   // bytes of a JSON document
	MaxKeySet      = 512 << 10 // bytes of a JWK Set
)

// Response is the response to a call, with its whole body.
type Response struct {
	URL       string // of the endpoint, without query, safe for a log
	Status    int
	Header    http.Header
	MediaType string // lower case, without parameters; "" if missing or malformed
	Body      []byte

	secrets     []string // values that were sent and that no error may contain
	credentials []string // those of them that no error may contain in any notation
}

// Authenticator adds a client's authentication to the header or the form of a request.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Client sends calls. The zero value is ready.
type Client struct {
	HTTP *http.Client // only its Transport and Timeout are used; nil means the default client of this module
}

// bounded returns the caller's client with the module's limits: no redirects, which would send
// the form or the token elsewhere, and no cookies.
func (c Client) bounded() http.Client {
	out := http.Client{}
	if c.HTTP != nil {
		out = *c.HTTP
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return out
}

// Do sends one request and reads at most max bytes of the response. It returns a response of
// any status except a redirect. The Policy in ctx decides where the request may go.
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
		return fail(errors.New("the server redirects to " + target(r, resp) + ", but redirects are not followed: configure that address"))
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") && !resp.Uncompressed {
		return fail(errors.New("the response has a Content-Encoding that was not requested"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(max)+1))
	if err != nil {
		return nil, transportError(ctx, r.URL, err)
	}
	if len(body) > max {
		return fail(fmt.Errorf("the response is larger than %d bytes, which is the maximum", max))
	}
	out.Body = body
	return out, nil
}

// target returns where a response redirects to, safe for a log: without query and without
// anything that was sent.
func target(r *http.Request, resp *http.Response) string {
	u, err := resp.Location()
	if err != nil {
		return "an unknown address (Location is missing or malformed)"
	}
	return redact(location(u), secretsOf(r, formOf(r)))
}

// formOf returns the form that r was sent with.
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

// PostForm posts a form. auth completes the form last; nil means no authentication. A POST is
// never repeated.
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
		resp.secrets, resp.credentials = secretsOf(r, form), credentialsOf(r, form)
	}
	return resp, err
}

// setBody allows net/http to send the body again over another connection, if the server has not
// processed the request. HTTP/2 says so with GOAWAY and REFUSED_STREAM (RFC 9113 §8.7). net/http
// repeats a POST for no other reason.
func setBody(r *http.Request, body string) {
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
}

// open are the fields of a form that are not secret.
var open = []string{"client_id", "redirect_uri", "grant_type", "scope", "resource", "response_type", "client_assertion_type", "token_type_hint"}

// secretsOf returns the values of a request that no error may contain.
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

// IsJSON reports whether Content-Type is JSON.
func (r *Response) IsJSON() bool {
	return r.MediaType == "application/json" || strings.HasPrefix(r.MediaType, "application/") && strings.HasSuffix(r.MediaType, "+json")
}

// IsUntyped reports whether the response has no Content-Type or application/octet-stream, as
// files in a bucket do.
func (r *Response) IsUntyped() bool {
	return r.Header.Get("Content-Type") == "" || r.MediaType == "application/octet-stream"
}

// NotJSON returns the error for a response with another Content-Type.
func (r *Response) NotJSON() error { return r.NotOfType("application/json") }

// NotOfType is NotJSON for another expected type.
func (r *Response) NotOfType(expected string) error {
	if r.Header.Get("Content-Type") == "" {
		return fmt.Errorf("the response has no Content-Type, expected %s", expected)
	}
	return fmt.Errorf("Content-Type of the response is %s, expected %s", jose.Quote(r.Header.Get("Content-Type")), expected)
}

// IsEmpty reports whether the body is empty or white space.
func (r *Response) IsEmpty() bool { return len(bytes.TrimSpace(r.Body)) == 0 }
