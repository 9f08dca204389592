package login

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ParseKeys reads Config.Keys from text, such as an environment variable: keys of 32 bytes in
// base64, as "openssl rand -base64 32" prints them, separated by commas. For "" it returns nil.
// It returns an error for a key that is not base64 of 32 bytes.
func ParseKeys(s string) ([][]byte, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var keys [][]byte
	for i, text := range strings.Split(s, ",") {
		key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("login: key %d is not base64, expected 32 random bytes in base64", i+1) // err could reveal parts of the key
		}
		keys = append(keys, key)
	}
	return keys, checkKeys(keys)
}

const maxKeys = 10

func checkKeys(keys [][]byte) error {
	var errs []error
	for i, key := range keys {
		if len(key) != keySize {
			errs = append(errs, fmt.Errorf("login: Config.Keys[%d] has %d bytes, expected %d", i, len(key), keySize))
		}
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		errs = append(errs, fmt.Errorf("login: Config.Keys has %d keys, expected 1 to %d", len(keys), maxKeys))
	}
	return errors.Join(errs...)
}
