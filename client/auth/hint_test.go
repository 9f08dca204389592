package auth_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client/auth"
)

// TestHint: the hint names what looks wrong before it suspects the server.
func TestHint(t *testing.T) {
	for _, test := range []struct {
		method   auth.Method
		id, want string
	}{
		{auth.Secret("canary"), "web ", "the client ID begins or ends with a space"},
		{auth.SecretPost("canary"), " web", "the client ID begins or ends with a space"},
		{auth.Public(), "web ", "the client ID begins or ends with a space"},
		{auth.Secret("canary "), "web", "the secret begins or ends with a space"},
		{auth.SecretBasic("canary+"), "web", "SecretBasicRaw"},
		{auth.SecretBasic("canary"), "web 1", "SecretBasicRaw"},
	} {
		if got := test.method.Hint(test.id); !strings.Contains(got, test.want) || strings.Contains(got, "canary") {
			t.Errorf("%s, %q: %q, expected %q", test.method.Name(), test.id, got, test.want)
		}
	}
	if got := auth.SecretBasic("canary").Hint("web"); got != "" {
		t.Errorf("a hint without a reason: %q", got)
	}
}
