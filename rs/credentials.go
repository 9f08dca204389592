package rs

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxCredentials = 64 << 10

type credentials struct {
	token string
	dpop  bool // the request used the scheme DPoP, RFC 9449 §7.1
}

// credentials reads the access token of a request. An empty token means that the request has
// none. A request must not send its token in more than one way, RFC 6750 §2.
func (p *Protection) credentials(r *http.Request) (credentials, *Error) {
	found, err := p.fromHeader(r)
	if err == nil && r.URL.RawQuery != "" {
		found, err = found.and(p.fromQuery(r))
	}
	if err == nil && p.InsecureForm {
		found, err = found.and(fromForm(r))
	}
	if err == nil && p.InsecureCookie != "" {
		found, err = found.and(p.fromCookie(r))
	}
	return found, err
}

var (
	errScheme         = errors.New("the Authorization header does not begin with Bearer: send \"Authorization: Bearer\", a space and the token")
	errSchemeDPoP     = errors.New("the Authorization header does not begin with Bearer or DPoP: send the scheme, a space and the token")
	errDPoPOff        = errors.New("the Authorization header begins with DPoP, but Protection.DPoP is nil: set it to accept DPoP")
	errMetadataInside = operatorFault{errors.New("this path is Protection.ResourceMetadata, which clients read without a token: mount rs.Metadata outside of Protection.Handler")}
)

// whyNoToken returns what the log says about a request without a token: nil if it has no
// Authorization header. It never quotes the header, which may be a token without its scheme.
func (p *Protection) whyNoToken(r *http.Request) error {
	field := r.Header.Get("Authorization")
	scheme, _, _ := strings.Cut(field, " ")
	switch {
	case p.isMetadata(r):
		return errMetadataInside
	case isPreflight(r):
		return fmt.Errorf("this is a preflight request (CORS) of the origin %s: mount the CORS middleware outside of Protection.Handler, and allow the origin there", logged(r.Header.Get("Origin")))
	case field == "" || p.TokenHeader != "":
		return nil
	case p.DPoP != nil:
		return errSchemeDPoP
	case strings.EqualFold(scheme, "DPoP"):
		return errDPoPOff
	}
	return errScheme
}

// isMetadata reports whether r requests the metadata of this API.
func (p *Protection) isMetadata(r *http.Request) bool {
	if p.ResourceMetadata == "" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	u, err := url.Parse(p.ResourceMetadata)
	return err == nil && u.Path == r.URL.Path
}

// isPreflight reports whether a browser asks if a page of another origin may call this API. Such a
// request never has a token (CORS-preflight fetch of the Fetch standard).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// and adds a token from another place. Two tokens are an error.
func (c credentials) and(more credentials, err *Error) (credentials, *Error) {
	switch {
	case err != nil:
		return credentials{}, err
	case more.token == "":
		return c, nil
	case c.token != "":
		return credentials{}, invalidRequest("the request has more than one access token, expected one")
	}
	return more, nil
}

// fromHeader reads the Authorization header. A request may have only one, RFC 6750 §2.1.
func (p *Protection) fromHeader(r *http.Request) (credentials, *Error) {
	if p.TokenHeader != "" {
		return p.fromTokenHeader(r)
	}
	fields := r.Header["Authorization"]
	if len(fields) == 0 {
		return credentials{}, nil
	}
	if len(fields) > 1 {
		return credentials{}, invalidRequest("the request has more than one Authorization header, expected one")
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimLeft(token, " ") // 1*SP
	c := credentials{token: token, dpop: p.DPoP != nil && strings.EqualFold(scheme, "DPoP")}
	if !c.dpop && !strings.EqualFold(scheme, "Bearer") {
		return credentials{}, nil
	}
	if token == "" || len(token) > maxCredentials || !checksForm(p.Tokens) && !isB64Token(token) {
		return credentials{}, errMalformed(token)
	}
	return c, nil
}

// fromTokenHeader reads the header field in which a proxy sends the token.
func (p *Protection) fromTokenHeader(r *http.Request) (credentials, *Error) {
	fields := r.Header.Values(p.TokenHeader)
	switch {
	case len(fields) == 0:
		return credentials{}, nil
	case len(fields) > 1:
		return credentials{}, invalidRequest("the request has the token header more than once, expected once")
	case fields[0] == "" || len(fields[0]) > maxCredentials || !checksForm(p.Tokens) && !isB64Token(fields[0]):
		return credentials{}, invalidRequest("the token header is malformed")
	}
	return credentials{token: fields[0]}, nil
}

func errMalformed(token string) *Error {
	e := invalidRequest("the Authorization header is malformed")
	e.Err = errors.New("expected the scheme once, a space and the token, without quotes")
	if token == "" {
		e.Err = errors.New("the token is empty, expected the scheme, a space and the token: look for a variable of the client that is not set")
	}
	return e
}

// checksForm reports whether v rejects a token that is not a b64token without any other effect.
// Then a good token need not be scanned twice.
func checksForm(v Verifier) bool {
	switch v.(type) {
	case *JWT, *IDToken, *AWSLoadBalancer, *DynamicIssuers, Issuers, *Cache:
		return true
	}
	return false
}

// fromQuery rejects a token in the query, also beside a good header, unless InsecureQuery is
// set. A token in a URL ends up in logs (RFC 6750 §2.3, RFC 9700 §4.3.2).
func (p *Protection) fromQuery(r *http.Request) (credentials, *Error) {
	if !p.InsecureQuery {
		if namesToken(r.URL.RawQuery) {
			return credentials{}, invalidRequest("the access token is in the query, which is not accepted: send it in the Authorization header")
		}
		return credentials{}, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return credentials{}, invalidRequest("the query is malformed")
	}
	return fromParameter(query["access_token"])
}

// namesToken looks for the parameter in every spelling. url.ParseQuery drops parts that it
// cannot parse, but the next reader of the URL may accept them.
func namesToken(query string) bool {
	parts := strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' })
	return slices.ContainsFunc(parts, func(part string) bool {
		name, _, _ := strings.Cut(part, "=")
		if plain, err := url.QueryUnescape(name); err == nil {
			name = plain
		}
		return name == "access_token"
	})
}

// fromForm reads a token from a form's body, RFC 6750 §2.2. This consumes the body, so it is
// used only if InsecureForm is set.
func fromForm(r *http.Request) (credentials, *Error) {
	if r.Method == http.MethodGet {
		return credentials{}, nil
	}
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/x-www-form-urlencoded" {
		return credentials{}, nil
	}
	if err := r.ParseForm(); err != nil {
		return credentials{}, invalidRequest("the form is malformed")
	}
	return fromParameter(r.PostForm["access_token"])
}

func (p *Protection) fromCookie(r *http.Request) (credentials, *Error) {
	var tokens []string
	for _, c := range r.CookiesNamed(p.InsecureCookie) {
		tokens = append(tokens, c.Value)
	}
	return fromParameter(tokens)
}

func fromParameter(tokens []string) (credentials, *Error) {
	switch {
	case len(tokens) == 0:
		return credentials{}, nil
	case len(tokens) > 1:
		return credentials{}, invalidRequest("the request has more than one access token, expected one")
	case !isB64Token(tokens[0]):
		return credentials{}, invalidRequest("the access token is malformed")
	}
	return credentials{token: tokens[0]}, nil
}

// notB64 has a 1 for every byte that RFC 6750 §2.1 does not allow before the padding.
var notB64 = func() (set [256]byte) {
	for c := range set {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/", byte(c)) < 0 {
			set[c] = 1
		}
	}
	return set
}()

// isB64Token reports whether s is a b64token of RFC 6750 §2.1, with a length limit. It looks at
// every byte before it decides, which is faster than one branch per byte.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	if s == "" || len(s) > maxCredentials {
		return false
	}
	var bad byte
	for ; len(s) >= 8; s = s[8:] {
		bad |= notB64[s[0]] | notB64[s[1]] | notB64[s[2]] | notB64[s[3]] | notB64[s[4]] | notB64[s[5]] | notB64[s[6]] | notB64[s[7]]
	}
	for i := range len(s) {
		bad |= notB64[s[i]]
	}
	return bad == 0
}
