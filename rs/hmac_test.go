package rs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestSecretSignature: a server that signs access tokens with a secret has no key for them in its
// key set. JWT.Algs without other Keys does not help, so the error names both.
func TestSecretSignature(t *testing.T) {
	s := optest.New(t)
	key := optest.NewKey("k", "HS256")
	now := time.Now().Unix()
	token := key.Sign(m{
		"iss": s.URL, "sub": "alice", "aud": optest.Audience, "client_id": "web", "scope": "photos.read",
		"exp": now + 300, "iat": now, "jti": "canary-jti",
	}, m{"typ": "at+jwt"})
	for name, test := range map[string]struct {
		edit func(*rs.JWT)
		want string // "" means accepted
	}{
		"default":        {func(*rs.JWT) {}, "Configure the server to sign with RS256 or ES256, or use Introspection"},
		"only Algs":      {func(j *rs.JWT) { j.Algs = []string{"HS256"} }, "the key set has no key"},
		"Algs and Keys":  {func(j *rs.JWT) { j.Algs, j.Keys = []string{"HS256"}, idtoken.SecretKeys(string(key.Secret)) }, ""},
		"another secret": {func(j *rs.JWT) { j.Algs, j.Keys = []string{"HS256"}, idtoken.SecretKeys(strings.Repeat("canary", 10)) }, "signature"},
	} {
		j := jwtVerifier(s)
		test.edit(j)
		_, err := j.VerifyToken(t.Context(), token)
		switch {
		case test.want == "" && err == nil:
		case test.want == "" || err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary"):
			t.Errorf("%s: %v, expected %q", name, err, test.want)
		}
	}
}
