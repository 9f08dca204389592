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

// nonceLife is how long a nonce is the current one. The one before is accepted too, and the
// next one: a replica whose clock is ahead gives it out early.
const nonceLife = 2 * time.Minute

var errNonce = errors.New("the proof has no current nonce")

// nonce is the current one: a MAC of the time, cut into pieces of nonceLife. Who has
// not the key cannot tell what it will be (RFC 9449 §8: unpredictable).
func (d *DPoP) nonce(at time.Time) string { return d.nonceOf(at.Unix() / int64(nonceLife/time.Second)) }

func (d *DPoP) nonceOf(period int64) string {
	mac := hmac.New(sha256.New, d.NonceKey)
	mac.Write([]byte("countersign DPoP nonce"))
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(period)))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:18])
}

// checkNonce accepts the nonces around now. A missing one is rejected like a wrong one
// (RFC 9449 §11.3).
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

// offerNonce gives every client the current nonce along with a good answer, so that
// none has to fail for it (RFC 9449 §8.2). A cache would give others an old one.
func (d *DPoP) offerNonce(w http.ResponseWriter) {
	if d != nil && len(d.NonceKey) > 0 {
		w.Header().Set("DPoP-Nonce", d.nonce(now(d.Now)))
		w.Header().Set("Cache-Control", "no-store")
	}
}
