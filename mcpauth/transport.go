package mcpauth

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
)

// HTTPClient returns the client for StreamableClientTransport.HTTPClient. It adds the access
// token to each request, and a DPoP proof if the token is bound to a key. A request to another
// URL than the MCP server's fails. Redirects are not followed.
func (h *Handler) HTTPClient() *http.Client {
	h.proves.Store(true)
	return &http.Client{
		Transport:     roundTripper{h},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type roundTripper struct{ handler *Handler }

// RoundTrip implements http.RoundTripper.
func (t roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(r)
	if err != nil && r.Body != nil {
		r.Body.Close()
	}
	return resp, err
}

func (t roundTripper) roundTrip(r *http.Request) (*http.Response, error) {
	if err := t.handler.bind(r.URL); err != nil {
		return nil, err
	}
	s := t.handler.open(r.Context())
	if s == nil {
		return t.send(r, r.Body, nil, nil)
	}
	issued, err := s.source().Tokens(r.Context())
	switch {
	case errors.Is(err, tokens.ErrLoginRequired): // the MCP server's challenge starts the login
		return t.send(r, r.Body, nil, nil)
	case err != nil:
		return nil, err
	}
	resp, err := t.send(r, r.Body, s, issued)
	if err != nil || !wantsNonce(resp, s) {
		return resp, err
	}
	body, ok := again(r)
	if !ok {
		return resp, nil
	}
	io.CopyN(io.Discard, resp.Body, 4<<10)
	resp.Body.Close()
	resp, err = t.send(r, body, s, issued)
	if err == nil {
		s.client.SaveDPoPNonce(resp)
	}
	return resp, err
}

// wantsNonce saves the nonce of a response, and reports whether the request failed without it
// (RFC 9449 §9).
func wantsNonce(resp *http.Response, s *session) bool {
	learned := s.client.SaveDPoPNonce(resp)
	challenge := tokens.ReadChallenge(resp)
	return learned && challenge != nil && challenge.Code == tokens.UseDPoPNonce
}

// send sends a copy of r. Without tokens it has no Authorization header.
func (t roundTripper) send(r *http.Request, body io.ReadCloser, s *session, issued *client.Tokens) (*http.Response, error) {
	out := r.Clone(r.Context())
	out.Body = body
	out.Header.Del("Authorization")
	out.Header.Del("DPoP")
	if issued != nil {
		if err := s.client.Authorize(out, issued); err != nil {
			return nil, err
		}
	}
	resp, err := t.handler.config.transport().RoundTrip(out)
	if err == nil {
		resp.Request = out // Authorize reads from it which token was rejected
	}
	return resp, err
}

// again returns the body of r for another try, if it can be read twice.
func again(r *http.Request) (io.ReadCloser, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r.Body, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	return body, err == nil
}

// isDPoP reports whether tokens are bound to a key.
func isDPoP(t *client.Tokens) bool { return strings.EqualFold(t.TokenType, "DPoP") }
