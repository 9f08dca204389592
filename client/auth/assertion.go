package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// OmitTyp is the value of Typ that omits typ from the header.
const OmitTyp = "-"

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2
	assertionTyp      = "client-authentication+jwt"                              // RFC 10070
	assertionLifetime = time.Minute
)

// MaxAssertionLifetime is the maximum lifetime of an assertion.
const MaxAssertionLifetime = 5 * time.Minute

// Assertion describes the JWT with which a client authenticates. The zero value is the JWT of
// RFC 10070. The fields are for servers that do not support it yet.
type Assertion struct {
	// Audience is the single value of aud. "" means the server's issuer identifier. It is never
	// read from metadata: an attacker who controls the metadata could obtain assertions for
	// another server. FAPI profiles accept only "".
	Audience string

	// Endpoints are for servers that require the URL of the called endpoint as aud, such as PingOne
	// Advanced Identity Cloud. They are the URLs of those endpoints, exactly as in the server's
	// metadata. A request to another endpoint uses Audience. They are never read from metadata.
	// FAPI profiles reject them. Empty means Audience for every endpoint.
	Endpoints []string

	// Typ is the header's typ. "" means "client-authentication+jwt". "JWT" and OmitTyp are for
	// servers that reject that value.
	Typ string

	// Certificate is identified in the header by its thumbprint (x5t#S256) instead of a kid. It
	// is for servers that identify the client's key in this way. nil means kid.
	Certificate *x509.Certificate

	// Lifetime is the lifetime of the assertion. 0 means one minute. The maximum is 5 minutes.
	Lifetime time.Duration
}

// PrivateKeyJWT signs an assertion with a private key (private_key_jwt, OpenID Connect Core §9,
// RFC 7523 §2.2). Every request has a new assertion.
func PrivateKeyJWT(keys KeySource, a Assertion) Method {
	err := a.check()
	if err == nil && keys == nil {
		err = errors.New("has no keys: pass the client's signing key")
	}
	if err == nil {
		_, err = keys.Current().signer()
	}
	alg := func() string {
		name, _ := keys.Current().Algorithm()
		return name
	}
	if err != nil {
		alg = func() string { return "" }
	}
	return Method{name: "private_key_jwt", assertion: &a, alg: alg, err: err, bind: func(b Binding) Authenticator {
		return a.authenticator(b, func() (*jose.Signer, error) { return b.signer(keys) })
	}}
}

// SecretJWT signs an assertion with the client secret and HS256 (client_secret_jwt, OpenID
// Connect Core §9). The secret must have at least 32 bytes.
func SecretJWT(secret string, a Assertion) Method {
	signer, err := jose.NewSecretSigner([]byte(secret), "HS256")
	if err != nil {
		err = fmt.Errorf("is SecretJWT: %w", err)
	} else if err = checkSecret(secret); err == nil {
		err = a.check()
	}
	alg := func() string { return "HS256" }
	return Method{name: "client_secret_jwt", assertion: &a, alg: alg, err: err, bind: func(b Binding) Authenticator {
		return a.authenticator(b, func() (*jose.Signer, error) { return signer, b.checkAlg(signer.Alg()) })
	}}
}

func (a *Assertion) check() error {
	if a.Lifetime < 0 || a.Lifetime > MaxAssertionLifetime {
		return fmt.Errorf("has Assertion.Lifetime %s, expected 0 to %s", jose.Duration(a.Lifetime), jose.Duration(MaxAssertionLifetime))
	}
	for _, u := range a.Endpoints {
		if p, err := url.Parse(u); err != nil || p.Scheme == "" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" {
			return fmt.Errorf("has Assertion.Endpoints with %q, expected absolute URLs without query", u)
		}
	}
	return nil
}

func (a *Assertion) authenticator(b Binding, signer func() (*jose.Signer, error)) Authenticator {
	return authenticatorFunc(func(r *http.Request, form url.Values) error {
		s, err := signer()
		if err != nil {
			return err
		}
		jwt, err := s.Sign(a.header(), a.at(r.URL).claims(b))
		if err != nil {
			return err
		}
		form.Set("client_id", b.ClientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", jwt)
		return nil
	})
}

func (a *Assertion) header() map[string]any {
	h := map[string]any{"typ": assertionTyp}
	switch a.Typ {
	case "":
	case OmitTyp:
		delete(h, "typ")
	default:
		h["typ"] = a.Typ
	}
	if a.Certificate != nil {
		sum := sha256.Sum256(a.Certificate.Raw)
		h["x5t#S256"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	return h
}

// at returns the assertion for a request to that URL. Its aud is the URL if Endpoints lists it.
func (a *Assertion) at(u *url.URL) *Assertion {
	if len(a.Endpoints) == 0 {
		return a
	}
	called := *u
	called.RawQuery, called.ForceQuery = "", false
	out := *a
	if slices.Contains(a.Endpoints, called.String()) {
		out.Audience = called.String()
	}
	return &out
}

// claims returns the claims of RFC 7523 §3, with one audience as a string.
func (a *Assertion) claims(b Binding) map[string]any {
	aud, lifetime, now := a.Audience, a.Lifetime, b.now()
	if aud == "" {
		aud = b.Issuer
	}
	if lifetime == 0 {
		lifetime = assertionLifetime
	}
	return map[string]any{
		"iss": b.ClientID, "sub": b.ClientID, "aud": aud, "jti": random(),
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
}

// Sign creates a JWT with the settings of a and the client as iss and sub. It is for other uses
// than client authentication (RFC 7523 §2.1). claims are added, and replace those of the same
// name. Typ "" means the typ of client authentication. The error names the wrong field of a, or
// says that the key cannot sign or that b.CheckAlg rejects its algorithm.
func (a Assertion) Sign(keys KeySource, b Binding, claims map[string]any) (string, error) {
	if err := a.check(); err != nil {
		return "", fmt.Errorf("auth: the JWT %w", err)
	}
	s, err := b.signer(keys)
	if err != nil {
		return "", err
	}
	all := a.claims(b)
	maps.Copy(all, claims)
	return s.Sign(a.header(), all)
}

// random returns 256 bits from crypto/rand, which ends the program if it fails.
func random() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
