package rs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/http"
	"time"
)

// nonceLife is how long a nonce is current. The previous nonce is accepted too. The next nonce is
// also accepted, because a replica whose clock is ahead already sends it.
const nonceLife = 2 * time.Minute

var errNonce = errors.New("the nonce of the proof is missing or expired: the client must retry with the nonce of the response")

// nonce returns the current nonce: a MAC of the period of nonceLife that contains at. It cannot be
// predicted without the key (RFC 9449 §8).
func (d *DPoP) nonce(at time.Time) string { return d.nonceOf(at.Unix() / int64(nonceLife/time.Second)) }

func (d *DPoP) nonceOf(period int64) string {
	mac := hmac.New(sha256.New, d.NonceKey)
	mac.Write([]byte("countersign DPoP nonce"))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(period)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// checkNonce accepts the nonces of the current, the previous and the next period. A missing
// nonce is rejected like a wrong one (RFC 9449 §11.3).
func (d *DPoP) checkNonce(at time.Time) func(string) error {
	return func(nonce string) error {
		if len(d.NonceKey) == 0 {
			return nil
		}
		for _, differs := range []time.Duration{0, -nonceLife, nonceLife} {
			if hmac.Equal([]byte(nonce), []byte(d.nonce(at.Add(differs)))) {
				return nil
			}
		}
		return errNonce
	}
}

// offerNonce sends the current nonce with every accepted response, so that the client's next
// request does not fail (RFC 9449 §8.2). no-store keeps caches from sending old nonces.
func (d *DPoP) offerNonce(w http.ResponseWriter) {
	if d != nil && len(d.NonceKey) > 0 {
		w.Header().Set("DPoP-Nonce", d.nonce(now(d.Now)))
		w.Header().Set("Cache-Control", "no-store")
	}
}
