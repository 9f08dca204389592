package issuertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/countersign/countersign/internal/jose"
)

// rsaPool keeps the RSA keys of closed issuers for reuse, because generating one needs a tenth of a
// second. Two open issuers never share a key.
var rsaPool struct {
	sync.Mutex
	free []Key
}

// borrow returns a key from the pool, or generates one.
func borrow(id, alg string) Key {
	if !isRSA(alg) {
		return NewKey(id, alg)
	}
	rsaPool.Lock()
	defer rsaPool.Unlock()
	n := len(rsaPool.free)
	if n == 0 {
		return NewKey(id, alg)
	}
	k := rsaPool.free[n-1]
	rsaPool.free = rsaPool.free[:n-1]
	return Key{ID: id, Alg: alg, Private: k.Private}
}

func isRSA(alg string) bool { return strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "PS") }

// keys are the keys of an issuer. They are generated at the first use.
type keys struct {
	mu         sync.Mutex
	alg        string
	made       int
	run        string            // part of the kid, so that an API that cached the keys of an earlier issuer fetches these
	signing    Key               // the current one
	former     []Key             // still published
	foreign    Key               // never published
	decryption *ecdsa.PrivateKey // for request objects, nil for none
	lent       []Key             // all keys that return to the pool
}

func (k *keys) make() Key {
	if k.run == "" {
		k.run = rand.Text()[:6]
	}
	k.made++
	key := borrow(fmt.Sprintf("key-%d-%s", k.made, k.run), k.alg)
	k.lent = append(k.lent, key)
	return key
}

// current returns the signing key.
func (k *keys) current() Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.signing.ID == "" {
		k.signing = k.make()
	}
	return k.signing
}

// other returns a key that the issuer does not publish.
func (k *keys) other() Key {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.foreign.ID == "" {
		k.foreign = k.make()
		k.foreign.ID = "foreign"
	}
	return k.foreign
}

// set returns the JWK Set.
func (k *keys) set() []byte {
	current := k.current()
	k.mu.Lock()
	defer k.mu.Unlock()
	return jwks(append([]Key{current}, k.former...), k.decryption)
}

func (k *keys) rotate(keep bool) {
	current := k.current()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.former = append(k.former, current)
	if !keep {
		k.former = nil
	}
	k.signing = k.make()
}

func (k *keys) use(list []Key) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.signing, k.former = list[0], slices.Clone(list[1:])
}

const encryptionKeyID = "encryption"

// requestEncryption are the algorithms of the encryption key.
var requestEncryption = []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW"}

func newDecryptionKey() *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
}

// open decrypts a request object. A request object that is not encrypted is returned
// unchanged.
func (k *keys) open(raw string) (string, error) {
	if k.decryption == nil || !jose.IsEncrypted(raw) {
		return raw, nil
	}
	own := []jose.DecryptionKey{{KeyID: encryptionKeyID, Key: k.decryption}}
	inner, _, err := jose.OpenNested(raw, jose.MaxSize, requestEncryption, own)
	return inner, err
}

// giveBack returns the keys to the pool.
func (k *keys) giveBack() {
	k.mu.Lock()
	lent := k.lent
	k.lent = nil
	k.mu.Unlock()
	rsaPool.Lock()
	defer rsaPool.Unlock()
	for _, key := range lent {
		if isRSA(key.Alg) && len(rsaPool.free) < 64 {
			rsaPool.free = append(rsaPool.free, key)
		}
	}
}

// Key returns the current signing key.
func (i *Issuer) Key() Key { return i.keys.current() }

// RotateKey generates a new signing key. The earlier keys stay in the JWK Set, so that tokens that
// were issued before remain valid.
func (i *Issuer) RotateKey() { i.keys.rotate(true) }

// ReplaceKey generates a new signing key and removes the earlier keys from the JWK Set, as after a
// leak.
func (i *Issuer) ReplaceKey() { i.keys.rotate(false) }

// UseKeys replaces the keys. The first key signs. The JWK Set contains all of them.
func (i *Issuer) UseKeys(signing Key, others ...Key) {
	i.keys.use(append([]Key{signing}, others...))
}
