//go:build !go1.27

package jose

import (
	"crypto"
	"encoding/json"
)

func parseMLDSA(string, []byte) (any, error) { return nil, errNoMLDSA }

func ownKey(public crypto.PublicKey) crypto.PublicKey { return public }

func mlDSAJWK(crypto.PublicKey) (json.RawMessage, string, bool) { return nil, "", false }
