package jose

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

const maxKeys = 100

// ErrUnknownKey reports that a set has no key with the token's kid. Only this error is a
// reason to fetch a newer set.
var ErrUnknownKey = errors.New("the key set has no key with the token's kid: the token is from another server, or Keys are. Or the server has replaced its keys")

// Set is an immutable set of keys.
type Set struct {
	Skipped []error // why entries of the document are not used

	encryption []encryptionKey

	byID  map[string][]Key
	all   []Key
	anyID bool // kid is ignored, because there is only one secret
}

// ParseSet decodes a JWK Set (RFC 7517 §5). It skips a key that is unknown, unusable or weak.
// A document that is not a key set is an error.
func ParseSet(raw []byte) (*Set, error) {
	var doc struct {
		Keys    *[]jsontext.Value `json:"keys"`
		JWKSURI string            `json:"jwks_uri"`
	}
	if err := Decode(raw, &doc, keySetLimits); err != nil {
		return nil, fmt.Errorf("key set: %w", err)
	}
	if doc.Keys == nil && doc.JWKSURI != "" {
		return nil, fmt.Errorf("key set: this is the server's metadata: use its jwks_uri %s, or the Keys of a discovery.Provider", Quote(doc.JWKSURI))
	}
	if doc.Keys == nil {
		return nil, errors.New("key set: the member keys is missing")
	}
	if len(*doc.Keys) > maxKeys {
		return nil, fmt.Errorf("key set: it has %d keys, expected at most %d", len(*doc.Keys), maxKeys)
	}
	s := &Set{byID: map[string][]Key{}}
	for i, raw := range *doc.Keys {
		k, err := ParseKey(raw)
		if err != nil {
			if !s.addEncryption(raw) {
				s.Skipped = append(s.Skipped, fmt.Errorf("key %d: %w", i, err))
			}
			continue
		}
		s.add(k)
	}
	s.reportTwins()
	return s, nil
}

// reportTwins reports each kid that several different keys share for the same algorithms.
// Such keys are unusable. They stay in the set, so that a token with this kid is rejected
// instead of verified with either key.
func (s *Set) reportTwins() {
	told := map[string]bool{}
	for _, k := range s.all {
		if !told[k.ID] && slices.ContainsFunc(s.byID[k.ID], k.twin) {
			told[k.ID] = true
			s.Skipped = append(s.Skipped, fmt.Errorf("two different keys have the kid %s and fit the same algorithm, so neither is used", Quote(k.ID)))
		}
	}
}

// twin reports whether a token could refer to either key.
func (k Key) twin(o Key) bool {
	if k.same(o) || k.Alg != "" && o.Alg != "" && k.Alg != o.Alg {
		return false
	}
	for _, a := range algorithms {
		if a.fits(k.material) && a.fits(o.material) && (k.Alg == "" || k.Alg == a.name) && (o.Alg == "" || o.Alg == a.name) {
			return true
		}
	}
	return false
}

// NewSecretSet returns a set with one HMAC secret from the caller's configuration, RFC 7518
// §3.2.
func NewSecretSet(key []byte) *Set {
	s := &Set{byID: map[string][]Key{}, anyID: true}
	s.add(Key{material: secret(key)})
	return s
}

// Format implements fmt.Formatter. No verb prints a key, because it may be a secret.
func (s *Set) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[%d keys]", len(s.all)) }

// LogValue implements slog.LogValuer.
func (s *Set) LogValue() slog.Value { return slog.StringValue(fmt.Sprint(s)) }

func (s *Set) add(k Key) {
	s.byID[k.ID] = append(s.byID[k.ID], k)
	s.all = append(s.all, k)
}

// Len returns the number of usable keys.
func (s *Set) Len() int { return len(s.all) }

// Has reports whether the set has a key with this kid.
func (s *Set) Has(kid string) bool { return len(s.byID[kid]) > 0 }

// VerifyToken verifies t's signature with the one key that its header refers to.
func (s *Set) VerifyToken(_ context.Context, t *Token) error {
	a := algorithms[t.Header.Alg]
	if a == nil {
		return fmt.Errorf("signature algorithm %s is not supported", Quote(t.Header.Alg))
	}
	key, err := s.find(t.Header, a)
	if err != nil {
		return err
	}
	if a.verify(t, key.material) != nil {
		return errServerSignature
	}
	t.key = key
	if t.Header.JWK == nil {
		knownHeaders.keep(t)
	}
	return nil
}

// VerifySignature implements go-oidc's KeySet. It verifies a JWT and returns its payload.
func (s *Set) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	return VerifySignature(ctx, s, jwt)
}

// TokenVerifier verifies the signature of a token that was already parsed.
type TokenVerifier interface {
	VerifyToken(context.Context, *Token) error
}

// KeySet has the method of go-oidc's KeySet. It verifies a JWT and returns its payload.
type KeySet interface {
	VerifySignature(ctx context.Context, jwt string) (payload []byte, err error)
}

var errOther = errors.New("the key set returned another payload than that of the token: check its VerifySignature method")

// VerifyWith verifies t, which was parsed from raw, with a key set. A key set of this module
// verifies t directly. Any other key set gets raw, and must return the same payload as t's.
func VerifyWith(ctx context.Context, keys KeySet, raw string, t *Token) error {
	if own, ok := keys.(TokenVerifier); ok {
		return own.VerifyToken(ctx, t)
	}
	payload, err := keys.VerifySignature(ctx, raw)
	if err != nil {
		return err
	}
	if string(payload) != string(t.Payload) {
		return errOther
	}
	return nil
}

// VerifySignature calls a TokenVerifier with the signature of go-oidc's KeySet method.
func VerifySignature(ctx context.Context, v TokenVerifier, jwt string) ([]byte, error) {
	t, err := Parse(jwt, MaxSize)
	if err != nil {
		return nil, err
	}
	if err := v.VerifyToken(ctx, t); err != nil {
		return nil, err
	}
	return t.Payload, nil
}

// find selects a key by kid, alg and type together, never only by kid: a key set may use one kid
// for several algorithms. Without a kid, exactly one key must fit (OIDC Core 10.1). If two
// different keys fit, neither is tried.
func (s *Set) find(h Header, a *algorithm) (*Key, error) {
	candidates := s.all
	if h.Kid != "" && !s.anyID {
		candidates = s.byID[h.Kid]
		if len(candidates) == 0 {
			return nil, ErrUnknownKey
		}
	}
	var found *Key
	for i := range candidates {
		k := &candidates[i]
		if k.Alg != "" && k.Alg != a.name || !a.fits(k.material) {
			continue
		}
		if found != nil && !found.same(*k) {
			return nil, fmt.Errorf("several keys match alg %s and kid %s, expected one", a.name, Quote(h.Kid))
		}
		found = k
	}
	if found == nil {
		return nil, fmt.Errorf("no key matches alg %s and kid %s", a.name, Quote(h.Kid))
	}
	return found, nil
}

// Holds reports whether key is still in the set.
func (s *Set) Holds(_ context.Context, key *Key) (bool, error) {
	candidates := s.byID[key.ID]
	for i := range candidates {
		k := &candidates[i]
		if k == key || k.Alg == key.Alg && k.same(*key) {
			return true, nil
		}
	}
	return false, nil
}

// Union returns the set of all keys in sets. A nil set has no keys.
func Union(sets ...*Set) *Set {
	out := &Set{byID: map[string][]Key{}}
	for _, s := range sets {
		if s == nil {
			continue
		}
		for _, k := range s.all {
			out.add(k)
		}
	}
	return out
}
