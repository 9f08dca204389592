// Package tokenview shows what is in a JWT and which checks it passes.
package tokenview

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/rs"
)

// Options say what the token is compared with.
type Options struct {
	Issuer   string // "" means the token's own, which is then not checked
	Audience string // the client ID, or the API's identifier; "" means the token's own
	Nonce    string // "" means the token's own

	// Keys check the signature. nil means that it is not checked.
	Keys idtoken.KeySet

	// Color colours the output.
	Color bool

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// FetchKeys gives the key set of an issuer.
func FetchKeys(issuer string, hc *http.Client) idtoken.KeySet {
	return (&discovery.Provider{Issuer: issuer, HTTP: hc}).Keys()
}

// A token is a JWT, decoded without any check.
type token struct {
	raw            string
	header, claims map[string]any
	headerJSON     []byte
	claimsJSON     []byte
}

const maxSize = 64 << 10

// Read decodes a JWT: white space around it and the word Bearer in front are removed.
func Read(raw string) (*token, error) {
	raw = strings.TrimSpace(raw)
	if scheme, rest, ok := strings.Cut(raw, " "); ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")) {
		raw = strings.TrimSpace(rest)
	}
	parts := strings.Split(raw, ".")
	switch {
	case len(raw) > maxSize:
		return nil, fmt.Errorf("the token has %d bytes, expected at most %d", len(raw), maxSize)
	case len(parts) == 5:
		return nil, errors.New("this is an encrypted token (JWE): only the recipient's key opens it")
	case len(parts) != 3:
		return nil, fmt.Errorf("this is not a JWT: expected three parts separated by dots, received %d. It may be an opaque token: ask the issuer by introspection", len(parts))
	}
	t := &token{raw: raw}
	var err error
	if t.header, t.headerJSON, err = object(parts[0]); err != nil {
		return nil, fmt.Errorf("the header %w", err)
	}
	if t.claims, t.claimsJSON, err = object(parts[1]); err != nil {
		return nil, fmt.Errorf("the payload %w", err)
	}
	return t, nil
}

func object(part string) (map[string]any, []byte, error) {
	data, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, nil, errors.New("is not base64url without padding (RFC 7515 section 2)")
	}
	var members map[string]any
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, nil, errors.New("is not a JSON object")
	}
	return members, data, nil
}

func (t *token) text(name string) string { s, _ := t.claims[name].(string); return s }

// audience is the first one that the token names.
func (t *token) audience() string {
	switch aud := t.claims["aud"].(type) {
	case string:
		return aud
	case []any:
		if len(aud) > 0 {
			s, _ := aud[0].(string)
			return s
		}
	}
	return ""
}

// Kind is what the token says it is: by its typ, and by its claims where typ says nothing.
func (t *token) Kind() string {
	typ, _ := t.header["typ"].(string)
	switch strings.TrimPrefix(strings.ToLower(typ), "application/") {
	case "at+jwt":
		return "access token (RFC 9068)"
	case "logout+jwt":
		return "logout token"
	case "dpop+jwt":
		return "DPoP proof"
	case "secevent+jwt":
		return "security event token"
	case "client-authentication+jwt":
		return "client assertion"
	case "oauth-authz-req+jwt":
		return "request object"
	case "token-introspection+jwt":
		return "introspection response"
	}
	if t.claims["nonce"] != nil || t.claims["at_hash"] != nil || t.claims["auth_time"] != nil {
		return "ID token"
	}
	if t.claims["scope"] != nil || t.claims["scp"] != nil || t.claims["client_id"] != nil {
		return "access token, not by RFC 9068"
	}
	if t.claims["events"] != nil {
		return "logout token or security event token"
	}
	return "ID token"
}

// Show writes header, claims and checks. passed reports whether every check passed that
// could be made.
func (t *token) Show(ctx context.Context, w io.Writer, o Options) (passed bool) {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := painter{o.Color}
	fmt.Fprintf(w, "%s\n\n%s\n%s\n\n%s\n%s\n\n", p.bold(t.Kind()), p.bold("Header"), p.json(t.headerJSON), p.bold("Claims"), p.json(t.claimsJSON))
	t.times(w, o.Now())
	switch kind := t.Kind(); {
	case kind == "ID token":
		return t.checkIDToken(ctx, w, o, p)
	case strings.HasPrefix(kind, "access token"):
		return t.checkAccessToken(ctx, w, o, p)
	}
	fmt.Fprintln(w, "This kind of token is shown, not checked.")
	return true
}

// times writes the times for a person.
func (t *token) times(w io.Writer, now time.Time) {
	for _, name := range []string{"iat", "nbf", "exp", "auth_time"} {
		seconds, ok := t.claims[name].(float64)
		if !ok || seconds < 0 || seconds > 1e11 {
			continue
		}
		at := time.Unix(int64(seconds), 0)
		away := at.Sub(now).Round(time.Second)
		when := fmt.Sprintf("in %v", away)
		if away < 0 {
			when = fmt.Sprintf("%v ago", -away)
		}
		fmt.Fprintf(w, "%-10s %s (%s)\n", name, at.UTC().Format(time.RFC3339), when)
	}
	fmt.Fprintln(w)
}

var errNotFetched = errors.New("not checked: the key set was not fetched, use -fetch")

// noKeys is for a look without the network.
type noKeys struct{}

func (noKeys) VerifySignature(context.Context, string) ([]byte, error) { return nil, errNotFetched }

// algs accepts the token's own algorithm, if it is one that may be configured.
func (t *token) algs() []string {
	alg, _ := t.header["alg"].(string)
	if strings.HasPrefix(alg, "HS") || alg == "none" {
		return nil
	}
	return []string{alg}
}

func (t *token) checkIDToken(ctx context.Context, w io.Writer, o Options, p painter) bool {
	v := &idtoken.Verifier{
		Issuer: or(o.Issuer, t.text("iss")), ClientID: or(o.Audience, or(t.text("azp"), t.audience())), Keys: o.keys(), Algs: t.algs(), Now: o.Now,
	}
	_, report := v.Check(ctx, t.raw, idtoken.Expected{Nonce: or(o.Nonce, t.text("nonce"))})
	return p.report(w, report, o.Keys == nil)
}

func (t *token) checkAccessToken(ctx context.Context, w io.Writer, o Options, p painter) bool {
	j := &rs.JWT{Issuer: or(o.Issuer, t.text("iss")), Audience: or(o.Audience, t.audience()), Keys: o.keys(), Algs: t.algs(), Now: o.Now}
	fmt.Fprintln(w, p.bold("RFC 9068 section 2.2"))
	passed := true
	for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
		_, present := t.claims[name]
		passed = passed && present
		fmt.Fprintf(w, "%s %-10s %s\n", p.mark(present), name, map[bool]string{true: "is there", false: "is missing"}[present])
	}
	_, err := j.VerifyToken(ctx, t.raw)
	switch {
	case err == nil:
		fmt.Fprintf(w, "%s all checks of an API passed\n", p.mark(true))
	case errors.Is(err, errNotFetched):
		fmt.Fprintf(w, "· the signature was not checked: use -fetch. The checks before it passed\n")
	default:
		passed = false
		fmt.Fprintf(w, "%s an API rejects it: %v\n", p.mark(false), err)
	}
	return passed
}

func (o Options) keys() idtoken.KeySet {
	if o.Keys == nil {
		return noKeys{}
	}
	return o.Keys
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// indent gives JSON for a person, in the token's own order.
func indent(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}
