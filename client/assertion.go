package client

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// SigningKey is a private key of the client, registered at the server. Key may be in a
// KMS or an HSM. It redacts itself in fmt, log/slog and encoding.
type SigningKey struct {
	// KeyID is the kid under which the public key is registered. "" sends none.
	KeyID string

	// Alg is the signature algorithm. "" is for EC and Ed25519 keys, which have only
	// one; for an RSA key say "PS256" or "RS256".
	Alg string

	// Key signs. It hears of no context, and what waits for it waits as long as it takes: one
	// that is elsewhere must give up by itself.
	Key crypto.Signer
}

// KeySource gives the key to sign with. It is asked for every JWT, so that keys can
// be rotated while the program runs. A SigningKey is the source of itself.
type KeySource interface {
	Current() SigningKey
}

// Current implements KeySource.
func (k SigningKey) Current() SigningKey { return k }

// Format implements fmt.Formatter: the key ID is all that any verb prints.
func (k SigningKey) Format(f fmt.State, _ rune) { io.WriteString(f, k.redacted()) }

// LogValue implements slog.LogValuer.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// MarshalText implements encoding.TextMarshaler with the key ID alone.
func (k SigningKey) MarshalText() ([]byte, error) { return []byte(k.redacted()), nil }

func (k SigningKey) redacted() string { return fmt.Sprintf("[signing key %q]", k.KeyID) }

func (k SigningKey) signer() (*jose.Signer, error) { return jose.NewSigner(k.Key, k.Alg, k.KeyID) }

// algOf is the algorithm by which a source signs, "" when it cannot.
func algOf(keys KeySource) string {
	if keys == nil {
		return ""
	}
	signer, err := keys.Current().signer()
	if err != nil {
		return ""
	}
	return signer.Alg()
}

// NoTyp is the value of Assertion.Typ that leaves typ out.
const NoTyp = "-"

const (
	assertionType        = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" // RFC 7523 §2.2
	assertionTyp         = "client-authentication+jwt"                              // RFC 10070
	assertionLifetime    = time.Minute
	maxAssertionLifetime = 5 * time.Minute
)

// Assertion is how the JWT looks with which a client authenticates. The zero value is
// that of RFC 10070; the fields are for servers that are not there yet.
type Assertion struct {
	// Audience is the one value of aud. "" means the server's issuer identifier. It is
	// never taken from metadata: whoever controls that could have the client make
	// assertions for another server. FAPI profiles take no other.
	Audience string

	// Typ is the header's typ. "" means "client-authentication+jwt"; "JWT" and NoTyp are
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
func PrivateKeyJWT(keys KeySource, a Assertion) Auth {
	err := a.check()
	if err == nil && keys == nil {
		err = errors.New("has no key")
	}
	if err == nil {
		_, err = keys.Current().signer()
	}
	alg := func() string { return algOf(keys) }
	return Auth{method: "private_key_jwt", assertion: &a, alg: alg, err: err, bind: func(b binding) Authenticator {
		return a.authenticator(b, func() (*jose.Signer, error) { return keys.Current().signer() })
	}}
}

// SecretJWT makes an assertion with an HMAC of the client secret (client_secret_jwt,
// OpenID Connect Core §9), by HS256. The secret has at least 32 bytes.
func SecretJWT(secret string, a Assertion) Auth {
	signer, err := jose.NewSecretSigner([]byte(secret), "HS256")
	if err == nil {
		err = a.check()
	}
	alg := func() string { return "HS256" }
	return Auth{method: "client_secret_jwt", assertion: &a, alg: alg, err: err, bind: func(b binding) Authenticator {
		return a.authenticator(b, func() (*jose.Signer, error) { return signer, nil })
	}}
}

func (a *Assertion) check() error {
	if a.Lifetime < 0 || a.Lifetime > maxAssertionLifetime {
		return fmt.Errorf("has Assertion.Lifetime %v; it goes from 0 to %v", a.Lifetime, maxAssertionLifetime)
	}
	return nil
}

func (a *Assertion) authenticator(b binding, signer func() (*jose.Signer, error)) Authenticator {
	return authenticatorFunc(func(_ *http.Request, form url.Values) error {
		s, err := signer()
		if err == nil {
			err = b.profile.checkAlg(s.Alg())
		}
		if err != nil {
			return err
		}
		jwt, err := s.Sign(a.header(), a.claims(b))
		if err != nil {
			return err
		}
		form.Set("client_id", b.clientID)
		form.Set("client_assertion_type", assertionType)
		form.Set("client_assertion", jwt)
		return nil
	})
}

func (a *Assertion) header() map[string]any {
	h := map[string]any{"typ": assertionTyp}
	switch a.Typ {
	case "":
	case NoTyp:
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

// claims are those of RFC 7523 §3, with one audience, as a string.
func (a *Assertion) claims(b binding) map[string]any {
	aud, lifetime, now := a.Audience, a.Lifetime, b.now()
	if aud == "" {
		aud = b.issuer
	}
	if lifetime == 0 {
		lifetime = assertionLifetime
	}
	return map[string]any{
		"iss": b.clientID, "sub": b.clientID, "aud": aud, "jti": random(),
		"iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
}
