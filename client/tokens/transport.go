package tokens

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/endpoint"
)

// Transport is an http.RoundTripper that adds access tokens to requests to APIs, as bearer tokens
// or with a DPoP proof for each request. A response with a challenge becomes a [*ChallengeError],
// which errors.As finds. If the API only requires a new token or a new nonce, Transport first sends
// the request again. It does so once for each of the two, and only if the body can be sent again.
//
// A Transport is safe for concurrent use, and must not be copied.
type Transport struct {
	// Client creates the proofs. It must be set.
	Client *client.Client

	// Tokens provides the tokens: Refresher.Source or NewSource. It must be set.
	Tokens Source

	// Origins are the only origins that tokens are sent to, such as "https://api.example". A
	// redirect to another origin is followed without the token, even if it leads back. Any other
	// request to another origin is rejected. It must be set. A host name with letters that are
	// not ASCII and its xn-- form are two origins here.
	Origins []string

	// Base sends the requests. nil means http.DefaultTransport.
	Base http.RoundTripper

	once    sync.Once
	origins []string
	err     error
}

// RoundTrip implements http.RoundTripper. Errors, which http.Client wraps in a *url.Error:
//
//   - A [*ChallengeError] if the API rejects the request. Its code is [InvalidToken] if a new token
//     was rejected too, or [UseDPoPNonce] if the request cannot be sent again. For
//     [InsufficientScope] and [InsufficientUserAuthentication] see [ChallengeError.Request]. Any
//     other code is from the API.
//   - The error of Tokens if there is no token, as for [Refresher.Tokens]: it wraps
//     [ErrLoginRequired] if the user must sign in again.
//   - The error of Base if the API did not answer.
//   - An error that names the field of t that is wrong, or says that the request is to an origin
//     that is not in Origins.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.roundTrip(r)
	if err != nil && r.Body != nil {
		r.Body.Close()
	}
	return resp, err
}

func (t *Transport) roundTrip(r *http.Request) (*http.Response, error) {
	if t.once.Do(t.configure); t.err != nil {
		return nil, t.err
	}
	if r.URL == nil {
		return nil, errors.New("tokens: the request has no URL")
	}
	if !t.trusts(r) {
		return t.elsewhere(r)
	}
	tokens, err := t.Tokens.Tokens(r.Context())
	if err != nil {
		return nil, err
	}
	return t.exchange(r, tokens)
}

// trusts reports whether r may have a token. r must go to one of the origins. No redirect through
// another origin may have led there, because that origin would choose what is requested from the
// API. net/http does not send its credentials after such a redirect either.
func (t *Transport) trusts(r *http.Request) bool {
	for r != nil && slices.Contains(t.origins, endpoint.Origin(r.URL)) {
		if r.Response == nil {
			return true
		}
		r = r.Response.Request
	}
	return false
}

// exchange sends r and handles challenges, each kind once.
func (t *Transport) exchange(r *http.Request, tokens *client.Tokens) (*http.Response, error) {
	var proved, renewed bool
	for body := r.Body; ; {
		resp, learned, err := t.send(r, body, tokens)
		if err != nil {
			return nil, err
		}
		challenge := ReadChallenge(resp)
		if challenge == nil {
			return resp, nil
		}
		challenge.Granted = tokens.Scopes
		switch {
		case challenge.Code == UseDPoPNonce && learned && !proved:
			proved = true
		case challenge.Code == InvalidToken && !renewed && !t.isNew(tokens):
			renewed = true
			fresh, err := t.renew(r.Context(), tokens)
			if err != nil {
				return nil, discard(resp, errors.Join(challenge, err))
			}
			tokens = fresh
		default:
			return nil, discard(resp, challenge)
		}
		var ok bool
		if body, ok = again(r); !ok {
			return nil, discard(resp, challenge)
		}
		discard(resp, nil)
	}
}

// isNew reports whether tokens were issued just now, so that an API does not reject them for
// their age. An API that rejects every token would otherwise cause a token request for every
// request, or one login after another. The tokens of a login are still refreshed once.
func (t *Transport) isNew(tokens *client.Tokens) bool {
	life := time.Duration(tokens.ExpiresIn) * time.Second
	return (tokens.Refreshed || tokens.RefreshToken == "") && life > 0 &&
		t.Client.Config().Now().Before(tokens.Expiry.Add(min(newFor, life/2)-life))
}

// renew returns other tokens than the rejected ones, if the source can provide them.
func (t *Transport) renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error) {
	if source, ok := t.Tokens.(interface {
		Renew(ctx context.Context, rejected *client.Tokens) (*client.Tokens, error)
	}); ok {
		return source.Renew(ctx, rejected)
	}
	return nil, ErrLoginRequired
}

// send sends a copy of r with the token, and reports whether the response had a nonce for the
// next proof.
func (t *Transport) send(r *http.Request, body io.ReadCloser, tokens *client.Tokens) (resp *http.Response, learned bool, err error) {
	out := r.Clone(r.Context())
	out.Body = body
	if out.Header == nil {
		out.Header = http.Header{}
	}
	if err := t.Client.Authorize(out, tokens); err != nil {
		if body != nil {
			body.Close()
		}
		return nil, false, err
	}
	if resp, err = t.base().RoundTrip(out); err == nil && strings.EqualFold(tokens.TokenType, "DPoP") {
		learned = t.Client.SaveDPoPNonce(resp)
	}
	return resp, learned, err
}

// elsewhere sends a request that a redirect leads to another origin.
func (t *Transport) elsewhere(r *http.Request) (*http.Response, error) {
	if r.Response == nil {
		return nil, fmt.Errorf("tokens: the origin of the request is %q, expected one of Transport.Origins %q: add it if this API may receive the token", endpoint.Origin(r.URL), t.Origins)
	}
	out := r.Clone(r.Context())
	out.Header.Del("Authorization")
	out.Header.Del("DPoP")
	return t.base().RoundTrip(out)
}

func (t *Transport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

func (t *Transport) configure() {
	var w []error
	if t.Client == nil {
		w = append(w, errors.New("tokens: Transport.Client is nil: set it to the client of the login"))
	}
	if t.Tokens == nil {
		w = append(w, errors.New("tokens: Transport.Tokens is nil: set it to a Source, such as Refresher.Source"))
	}
	if len(t.Origins) == 0 {
		w = append(w, errors.New("tokens: Transport.Origins is empty: set it to the origins that may receive the token, such as https://api.example"))
	}
	for _, o := range t.Origins {
		u, err := url.Parse(o)
		if err != nil || endpoint.CheckURL(o) != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
			w = append(w, fmt.Errorf("tokens: Transport.Origins contains %q, expected https origins such as https://api.example", o))
			continue
		}
		t.origins = append(t.origins, endpoint.Origin(u))
	}
	t.err = errors.Join(w...)
}

// again returns the body of r for another attempt, if it can be sent again.
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

const (
	maxDiscarded = 4 << 10                // bytes that are read so that the connection can be used again
	discardTime  = 100 * time.Millisecond // the limit for this
	newFor       = 10 * time.Second       // how long no other token is requested
)

// discard closes a response that no caller receives, and returns err.
func discard(resp *http.Response, err error) error {
	if resp.Body == nil {
		return err
	}
	defer time.AfterFunc(discardTime, func() { resp.Body.Close() }).Stop()
	io.CopyN(io.Discard, resp.Body, maxDiscarded)
	resp.Body.Close()
	return err
}
