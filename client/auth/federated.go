package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Client authentication with an assertion of the platform on which the program runs (RFC 7521
// §4.2, RFC 7523 §2.2). The program then has no secret.

const (
	spiffeAssertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe" // draft-ietf-oauth-spiffe-client-auth
	sourceTimeout       = 10 * time.Second
)

// EntraTokenExchange is the value of FederatedAssertion.Audience for workload identity
// federation with Microsoft Entra ID.
const EntraTokenExchange = "api://AzureADTokenExchange"

// FederatedAssertion describes the assertion that the platform must provide. It is checked
// before it is sent. The zero value requires the assertion of RFC 10070.
type FederatedAssertion struct {
	// Audience is the single value of aud. "" means the server's issuer identifier. Set it if
	// the platform uses another name for the server, such as EntraTokenExchange. It is never
	// read from metadata.
	Audience string

	// MaxSize is the maximum size of an assertion in bytes. 0 means 16 KiB. The maximum is 64
	// KiB.
	MaxSize int
}

// FederatedFile reads the assertion from a file for every request. Examples are a projected
// service account token of Kubernetes and the file of AZURE_FEDERATED_TOKEN_FILE. The platform
// replaces the file while the program runs.
func FederatedFile(path string, a FederatedAssertion) Method {
	m := federated("federated_jwt", assertionType, a, func(context.Context, string) (string, error) { return a.read(path) })
	if path == "" && m.err == nil {
		m.err = errors.New("has an empty path: pass the path of the file with the assertion")
	}
	return m
}

// FederatedFunc calls f for the assertion of every request. An example is an ID token of a managed
// identity. The ctx of f ends after 10 seconds. f may cache an assertion until it expires, if the
// server accepts an assertion more than once.
func FederatedFunc(f func(ctx context.Context) (string, error), a FederatedAssertion) Method {
	m := federated("federated_jwt", assertionType, a, func(ctx context.Context, _ string) (string, error) { return f(ctx) })
	if f == nil && m.err == nil {
		m.err = errors.New("has a nil function: pass a function that returns an assertion")
	}
	return m
}

// JWTSVIDSource returns the JWT-SVID of this workload for an audience, from the SPIFFE Workload
// API.
type JWTSVIDSource interface {
	FetchJWTSVID(ctx context.Context, audience string) (string, error)
}

// SPIFFE authenticates with a JWT-SVID (jwt-spiffe, draft-ietf-oauth-spiffe-client-auth). The
// source is called with the audience for every request, and must return within 10 seconds.
func SPIFFE(source JWTSVIDSource, a FederatedAssertion) Method {
	m := federated("spiffe_jwt", spiffeAssertionType, a, func(ctx context.Context, audience string) (string, error) {
		return source.FetchJWTSVID(ctx, audience)
	})
	if source == nil && m.err == nil {
		m.err = errors.New("has a nil source: pass a source of JWT-SVIDs")
	}
	return m
}

// federated returns a method that sends the assertions that fetch returns.
func federated(name, kind string, a FederatedAssertion, fetch func(ctx context.Context, audience string) (string, error)) Method {
	return Method{name: name, err: a.check(), bind: func(b Binding) Authenticator {
		return authenticatorFunc(func(r *http.Request, form url.Values) error {
			jwt, err := a.fetch(r.Context(), b, kind, fetch)
			if err != nil {
				return err
			}
			form.Set("client_id", b.ClientID)
			form.Set("client_assertion_type", kind)
			form.Set("client_assertion", jwt)
			return nil
		})
	}}
}

func (a FederatedAssertion) check() error {
	if a.MaxSize < 0 || a.MaxSize > jose.MaxSize {
		return fmt.Errorf("has FederatedAssertion.MaxSize %d, expected 0 to %d", a.MaxSize, jose.MaxSize)
	}
	return nil
}

func (a FederatedAssertion) maxSize() int {
	if a.MaxSize == 0 {
		return jose.DefaultMaxSize
	}
	return a.MaxSize
}

// fetch obtains an assertion and checks it. An assertion never appears in an error.
func (a FederatedAssertion) fetch(ctx context.Context, b Binding, kind string, fetch func(context.Context, string) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, sourceTimeout)
	defer cancel()
	audience := a.Audience
	if audience == "" {
		audience = b.Issuer
	}
	jwt, err := fetch(ctx, audience)
	if err != nil {
		return "", fmt.Errorf("cannot get the platform's assertion: %w", err)
	}
	jwt = strings.TrimSpace(jwt)
	if len(jwt) > a.maxSize() {
		return "", fmt.Errorf("the platform's assertion has %d bytes, expected at most %d: increase FederatedAssertion.MaxSize", len(jwt), a.maxSize())
	}
	if err := checkFederated(jwt, audience, kind, b); err != nil {
		return "", fmt.Errorf("the platform's assertion is not usable: %w", err)
	}
	return jwt, nil
}

// checkFederated makes the checks that the server makes too. An assertion for another audience,
// or for several, could be used elsewhere (RFC 10070).
func checkFederated(jwt, audience, kind string, b Binding) error {
	token, err := jose.Parse(jwt, jose.MaxSize)
	if err != nil {
		return err
	}
	if strings.EqualFold(token.Header.Alg, "none") || strings.HasPrefix(token.Header.Alg, "HS") {
		return errors.New("the assertion has no signature or a symmetric one, expected a signature by the platform's private key")
	}
	if err := b.checkAlg(token.Header.Alg); err != nil {
		return err
	}
	var claims struct {
		Subject  string           `json:"sub"`
		Audience jose.Audience    `json:"aud"`
		Expiry   jose.NumericDate `json:"exp"`
	}
	if err := jose.Decode(token.Payload, &claims, jose.TokenLimits); err != nil {
		return err
	}
	switch now := b.now(); {
	case claims.Expiry.IsZero():
		return errors.New("exp is missing: configure the platform to issue tokens that expire")
	case !now.Before(claims.Expiry.Time):
		return fmt.Errorf("exp is %s, %s ago: check why the platform does not renew the assertion", claims.Expiry.UTC().Format(time.RFC3339), jose.Duration(now.Sub(claims.Expiry.Time).Round(time.Second)))
	case len(claims.Audience) != 1 || claims.Audience[0] != audience:
		return fmt.Errorf("aud is %s, expected only %s: set the audience at the platform, or set FederatedAssertion.Audience", quoted(claims.Audience), jose.Quote(audience))
	case kind == spiffeAssertionType && !strings.HasPrefix(claims.Subject, "spiffe://"):
		return fmt.Errorf("sub is %s, expected a SPIFFE ID (spiffe://…)", jose.Quote(claims.Subject))
	}
	return nil
}

func quoted(list []string) string {
	if len(list) == 0 {
		return "missing"
	}
	out := make([]string, min(len(list), 5))
	for i := range out {
		out[i] = jose.Quote(list[i])
	}
	return strings.Join(out, " and ")
}

// read reads a file that is not larger than MaxSize. It rejects a pipe or a device, because
// reading it may never end.
func (a FederatedAssertion) read(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, int64(a.maxSize())+64)) // white space around it
	return string(content), err
}
