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
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// Options say what the token is compared with.
type Options struct {
	Issuer      string // "" means the token's own, which is then not checked
	Audience    string // the client ID, or the API's identifier; "" means the token's own
	Nonce       string // "" means the token's own
	AccessToken string // that came with an ID token (at_hash); "" if it is not known
	Typ         string // of access tokens, for servers that do not follow RFC 9068; "" means at+jwt

	// Keys check the signature. nil means that it is not checked.
	Keys idtoken.KeySet

	// Color colours the output.
	Color bool

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// FetchKeys returns the key set of an issuer. url is the address of its metadata, "" for the usual
// one.
func FetchKeys(issuer, url string, insecureHTTP bool, hc *http.Client) idtoken.KeySet {
	return (&discovery.Provider{Issuer: issuer, URL: url, InsecureHTTP: insecureHTTP, HTTP: hc, Logger: slog.New(slog.DiscardHandler)}).Keys()
}

// A Token is a JWT, decoded without any check.
type Token struct {
	raw            string // the signed token; it can be inside an encrypted one
	header, claims map[string]any
	headerJSON     []byte
	claimsJSON     []byte
	signed         bool

	received string // the token as it arrived; equal to raw unless it was encrypted
	envelope envelope
	keys     []idtoken.DecryptionKey
}

const maxSize = 64 << 10

// ErrNotJWT says that a token is not a JWT, such as an opaque token.
var ErrNotJWT = errors.New("this is not a JWT")

// Read decodes a JWT: white space around it and the word Bearer in front are removed. keys open
// an encrypted one. Without them the error is an [*EncryptedError].
func Read(raw string, keys ...idtoken.DecryptionKey) (t *Token, err error) {
	raw = strings.TrimSpace(raw)
	if scheme, rest, ok := strings.Cut(raw, " "); ok && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "DPoP")) {
		raw = strings.TrimSpace(rest)
	}
	if len(raw) > maxSize {
		return nil, fmt.Errorf("the token has %d bytes, expected at most %d", len(raw), maxSize)
	}
	t = &Token{raw: raw, received: raw, keys: keys}
	if jose.IsEncrypted(raw) {
		if t.raw, t.envelope, err = open(raw, keys); err != nil {
			return nil, err
		}
	}
	return t, t.decode()
}

func (t *Token) decode() (err error) {
	parts := strings.Split(t.raw, ".")
	if len(parts) != 3 {
		return fmt.Errorf("%w: expected three parts separated by dots, received %d. It may be an opaque token: ask the issuer by introspection (countersign introspect)", ErrNotJWT, len(parts))
	}
	if t.header, t.headerJSON, err = object(parts[0]); err != nil {
		return fmt.Errorf("the header %w", err)
	}
	if t.claims, t.claimsJSON, err = object(parts[1]); err != nil {
		return fmt.Errorf("the payload %w", err)
	}
	t.signed = parts[2] != ""
	return nil
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

func (t *Token) text(name string) string { s, _ := t.claims[name].(string); return s }

// audiences returns the audiences of the token.
func (t *Token) audiences() (all []string) {
	switch aud := t.claims["aud"].(type) {
	case string:
		return []string{aud}
	case []any:
		for _, one := range aud {
			if s, ok := one.(string); ok {
				all = append(all, s)
			}
		}
	}
	return all
}

// audience is the first one that the token names.
func (t *Token) audience() string {
	if all := t.audiences(); len(all) > 0 {
		return all[0]
	}
	return ""
}

const otherAccessToken = "access token that does not follow RFC 9068"

// kinds are the kinds of tokens by typ.
var kinds = map[string]string{
	"at+jwt":                    "access token (RFC 9068)",
	"logout+jwt":                "logout token",
	"dpop+jwt":                  "DPoP proof",
	"secevent+jwt":              "security event token",
	"client-authentication+jwt": "client assertion",
	"oauth-authz-req+jwt":       "request object",
	"token-introspection+jwt":   "introspection response",
}

// Kind is what the token says it is: by its typ, and by its claims where typ says nothing.
func (t *Token) Kind() string {
	typ, _ := t.header["typ"].(string)
	if kind := kinds[strings.TrimPrefix(strings.ToLower(typ), "application/")]; kind != "" {
		return kind
	}
	switch {
	case t.text("typ") == "ID" || t.text("token_use") == "id": // Keycloak, Amazon Cognito
		return "ID token"
	case t.text("typ") == "Bearer" || t.text("token_use") == "access":
		return otherAccessToken
	case t.claims["nonce"] != nil || t.claims["at_hash"] != nil:
		return "ID token"
	case t.claims["scope"] != nil || t.claims["scp"] != nil || t.claims["client_id"] != nil:
		return otherAccessToken
	}
	if t.claims["events"] != nil {
		return "logout token or security event token"
	}
	return "ID token"
}

// Show writes header, claims and checks. passed reports whether every check passed that
// could be made.
func (t *Token) Show(ctx context.Context, w io.Writer, o Options) (passed bool) {
	p := painter{o.Color}
	if t.envelope.header != nil {
		fmt.Fprintf(w, "%s\n%s\n\n", p.bold("Header of the encryption"), p.json(t.envelope.headerJSON))
	}
	fmt.Fprintf(w, "%s\n\n%s\n%s\n\n%s\n%s\n\n", p.bold(t.Kind()), p.bold("Header"), p.json(t.headerJSON), p.bold("Claims"), p.json(t.claimsJSON))
	t.times(w, o.now())
	title, checks := t.Checks(ctx, o)
	if title == "" {
		fmt.Fprintln(w, "Tokens of this kind are shown, but not checked.")
		return true
	}
	p.table(w, title, checks)
	return allPassed(checks)
}

func allPassed(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Result == Failed })
}

// Checks returns the list of checks of the token: the 14 steps for an ID token, and those of RFC
// 9068 for an access token. Another kind of token has none.
func (t *Token) Checks(ctx context.Context, o Options) (title string, checks []Check) {
	switch kind := t.Kind(); {
	case kind == "ID token" && o.Typ == "":
		return "The 14 steps of ID token validation", t.IDTokenChecks(ctx, o)
	case strings.HasPrefix(kind, "access token") || o.Typ != "":
		return "The checks of RFC 9068 for access tokens", t.AccessTokenChecks(ctx, o)
	}
	return "", nil
}

// times writes the times for a person.
func (t *Token) times(w io.Writer, now time.Time) {
	for _, name := range []string{"iat", "nbf", "exp", "auth_time"} {
		seconds, ok := t.claims[name].(float64)
		if !ok || seconds < 0 || seconds > 1e11 {
			continue
		}
		at := time.Unix(int64(seconds), 0)
		away := at.Sub(now).Round(time.Second)
		when := "in " + jose.Duration(away)
		if away < 0 {
			when = jose.Duration(-away) + " ago"
		}
		fmt.Fprintf(w, "%-10s %s (%s)\n", name, at.UTC().Format(time.RFC3339), when)
	}
	fmt.Fprintln(w)
}

// algs accepts the token's own algorithm, if it is one that may be configured.
func (t *Token) algs() []string {
	alg, _ := t.header["alg"].(string)
	if strings.HasPrefix(alg, "HS") || alg == "none" {
		return nil
	}
	return []string{alg}
}

var errNotFetched = errors.New("the key set was not fetched")

// noKeys is for a look without the network.
type noKeys struct{}

func (noKeys) VerifySignature(context.Context, string) ([]byte, error) { return nil, errNotFetched }

func (o Options) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
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

// indent returns JSON for a person, in the token's own order.
func indent(data []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, data, "", "  ") != nil {
		return string(data)
	}
	return b.String()
}
