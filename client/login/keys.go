package login

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ParseKeys reads Config.Keys from text, such as an environment variable. The text has keys of 32
// bytes in base64, separated by commas. "openssl rand -base64 32" prints such a key. For "" it
// returns nil. It returns an error for a key that is not base64 of 32 bytes.
func ParseKeys(s string) ([][]byte, error) {
	if strings.TrimSpace(s) == "" {
		return nil, nil
	}
	var keys [][]byte
	var errs []error
	for i, text := range strings.Split(s, ",") {
		key, err := parseKey(strings.TrimSpace(text))
		if err != nil {
			errs = append(errs, fmt.Errorf("login: key %d %w", i+1, err))
		}
		keys = append(keys, key)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return keys, checkKeys(keys)
}

const makeKey = "make one with `openssl rand -base64 32`"

// parseKey reads a key. Its errors contain no part of the text.
func parseKey(text string) ([]byte, error) {
	if text == "" {
		return nil, errors.New("is empty: remove the comma, or add the missing key")
	}
	if _, err := hex.DecodeString(text); err == nil && len(text) == 2*keySize {
		return nil, errors.New("consists of 64 hex digits, expected 32 bytes in base64: " + makeKey)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil:
		return nil, errors.New("is not base64, expected 32 random bytes in base64: " + makeKey)
	case len(key) != keySize:
		return nil, fmt.Errorf("decodes to %d bytes, expected %d: %s", len(key), keySize, makeKey)
	}
	return key, nil
}

const maxKeys = 10

func checkKeys(keys [][]byte) error {
	var errs []error
	for i, key := range keys {
		if len(key) != keySize {
			errs = append(errs, fmt.Errorf("login: key %d of Config.Keys has %d bytes, expected %d: %s and read it with ParseKeys", i+1, len(key), keySize, makeKey))
		}
	}
	if len(keys) == 0 || len(keys) > maxKeys {
		errs = append(errs, fmt.Errorf("login: Config.Keys has %d keys, expected 1 to %d", len(keys), maxKeys))
	}
	return errors.Join(errs...)
}
