// Package endpoint is the one way out: every HTTP request of the module goes
// through it. A call has a deadline that covers the body, a limit on what is
// read after decompression, no redirects, and https except on loopback. What a
// server says ends up in typed errors, cleaned and capped; what was sent to it
// (secrets, codes, verifiers, tokens) never does.
package endpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
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

// defaultTransport is http.DefaultTransport with a shorter wait for a connection.
var defaultTransport = func() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DialContext = dial
	t.TLSHandshakeTimeout = connectTimeout
	t.MaxIdleConnsPerHost = 16
	return t
}()

// bounded is the caller's client with the limits that are ours: no redirects (they
// would carry the form, or the token, to another place) and no cookies.
func (c Client) bounded() *http.Client {
	out := http.Client{Transport: defaultTransport}
	if c.HTTP != nil {
		out = *c.HTTP
	}
	if out.Transport == nil {
		out.Transport = defaultTransport
	}
	out.Jar = nil
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &out
}

// Do sends one request and reads at most max bytes of the answer. An answer of
// any status but a redirect is given back for the caller to judge.
func (c Client) Do(ctx context.Context, r *http.Request, max int) (*Response, error) {
	if err := CheckURL(r.URL.String()); err != nil {
		return nil, &Error{URL: location(r.URL), Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if viaProxy(r) {
		ctx = For(ctx, "")
	}
	resp, err := c.bounded().Do(r.WithContext(ctx))
	if err != nil {
		return nil, transportError(ctx, r.URL, err)
	}
	defer resp.Body.Close()
	return read(ctx, r.URL, resp, max)
}

func read(ctx context.Context, u *url.URL, resp *http.Response, max int) (*Response, error) {
	out := &Response{URL: location(u), Status: resp.StatusCode, Header: resp.Header, MediaType: mediaType(resp.Header)}
	fail := func(err error) (*Response, error) {
		return nil, &Error{URL: out.URL, Status: out.Status, RetryAfter: retryAfter(out.Header), Err: err}
	}
	if out.Status >= 300 && out.Status < 400 {
		return fail(errors.New("the server redirects; redirects are not followed"))
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") && !resp.Uncompressed {
		return fail(errors.New("the body has a content encoding that nobody asked for"))
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(max)+1))
	if err != nil {
		return nil, transportError(ctx, u, err)
	}
	if len(body) > max {
		return fail(fmt.Errorf("the body is larger than %d bytes", max))
	}
	out.Body = body
	return out, nil
}

// PostForm posts a form. auth, which may be nil for a form that needs no more,
// completes it last. POSTs are never repeated.
func (c Client) PostForm(ctx context.Context, u string, auth Authenticator, form url.Values, accept string) (*Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u, nil)
	if err != nil {
		return nil, &Error{Err: errors.New("the endpoint's URL is malformed")}
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
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

// IsEmpty tells whether the body has nothing in it.
func (r *Response) IsEmpty() bool { return len(bytes.TrimSpace(r.Body)) == 0 }

// CheckURL reports an error unless u is an absolute URL that a call may go to:
// https, or http on loopback, without user info and without fragment.
func CheckURL(u string) error {
	p, err := url.Parse(u)
	switch {
	case err != nil || p.Host == "" || p.Hostname() == "":
		return errors.New("not an absolute URL")
	case p.User != nil:
		return errors.New("a URL with user info")
	case p.Fragment != "" || strings.Contains(u, "#"):
		return errors.New("a URL with a fragment")
	}
	return CheckScheme(p)
}

// CheckScheme is CheckURL for a request's URL: it looks at where it leads alone.
func CheckScheme(u *url.URL) error {
	switch {
	case u == nil || u.Hostname() == "":
		return errors.New("not an absolute URL")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	}
	return errors.New("not an https URL (http is taken on loopback alone)")
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
