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

	"github.com/countersign/countersign/internal/jose"
)

const (
	requestObjectTyp = "oauth-authz-req+jwt" // RFC 9101 §10.8
	objectLifetime   = time.Minute
	maxObject        = 5 * time.Minute
)

// Signer signs a JWT with the client's key, and sets alg and kid in the header.
type Signer interface {
	Sign(header map[string]any, claims any) (jwt string, err error)
}

// Encrypter encrypts a signed JWT to a key of the server.
type Encrypter interface {
	Encrypt(ctx context.Context, jwt string) (jwe string, err error)
}

// RequestObject encodes authorization requests as JWTs, RFC 9101. ClientID, Audience and Signer are
// required. It is safe for concurrent use if Signer is.
type RequestObject struct {
	// ClientID is the client_id. It becomes iss.
	ClientID string

	// Audience is the server's issuer identifier. It becomes aud.
	Audience string

	// Typ is the typ of the header. "" means "oauth-authz-req+jwt", and "-" means no typ.
	Typ string

	// Lifetime is how long an object is valid. 0 means one minute. The maximum is 5 minutes.
	Lifetime time.Duration

	// Signer signs the object.
	Signer Signer

	// Encrypter encrypts the signed object. nil means that the object is not encrypted.
	Encrypter Encrypter

	// Now returns the current time. nil means time.Now.
	Now func() time.Time
}

// outside lists the parameters that an object must not contain. It contains no other object (RFC
// 9101 §4). Client authentication is sent separately (RFC 9126 §3).
var outside = []string{"request", "request_uri", "client_secret", "client_assertion", "client_assertion_type"}

// own lists the claims that belong to the object, not to the request. The object has no sub,
// so that it cannot be used as a client assertion (RFC 9101 §10.8).
var own = []string{"iss", "sub", "aud", "exp", "nbf", "iat", "jti"}

// Pack returns the value of the parameter request: params as claims, with iss, aud, exp, nbf, iat
// and a new jti. It returns an error if a field is missing or out of range, or if client_id in
// params is not ClientID. params must not contain these claims, sub, or a credential of the client.
// Any other error comes from Signer or Encrypter.
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
	case o.ClientID == "":
		return errors.New("RequestObject.ClientID is empty: set it")
	case o.Audience == "":
		return errors.New("RequestObject.Audience is empty: set it to the server's issuer URL")
	case o.Signer == nil:
		return errors.New("RequestObject.Signer is nil: set it")
	case o.Lifetime < 0 || o.Lifetime > maxObject:
		return fmt.Errorf("RequestObject.Lifetime is %s, expected 0 to %s", jose.Duration(o.Lifetime), jose.Duration(maxObject))
	case len(params["client_id"]) != 1 || params.Get("client_id") != o.ClientID:
		return fmt.Errorf("client_id is %.100q, expected RequestObject.ClientID %q", params.Get("client_id"), o.ClientID)
	}
	for _, name := range slices.Concat(outside, own) {
		if params.Has(name) {
			return fmt.Errorf("%s must not be a parameter of a request object: remove it", name)
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

// claimsOf converts parameters to claims (RFC 9101 §4, OpenID Connect Core §6.1). JSON stays JSON,
// a number becomes a JSON number, and a repeated parameter becomes an array.
func claimsOf(params url.Values) (map[string]any, error) {
	claims := map[string]any{}
	for name, values := range params {
		switch {
		case len(values) > 1:
			claims[name] = values
		case name == "claims" || name == "authorization_details":
			if !json.Valid([]byte(values[0])) {
				return nil, fmt.Errorf("the parameter %s is not JSON", name)
			}
			claims[name] = json.RawMessage(values[0])
		case name == "max_age":
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("max_age is %.100q, expected a number of seconds", values[0])
			}
			claims[name] = n
		case len(values) == 1:
			claims[name] = values[0]
		}
	}
	return claims, nil
}
