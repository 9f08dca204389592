package tokens

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/endpoint"
)

// The error codes of RFC 6750 §3.1, RFC 9470 §3 and RFC 9449 §9 that an application can handle.
const (
	UseDPoPNonce                   = client.UseDPoPNonce
	InvalidToken                   = "invalid_token"
	InsufficientScope              = "insufficient_scope"
	InsufficientUserAuthentication = "insufficient_user_authentication"
)

// ChallengeError is a response of an API with status 401 or 403 and a challenge for bearer or
// DPoP tokens. It says what the API requires. The texts come from the API. They are cleaned and
// limited in length, and must be escaped when shown.
type ChallengeError struct {
	Status      int    // the HTTP status: 401 or 403
	Scheme      string // the scheme of the challenge: "Bearer" or "DPoP"
	Code        string // "" if the API sends none
	Description string // error_description; "" if the API sends none

	// Scopes, ACRValues and MaxAge are what the API requires of the next access token.
	Scopes    []string
	ACRValues []string
	MaxAge    *time.Duration

	// Granted are the scopes of the access token that the API rejected. [Transport] sets them.
	// After ReadChallenge, set them from Tokens.Scopes.
	Granted []string

	// ResourceMetadata is the URL of the API's metadata (RFC 9728 §5.1), or "" if the challenge
	// has none. It is an https URL, or a URL on loopback. It is not checked further.
	ResourceMetadata string
}

func (e *ChallengeError) Error() string {
	text := fmt.Sprintf("tokens: the API responded with status %d and a %s challenge: %s (%q)", e.Status, e.Scheme, cmp.Or(e.Code, "no error code"), e.Description)
	switch {
	case e.Code == InvalidToken:
		text += ": the log of the API has the reason"
	case e.Code == InsufficientScope && len(e.Scopes) > 0:
		text += fmt.Sprintf(": the scopes %q are required, and %q are granted", e.Scopes, e.Granted)
	}
	return text
}

// Request returns the login that would satisfy the API, for Begin: a step-up of RFC 9470 §4, or
// a login with more scopes. It requests the granted scopes and the missing ones, so that the new
// access token covers everything that the old one did. The application decides whether to send
// the user there.
func (e *ChallengeError) Request() client.Request {
	return client.Request{Scopes: e.wanted(), ACRValues: e.ACRValues, MaxAge: e.MaxAge}
}

// wanted returns the granted scopes and the missing ones.
func (e *ChallengeError) wanted() []string {
	out := slices.Clone(e.Granted)
	for _, scope := range e.Scopes {
		if !slices.Contains(out, scope) {
			out = append(out, scope)
		}
	}
	return out
}

// ReadChallenge parses the challenge of a response. It returns nil if the response has no
// challenge. A [*ChallengeError] is an error for the application; its Code says what to do.
func ReadChallenge(resp *http.Response) *ChallengeError {
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		return nil
	}
	c := forTokens(endpoint.Challenges(resp.Header.Values("WWW-Authenticate")), sentScheme(resp.Request))
	if c == nil {
		return nil
	}
	for name, value := range c.Params {
		c.Params[name] = endpoint.RedactFor(resp.Request, value)
	}
	out := &ChallengeError{
		Status: resp.StatusCode, Scheme: schemes[c.Scheme], Description: endpoint.Clean(c.Params["error_description"]),
		Scopes: words(c.Params["scope"]), ACRValues: words(c.Params["acr_values"]), MaxAge: seconds(c.Params["max_age"]),
	}
	if code := c.Params["error"]; code != "" {
		out.Code = endpoint.CleanCode(code)
	}
	if u := c.Params["resource_metadata"]; endpoint.CheckURL(u) == nil {
		out.ResourceMetadata = u
	}
	return out
}

// schemes are the names of the schemes in the standards' spelling.
var schemes = map[string]string{"bearer": "Bearer", "dpop": "DPoP"}

// sentScheme returns the scheme of the credentials of r in lower case. r may be nil.
func sentScheme(r *http.Request) string {
	if r == nil {
		return ""
	}
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.ToLower(scheme)
}

// forTokens selects one challenge. It prefers one with an error code, then one for the scheme
// that was sent, then the first.
func forTokens(all []endpoint.Challenge, sent string) (out *endpoint.Challenge) {
	best := 0
	for i, c := range all {
		if c.Scheme != "bearer" && c.Scheme != "dpop" {
			continue
		}
		rank := 1
		if c.Params["error"] != "" {
			rank += 2
		}
		if c.Scheme == sent {
			rank++
		}
		if rank > best {
			best, out = rank, &all[i]
		}
	}
	return out
}

// words returns the values of a list. It omits invalid values.
func words(list string) (out []string) {
	for _, word := range strings.Fields(list) {
		if endpoint.IsScopeToken(word) {
			out = append(out, word)
		}
	}
	return out
}

const maxAge = 10 * 365 * 24 * time.Hour

func seconds(s string) *time.Duration {
	n, err := strconv.ParseUint(s, 10, 32)
	if d := time.Duration(n) * time.Second; err == nil && d <= maxAge {
		return &d
	}
	return nil
}
