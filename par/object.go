package par

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	requestObjectTyp = "oauth-authz-req+jwt" // RFC 9101 §10.8
	objectLifetime   = time.Minute
	maxObject        = 5 * time.Minute
)

// Signer signs a JWT with the client's key. The header gets alg and kid from it.
type Signer interface {
	Sign(header map[string]any, claims any) (jwt string, err error)
}

// Encrypter encrypts a signed JWT to a key of the server.
type Encrypter interface {
	Encrypt(ctx context.Context, jwt string) (jwe string, err error)
}

// RequestObject packs authorization requests into JWTs, RFC 9101. ClientID, Audience
// and Signer must be set.
type RequestObject struct {
	// ClientID is the client_id: iss.
	ClientID string

	// Audience is the server's issuer identifier: aud.
	Audience string

	// Typ is the header's typ, "-" none. "" means "oauth-authz-req+jwt".
	Typ string

	// Lifetime is how long an object is good. 0 means a minute; at most 5.
	Lifetime time.Duration

	// Signer signs the object.
	Signer Signer

	// Encrypter encrypts what was signed. nil means that nothing is encrypted.
	Encrypter Encrypter

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// outside are the parameters that are not the request's: an object holds no other
// object (RFC 9101 §4), and client authentication stays beside it (RFC 9126 §3).
var outside = []string{"request", "request_uri", "client_secret", "client_assertion", "client_assertion_type"}

// own are the claims that are the object's, not the request's. It has no sub: an object
// must not pass for a client's assertion (RFC 9101 §10.8).
var own = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// Pack makes the value of the parameter request: params as claims, and iss, aud,
// exp, nbf, iat and a fresh jti. Parameters of those names, and sub, are refused.
func (o *RequestObject) Pack(ctx context.Context, params url.Values) (string, error) {
	if err := o.check(params); err != nil {
		return "", fmt.Errorf("par: request object: %w", err)
	}
	claims, err := claimsOf(params)
	if err != nil {
		return "", fmt.Errorf("par: request object: %w", err)
	}
	o.addTo(claims)
	jwt, err := o.Signer.Sign(o.header(), claims)
	if err == nil && o.Encrypter != nil {
		jwt, err = o.Encrypter.Encrypt(ctx, jwt)
	}
	if err != nil {
		return "", fmt.Errorf("par: request object: %w", err)
	}
	return jwt, nil
}

func (o *RequestObject) header() map[string]any {
	switch o.Typ {
	case "":
		return map[string]any{"typ": requestObjectTyp}
	case "-":
		return nil
	}
	return map[string]any{"typ": o.Typ}
}

func (o *RequestObject) check(params url.Values) error {
	switch {
	case o.ClientID == "" || o.Audience == "" || o.Signer == nil:
		return errors.New("one of ClientID, Audience and Signer is missing")
	case o.Lifetime < 0 || o.Lifetime > maxObject:
		return fmt.Errorf("the lifetime is %v; it goes from 0 to %v", o.Lifetime, maxObject)
	case len(params["client_id"]) != 1 || params.Get("client_id") != o.ClientID:
		return errors.New("client_id is not that of the object")
	}
	for _, name := range slices.Concat(outside, own) {
		if params.Has(name) {
			return fmt.Errorf("%s does not belong into it", name)
		}
	}
	return nil
}

func (o *RequestObject) addTo(claims map[string]any) {
	now, lifetime := time.Now, o.Lifetime
	if o.Now != nil {
		now = o.Now
	}
	if lifetime == 0 {
		lifetime = objectLifetime
	}
	id := make([]byte, 16)
	rand.Read(id)
	at := now()
	claims["iss"], claims["aud"] = o.ClientID, o.Audience
	claims["iat"], claims["nbf"], claims["exp"] = at.Unix(), at.Unix(), at.Add(lifetime).Unix()
	claims["jti"] = base64.RawURLEncoding.EncodeToString(id)
}

// claimsOf turns parameters into claims: JSON stays JSON, a number becomes one, and
// what came several times an array (RFC 9101 §4, OpenID Connect Core §6.1).
func claimsOf(params url.Values) (map[string]any, error) {
	claims := map[string]any{}
	for name, values := range params {
		switch {
		case len(values) > 1:
			claims[name] = values
		case name == "claims" || name == "authorization_details":
			if !json.Valid([]byte(values[0])) {
				return nil, fmt.Errorf("%s is not JSON", name)
			}
			claims[name] = json.RawMessage(values[0])
		case name == "max_age":
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil {
				return nil, errors.New("max_age is not a number")
			}
			claims[name] = n
		case len(values) == 1:
			claims[name] = values[0]
		}
	}
	return claims, nil
}
