package issuertest_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

// encrypting starts an issuer that encrypts with its client's key. change selects what is
// encrypted.
func encrypting(t *testing.T, change func(*issuertest.Client)) (*issuertest.Issuer, []auth.DecryptionKey) {
	key := issuertest.NewKey("enc", "ES256")
	jwk := key.JWK()
	jwk["use"], jwk["alg"] = "enc", "ECDH-ES"
	registered := issuertest.Client{
		ID: issuertest.ClientID, Secret: issuertest.ClientSecret, Keys: marshal(t, map[string]any{"keys": []any{jwk}}),
	}
	change(&registered)
	issuer := issuertest.New(t, issuertest.Config{Clients: []issuertest.Client{registered}})
	return issuer, []auth.DecryptionKey{{KeyID: "enc", Key: key.Private}}
}

func TestEncryptedResponse(t *testing.T) {
	issuer, keys := encrypting(t, func(c *issuertest.Client) { c.ResponseEncryptionAlg, c.ResponseEncryptionEnc = "ECDH-ES", "A128GCM" })
	jarm := func(c *client.Config) { c.ResponseMode = "jwt" }
	mustLogin(t, issuer, newClient(t, issuer, func(c *client.Config) { jarm(c); c.ResponseDecryptionKeys = keys }))
	if _, err := tryLogin(t, issuer, newClient(t, issuer, jarm)); err == nil {
		t.Error("an encrypted response is accepted by a client without keys")
	}
	c := newClient(t, issuer, jarm)
	redirect, _, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got := issuer.SignIn(t, redirect).Get("response"); strings.Count(got, ".") != 4 {
		t.Error("the response is not encrypted")
	}
}

func TestEncryptedUserInfo(t *testing.T) {
	issuer, keys := encrypting(t, func(c *issuertest.Client) { c.SignedUserInfo, c.UserInfoEncryptionAlg = true, "ECDH-ES" })
	signed := func(c *client.Config) { c.UserInfoAlgs = []string{"RS256"} }
	c := newClient(t, issuer, func(c *client.Config) { signed(c); c.UserInfoDecryptionKeys = keys })
	tokens := mustLogin(t, issuer, c)
	if info, err := c.UserInfo(t.Context(), tokens); err != nil || info.Subject != issuertest.Subject {
		t.Errorf("UserInfo: %v", err)
	}
	if _, err := newClient(t, issuer, signed).UserInfo(t.Context(), tokens); err == nil {
		t.Error("an encrypted response is accepted by a client without keys")
	}
}

func TestEncryptedRequestObject(t *testing.T) {
	key := issuertest.NewKey("client-key", "ES256")
	config := issuertest.Config{
		EncryptionKey: true, Clients: []issuertest.Client{{ID: issuertest.ClientID, Secret: issuertest.ClientSecret, Keys: issuertest.JWKS(key)}},
	}
	issuer := issuertest.New(t, config)
	with := func(alg string, signing issuertest.Key) func(*client.Config) {
		return func(c *client.Config) {
			c.RequestObject = &client.RequestObject{Keys: auth.SigningKey{KeyID: key.ID, Key: signing.Private}}
			if alg != "" {
				c.RequestObject.EncryptionAlg, c.RequestObject.EncryptionEnc = alg, "A256GCM"
			}
		}
	}
	for _, alg := range []string{"ECDH-ES", "ECDH-ES+A256KW", ""} {
		mustLogin(t, issuer, newClient(t, issuer, with(alg, key)))
	}
	for _, x := range issuer.Exchanges(issuertest.PAREndpoint)[:2] {
		if raw := x.Request.PostForm.Get("request"); strings.Count(raw, ".") != 4 {
			t.Error("the request object is not encrypted")
		}
	}
	if _, err := tryLogin(t, issuer, newClient(t, issuer, with("ECDH-ES", issuertest.NewKey("client-key", "ES256")))); err == nil {
		t.Error("an encrypted request object with a wrong signature is accepted")
	}
	config.EncryptionKey = false
	plain := issuertest.New(t, config)
	if _, err := tryLogin(t, plain, newClient(t, plain, with("ECDH-ES", key))); err == nil {
		t.Error("an issuer without an encryption key has one for the client")
	}
}
