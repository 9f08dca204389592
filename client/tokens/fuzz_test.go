package tokens_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
)

// FuzzReadChallenge: the request of any challenge is valid for Begin.
func FuzzReadChallenge(f *testing.F) {
	for _, s := range []string{"Bearer", `Bearer error="invalid_token", scope="a"`, `DPoP error=use_dpop_nonce`, `Basic realm="x", Bearer error="e"`, `Bearer error="a\"b"`, `Negotiate abc==, Bearer error="e"`, "=", `"`, ",", `Bearer error="<script>"`,
		`Bearer error="insufficient_scope", scope="a b\\"`, `Bearer error="insufficient_user_authentication", acr_values="a \"", max_age="1e9"`, `Bearer resource_metadata="https://a@b"`} {
		f.Add(s)
	}
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb", Metadata: &discovery.Metadata{
		Issuer: "https://as.example", AuthorizationEndpoint: "https://as.example/a", TokenEndpoint: "https://as.example/t", JWKSURI: "https://as.example/k",
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, field string) {
		wants := tokens.ReadChallenge(&http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {field}}})
		if wants == nil {
			return
		}
		if _, err := json.Marshal(wants); err != nil || wants.ResourceMetadata != "" && discovery.CheckURL(wants.ResourceMetadata) != nil {
			t.Errorf("%q gives %+v", field, wants)
		}
		if _, _, err := c.Begin(t.Context(), wants.Request()); err != nil {
			t.Errorf("%q gives a request that Begin does not take: %v", field, err)
		}
		if _, _, err := c.Begin(t.Context(), client.Request{Scopes: wants.ACRValues}); err != nil {
			t.Errorf("%q gives a value of acr_values that is none: %v", field, err)
		}
	})
}
