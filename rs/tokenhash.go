package rs

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"sync"
)

// tokenKey is what a token is remembered by: the token itself is not kept.
type tokenKey [sha256.Size]byte

// hasher makes the keys: by GMAC (NIST SP 800-38D) under a secret that this process makes
// for itself, which is three times as fast as SHA-256, half of the cost of a token that was
// seen before. Two tokens have the same key once in 2^100 tries at the best, whoever
// chooses them. That one nonce is used for all takes nothing from that: only who sees the
// results can do something with it, and they never leave the process.
type hasher struct {
	gcm   cipher.AEAD // nil where only FIPS 140 is allowed, which wants a nonce a message: then SHA-256
	token []byte
	tag   [16]byte
}

var (
	hashers = sync.Pool{New: func() any { return &hasher{gcm: newGMAC()} }}
	newGMAC = sync.OnceValue(func() cipher.AEAD {
		secret := make([]byte, 32)
		rand.Read(secret)
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			return nil
		}
		return gcm
	})
	oneNonce [12]byte
)

// keyOf is good for this process alone.
func keyOf(token string) tokenKey {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	return h.key(token)
}

func (h *hasher) key(token string) (key tokenKey) {
	h.token = append(h.token[:0], token...)
	if h.gcm == nil {
		return sha256.Sum256(h.token)
	}
	copy(key[:], h.gcm.Seal(h.tag[:0], oneNonce[:], nil, h.token))
	return key
}
