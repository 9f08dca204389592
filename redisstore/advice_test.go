package redisstore

import (
	"errors"
	"strings"
	"testing"
)

// TestAdvice: the error of a mistake of the operator says what to do.
func TestAdvice(t *testing.T) {
	for code, says := range map[string]string{
		"NOAUTH": "user and password in Config.URL", "WRONGPASS": "correct user and password", "NOPERM": "ACL of the user",
		"OOM": "maxmemory", "READONLY": "connect to the primary", "ERR": "responded with ERR",
	} {
		if got := describe(errors.New("canary"), code).Error(); !strings.Contains(got, says) || strings.Contains(got, "canary") {
			t.Errorf("%s: %s, expected %q", code, got, says)
		}
	}
}
