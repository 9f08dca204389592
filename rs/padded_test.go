package rs_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// TestPaddedAudience: an audience that was read with its line end is an error that names the field
// and the value. Otherwise every token would be rejected, without the reason.
func TestPaddedAudience(t *testing.T) {
	const issuer = "https://as.example"
	jwt := func(one string, more ...string) rs.Verifier {
		return &rs.JWT{Issuer: issuer, Audience: one, Audiences: more, Keys: (&discovery.Provider{Issuer: issuer}).Keys()}
	}
	asked := func(one string, more ...string) rs.Verifier {
		return &rs.Introspection{
			Issuer: issuer, Audience: one, Audiences: more, URL: "https://as.example/introspect", Auth: auth.SecretBasic("secret").For("api", issuer),
			HTTP: &http.Client{Transport: http.NewFileTransport(http.Dir(t.TempDir()))},
		}
	}
	for want, v := range map[string]rs.Verifier{
		`JWT.Audience is "padded\n"`:              jwt("padded\n"),
		`JWT.Audiences is ["padded\n"]`:           jwt("right", "padded\n"),
		`Introspection.Audience is "padded\n"`:    asked("padded\n"),
		`Introspection.Audiences is ["padded\n"]`: asked("right", "padded\n"),
	} {
		if _, err := v.VerifyToken(t.Context(), "token"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, expected %s", err, want)
		}
	}
}
