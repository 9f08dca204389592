package rs

import (
	"errors"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// Confirmation is what a token is bound to, RFC 7800 §3.1: the sender must prove that it has
// the key or certificate. A [Protection] checks the proof. The zero value is a bearer token.
type Confirmation struct {
	KeyThumbprint         string // jkt: SHA-256 of the DPoP key, base64url, RFC 9449 §6.1
	CertificateThumbprint string // x5t#S256: SHA-256 of the client's certificate, base64url, RFC 8705 §3.1
}

// IsZero reports whether the token is a bearer token: it is not bound.
func (c Confirmation) IsZero() bool { return c == Confirmation{} }

// Actor is the party that acts for the user, RFC 8693 §4.1. Act is the previous actor or nil.
// Subject is unique only with Issuer. If Issuer is empty, the actor is of the token's issuer. Use
// only the outermost actor for decisions. For an act claim that cannot be read, the Actor has
// empty fields.
type Actor struct {
	Issuer   string `json:"iss"`       // iss; "" if act has none
	Subject  string `json:"sub"`       // sub; "" if act has none
	ClientID string `json:"client_id"` // client_id; "" if act has none
	Act      *Actor `json:"act"`       // the previous actor; nil without one
}

// AuthorizationDetail is an element of authorization_details, RFC 9396 §2.
type AuthorizationDetail struct {
	Type string // the member type, RFC 9396 §2

	raw []byte
}

// Decode decodes the whole element into v, with the members that its type defines. Member names
// must match exactly. It returns an error if v cannot hold the element.
func (a AuthorizationDetail) Decode(v any) error { return jose.Decode(a.raw, v, jose.TokenLimits) }

var errConfirmation = errors.New("cnf is malformed or binds the token in an unsupported way, expected jkt or x5t#S256")

// unchecked are registered confirmation methods that this package cannot check.
var unchecked = []string{"jwk", "jwe", "jku", "kid", "osc", "COSE_Key", "Encrypted_COSE_Key", "x5u", "x5c"}

// confirmation reads cnf. It rejects a registered method that cannot be checked, and a cnf without
// a method that can be checked. Otherwise the token would be accepted as a bearer token. Other
// members beside a checked one are ignored (RFC 7800 §3.1).
func confirmation(v jsontext.Value) (Confirmation, error) {
	var members map[string]jsontext.Value
	if err := jose.Decode(v, &members, jose.TokenLimits); err != nil {
		return Confirmation{}, errConfirmation
	}
	for _, name := range unchecked {
		if members[name] != nil {
			return Confirmation{}, errConfirmation
		}
	}
	jkt, jktErr := thumbprint(members["jkt"])
	x5t, x5tErr := thumbprint(members["x5t#S256"])
	if jktErr != nil || x5tErr != nil || jkt == "" && x5t == "" {
		return Confirmation{}, errConfirmation
	}
	return Confirmation{KeyThumbprint: jkt, CertificateThumbprint: x5t}, nil
}

// thumbprint reads a SHA-256 in base64url. It returns "" if the member is missing.
func thumbprint(v jsontext.Value) (string, error) {
	if v == nil {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(v, &s); err != nil || !isThumbprint(s) {
		return "", errConfirmation
	}
	return s, nil
}

// isThumbprint reports whether s is a SHA-256 in base64url.
func isThumbprint(s string) bool {
	sum, err := jose.DecodeBase64(s)
	return err == nil && len(sum) == 32
}

// actor reads act. If it cannot be read, the result is an Actor without Subject, so the application
// still sees that there is an actor.
func actor(v jsontext.Value) *Actor {
	var a Actor
	if err := jose.Decode(v, &a, jose.TokenLimits); err != nil {
		return &Actor{}
	}
	return &a
}

func authorizationDetails(v jsontext.Value) ([]AuthorizationDetail, error) {
	var list struct {
		Details []jsontext.Value `json:"d"`
	}
	wrapped := append(append([]byte(`{"d":`), v...), '}')
	if err := jose.Decode(wrapped, &list, jose.TokenLimits); err != nil || v.Kind() != '[' {
		return nil, errors.New("authorization_details is not an array of objects (RFC 9396 §2)")
	}
	out := make([]AuthorizationDetail, len(list.Details))
	for i, raw := range list.Details {
		var element struct {
			Type string `json:"type"`
		}
		if err := jose.Decode(raw, &element, jose.TokenLimits); err != nil || element.Type == "" {
			return nil, errors.New("authorization_details has an element without type (RFC 9396 §2)")
		}
		out[i] = AuthorizationDetail{Type: element.Type, raw: raw}
	}
	return out, nil
}
