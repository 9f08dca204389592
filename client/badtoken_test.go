package client

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/optest"
)

// TestBadTokens checks signed responses and signed UserInfo responses with the whole list of bad
// tokens.
func TestBadTokens(t *testing.T) {
	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a token caused a request to a foreign server")
	}))
	defer foreign.Close()
	for _, alg := range []string{"RS256", "ES256"} {
		key := optest.NewKey("k1", alg)
		keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write(optest.JWKS(key))
		}))
		defer keys.Close()
		c, err := New(Config{
			Issuer: keys.URL, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb", ResponseMode: "jwt",
			ResponseAlgs: []string{alg}, UserInfoAlgs: []string{alg}, Metadata: &discovery.Metadata{
				Issuer: keys.URL, AuthorizationEndpoint: keys.URL + "/a", TokenEndpoint: keys.URL + "/t", JWKSURI: keys.URL + "/jwks",
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().Unix()
		base := badtoken.Base{Key: key, Foreign: foreign.URL, Optional: []string{"iat", "sub"}, Claims: map[string]any{
			"iss": keys.URL, "aud": "rp", "iat": now, "exp": now + 60, "sub": "alice", "state": "s", "code": "c",
		}}
		t.Run("response/"+alg, func(t *testing.T) {
			base := base
			base.Without = []string{"sub"} // a response has no such claim, and the value is not read
			badtoken.Run(t, base, true, func(ctx context.Context, raw string) error {
				_, err := c.openResponse(ctx, url.Values{"response": {raw}})
				return err
			})
		})
		t.Run("UserInfo/"+alg, func(t *testing.T) {
			base := base
			base.Optional = []string{"iat", "exp", "iss", "aud"}
			badtoken.Run(t, base, true, func(ctx context.Context, raw string) error {
				_, err := c.parseUserInfo(ctx, &endpoint.Response{Status: 200, MediaType: "application/jwt", Body: []byte(raw)}, "alice")
				return err
			})
		})
	}
}
