package rs

import (
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const maxCredentials = 64 << 10

// credentials are what a request authenticates with.
type credentials struct {
	token string
	dpop  bool // by the scheme DPoP, RFC 9449 §7.1
}

// credentials reads the one access token that a request may have; an empty one means
// that it has none. A request must not send its token in more than one way, RFC 6750 §2.
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

// and adds what was found in another place.
func (c credentials) and(more credentials, err *Error) (credentials, *Error) {
	switch {
	case err != nil:
		return credentials{}, err
	case more.token == "":
		return c, nil
	case c.token != "":
		return credentials{}, invalidRequest("more than one access token")
	}
	return more, nil
}

// fromHeader reads the one Authorization header that a request may have, RFC 6750 §2.1.
func (p *Protection) fromHeader(r *http.Request) (credentials, *Error) {
	if p.TokenHeader != "" {
		return p.fromTokenHeader(r)
	}
	fields := r.Header["Authorization"]
	if len(fields) == 0 {
		return credentials{}, nil
	}
	if len(fields) > 1 {
		return credentials{}, invalidRequest("more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(fields[0], " ")
	token = strings.TrimLeft(token, " ") // 1*SP
	c := credentials{token: token, dpop: p.DPoP != nil && strings.EqualFold(scheme, "DPoP")}
	if !c.dpop && !strings.EqualFold(scheme, "Bearer") {
		return credentials{}, nil
	}
	if token == "" || len(token) > maxCredentials || !checksForm(p.Tokens) && !isB64Token(token) {
		return credentials{}, errMalformed()
	}
	return c, nil
}

// fromTokenHeader reads the one field in which a proxy has written the token.
func (p *Protection) fromTokenHeader(r *http.Request) (credentials, *Error) {
	fields := r.Header.Values(p.TokenHeader)
	switch {
	case len(fields) == 0:
		return credentials{}, nil
	case len(fields) > 1:
		return credentials{}, invalidRequest("more than one token header")
	case fields[0] == "" || len(fields[0]) > maxCredentials || !checksForm(p.Tokens) && !isB64Token(fields[0]):
		return credentials{}, invalidRequest("the token header is malformed")
	}
	return credentials{token: fields[0]}, nil
}

func errMalformed() *Error { return invalidRequest("the Authorization header is malformed") }

// checksForm tells whether v does nothing with a token that is no b64token but refuse
// it, so that there is no need to look at every byte of a good one before.
func checksForm(v Verifier) bool {
	switch v.(type) {
	case *JWT, *IDToken, *AWSLoadBalancer, *DynamicIssuers, Issuers, *Cache:
		return true
	}
	return false
}

// fromQuery refuses a token in the query, beside a good header too, unless it was
// asked for: it has been in logs on its way (RFC 6750 §2.3, RFC 9700 §4.3.2).
func (p *Protection) fromQuery(r *http.Request) (credentials, *Error) {
	if !p.InsecureQuery {
		if namesToken(r.URL.RawQuery) {
			return credentials{}, invalidRequest("an access token in the query is not accepted")
		}
		return credentials{}, nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return credentials{}, invalidRequest("the query is malformed")
	}
	return fromParameter(query["access_token"])
}

// namesToken looks for the parameter in whatever way somebody may write a query: the
// library drops the parts that it cannot read, and the next reader may not.
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

// fromForm reads a token from a form's body, RFC 6750 §2.2. That means to read the
// body, so that nobody looks unless it was asked for.
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
		return credentials{}, invalidRequest("more than one access token")
	case !isB64Token(tokens[0]):
		return credentials{}, invalidRequest("the access token is malformed")
	}
	return credentials{token: tokens[0]}, nil
}

// notB64 has a 1 for every byte that is not in RFC 6750 §2.1 before its padding.
var notB64 = func() (set [256]byte) {
	for c := range set {
		if strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/", byte(c)) < 0 {
			set[c] = 1
		}
	}
	return set
}()

// isB64Token is the b64token of RFC 6750 §2.1, of a bearable length. It looks at every
// byte, and so decides once, at the end.
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
