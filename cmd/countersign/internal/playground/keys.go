package playground

import (
	"crypto/ecdsa"
	"encoding/json"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
)

// encryptionKeys adds the public key to a key set, for ID tokens that are encrypted to it.
func encryptionKeys(signing []byte, key issuertest.Key) []byte {
	jwk := key.JWK()
	jwk["use"], jwk["alg"], jwk["kid"] = "enc", "ECDH-ES", "print-shop-enc"
	set := struct {
		Keys []any `json:"keys"`
	}{}
	if signing != nil {
		_ = json.Unmarshal(signing, &set)
	}
	set.Keys = append(set.Keys, jwk)
	out, _ := json.Marshal(set)
	return out
}

func decryptionKeys(key issuertest.Key) []idtoken.DecryptionKey {
	return []idtoken.DecryptionKey{{KeyID: "print-shop-enc", Key: key.Private.(*ecdsa.PrivateKey)}}
}
