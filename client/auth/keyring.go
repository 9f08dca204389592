package auth

import (
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	ringMaxAge    = time.Hour
	ringMaxMaxAge = 24 * time.Hour
	ringMargin    = time.Minute              // from when the set is written to when a server begins to keep it, and for clocks
	ringKeep      = 2 * MaxAssertionLifetime // the longest life of a JWT that a client signs, and as much for clocks
	maxRing       = 16                       // keys of each use
)

// KeyRing is the client's rotating key set. It is the [KeySource] that signs, and an http.Handler
// that serves the public keys at the registered jwks_uri (RFC 7517 §5). A new key is served before
// it signs, for as long as servers may cache the old set. An old key is served until its last JWT
// has expired. The zero value is an empty ring. A KeyRing must not be copied. It is safe for
// concurrent use.
//
// All processes of one client have the same ring if they add the same keys with the same times. A
// KeyRing redacts itself in fmt and log/slog.
type KeyRing struct {
	unprinted[KeyRing]

	// MaxAge is how long servers may cache the set. 0 means one hour. The maximum is one day.
	MaxAge time.Duration

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	mu         sync.Mutex
	signing    []ringKey // in the order in which they sign
	encryption []json.RawMessage
	certified  []json.RawMessage // see PublishCertificates
}

type ringKey struct {
	key    SigningKey
	public json.RawMessage
	from   time.Time // when it begins to sign
}

// Rotate adds a key that replaces the current signing key at the time from. The zero time means as
// soon as possible: one minute after MaxAge, or now if there is no key. With any other time, the
// caller must make sure that the key is served for MaxAge before that time. An earlier run of the
// program may have served it. A key without a KeyID gets its thumbprint (RFC 7638). Rotate returns
// an error if the key ID exists already, or if too many keys wait to sign.
func (r *KeyRing) Rotate(key SigningKey, from time.Time) error {
	if r.MaxAge < 0 || r.MaxAge > ringMaxMaxAge {
		return fmt.Errorf("auth: KeyRing.MaxAge is %s, expected 0 to %s", jose.Duration(r.MaxAge), jose.Duration(ringMaxMaxAge))
	}
	added, err := newRingKey(key)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.signing = r.alive()
	if r.has(added.key.KeyID) || len(r.signing) == maxRing {
		return fmt.Errorf("auth: KeyRing: the key ID %q exists, or the ring has the maximum of %d keys: use another ID, or wait until a key expires", added.key.KeyID, maxRing)
	}
	added.from = r.begin(from)
	r.signing = append(r.signing, added)
	slices.SortStableFunc(r.signing, func(a, b ringKey) int { return a.from.Compare(b.from) })
	return nil
}

// begin returns the time at which a new key starts to sign.
func (r *KeyRing) begin(from time.Time) time.Time {
	switch {
	case !from.IsZero():
		return from
	case len(r.signing) == 0:
		return r.now()
	}
	return r.now().Add(r.maxAge() + ringMargin)
}

// Publish serves the public parts of these keys, so that servers can encrypt to them. They
// replace the keys of an earlier call. Keep decrypting with a removed key for MaxAge, plus the
// lifetime of encrypted values. Every key needs a KeyID. It returns an error for more than 16
// keys, for a key without a KeyID, and for a key of an unknown type.
func (r *KeyRing) Publish(keys ...DecryptionKey) error {
	if len(keys) > maxRing {
		return fmt.Errorf("auth: KeyRing: Publish received %d keys, expected at most %d", len(keys), maxRing)
	}
	var all []json.RawMessage
	for _, k := range keys {
		private, ok := k.Key.(interface{ Public() crypto.PublicKey })
		if !ok || k.KeyID == "" {
			return errors.New("auth: KeyRing: a DecryptionKey has no KeyID or no public key: set both")
		}
		public, _, err := publicJWK(private.Public(), map[string]any{"kid": k.KeyID, "use": "enc"})
		if err != nil {
			return fmt.Errorf("auth: KeyRing: %w", err)
		}
		all = append(all, public)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.encryption = all
	return nil
}

// Current implements KeySource. It returns the key that signs now.
func (r *KeyRing) Current() SigningKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for _, k := range slices.Backward(r.signing) {
		if !now.Before(k.from) {
			return k.key
		}
	}
	return SigningKey{} // it cannot sign
}

// JWKS returns the set that is served now, for registrations that contain the keys (jwks).
func (r *KeyRing) JWKS() json.RawMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	keys := []json.RawMessage{}
	for _, k := range r.alive() {
		keys = append(keys, k.public)
	}
	set, _ := json.Marshal(map[string]any{"keys": append(append(keys, r.encryption...), r.certified...)})
	return set
}

const noKeys = `{"keys":[]}`

// ServeHTTP implements http.Handler.
func (r *KeyRing) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	h := w.Header()
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	set, keep := r.JWKS(), "public, max-age="+strconv.Itoa(int(r.maxAge()/time.Second))
	if string(set) == noKeys { // the first key signs at once
		keep = "no-store"
	}
	h.Set("Content-Type", "application/jwk-set+json")
	h.Set("Cache-Control", keep)
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(set)
}

func (r *KeyRing) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *KeyRing) maxAge() time.Duration {
	if r.MaxAge == 0 {
		return ringMaxAge
	}
	return r.MaxAge
}

func (r *KeyRing) has(keyID string) bool {
	return slices.ContainsFunc(r.signing, func(k ringKey) bool { return k.key.KeyID == keyID })
}

// alive returns the keys whose last JWT may not have expired. It omits keys that were replaced
// long enough ago.
func (r *KeyRing) alive() []ringKey {
	now, alive := r.now(), r.signing
	for len(alive) > 1 && !now.Before(alive[1].from.Add(ringKeep)) {
		alive = alive[1:]
	}
	return alive
}

func newRingKey(key SigningKey) (ringKey, error) {
	signer, err := key.signer()
	if err != nil {
		return ringKey{}, fmt.Errorf("auth: KeyRing: %w", err)
	}
	public, thumbprint, err := publicJWK(key.Key.Public(), map[string]any{"kid": key.KeyID, "use": "sig", "alg": signer.Alg()})
	if err != nil {
		return ringKey{}, fmt.Errorf("auth: KeyRing: %w", err)
	}
	if key.KeyID == "" {
		key.KeyID = thumbprint
	}
	return ringKey{key: key, public: public}, nil
}

// publicMembers are the members of a public key, RFC 7518 §6. No others are ever served.
var publicMembers = []string{"kty", "crv", "x", "y", "n", "e"}

// publicJWK encodes a public key with additional members. An empty kid is replaced by the
// thumbprint.
func publicJWK(key crypto.PublicKey, more map[string]any) (public json.RawMessage, thumbprint string, err error) {
	raw, thumbprint, err := jose.PublicJWK(key)
	if err != nil {
		return nil, "", err
	}
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, "", err
	}
	for _, name := range publicMembers {
		if value, ok := all[name]; ok {
			more[name] = value
		}
	}
	if more["kid"] == "" {
		more["kid"] = thumbprint
	}
	public, err = json.Marshal(more)
	return public, thumbprint, err
}
