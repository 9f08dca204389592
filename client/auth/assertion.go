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

// OmitTyp is the value of Typ that leaves typ out of the header.
const OmitTyp = "-"

const (
	assertionType     = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2
	assertionTyp      = "client-authentication+jwt"                              // RFC 10070
	assertionLifetime = time.Minute
)

// MaxAssertionLifetime is the longest life of an assertion.
const MaxAssertionLifetime = 5 * time.Minute

// Assertion is how the JWT looks with which a client authenticates. The zero value is
// that of RFC 10070; the fields are for servers that are not there yet.
type Assertion struct {
	// Audience is the one value of aud. "" means the server's issuer identifier. It is
	// never taken from metadata: an attacker who controls that could have the client make
	// assertions for another server. FAPI profiles accept no other.
	Audience string

	// Endpoints are for servers that want the URL of the called endpoint as aud, such as
	// PingOne Advanced Identity Cloud: the URLs of those endpoints, as the server's metadata
	// writes them. A request to another endpoint gets Audience. They are pinned here, and
	// never taken from metadata. FAPI profiles reject them.
	Endpoints []string

	// Typ is the header's typ. "" means "client-authentication+jwt"; "JWT" and OmitTyp are
	// for servers that refuse that.
	Typ string

	// Certificate is named in the header by its thumbprint (x5t#S256) instead of a kid,
	// for servers that know the client's key by that. nil means kid.
	Certificate *x509.Certificate

	// Lifetime is how long the assertion is good. 0 means a minute; at most 5.
	Lifetime time.Duration
}

// PrivateKeyJWT signs an assertion with a private key (private_key_jwt, OpenID Connect
// Core §9, RFC 7523 §2.2). Every request gets an assertion of its own.
func PrivateKeyJWT(keys KeySource, a Assertion) Method {
	err := a.check()
	if err == nil && keys == nil {
		err = errors.New("has no key")
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

// SecretJWT makes an assertion with an HMAC of the client secret (client_secret_jwt,
// OpenID Connect Core §9), by HS256. The secret has at least 32 bytes.
func SecretJWT(secret string, a Assertion) Method {
	signer, err := jose.NewSecretSigner([]byte(secret), "HS256")
	if err == nil {
		err = a.check()
	}
	alg := func() string { return "HS256" }
	return Method{name: "client_secret_jwt", assertion: &a, alg: alg, err: err, bind: func(b Binding) Authenticator {
		return a.authenticator(b, func() (*jose.Signer, error) { return signer, b.checkAlg(signer.Alg()) })
	}}
}

func (a *Assertion) check() error {
	if a.Lifetime < 0 || a.Lifetime > MaxAssertionLifetime {
		return fmt.Errorf("has Assertion.Lifetime %v; it goes from 0 to %v", a.Lifetime, MaxAssertionLifetime)
	}
	for _, u := range a.Endpoints {
		if p, err := url.Parse(u); err != nil || p.Scheme == "" || p.Host == "" || p.RawQuery != "" || p.Fragment != "" {
			return fmt.Errorf("has Assertion.Endpoints with %q, which is not an absolute URL without query", u)
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

// at is a for a request to that URL: its aud is the URL, if Endpoints lists it.
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

// claims are those of RFC 7523 §3, with one audience, as a string.
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

// Sign makes a JWT as a describes it, with the client as iss and sub, for another use than
// client authentication (RFC 7523 §2.1). claims are added, and replace those of the same
// name. Typ "" gives the typ of client authentication.
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

// random gives 256 bits from crypto/rand, which ends the program rather than fail.
func random() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
