package client_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/par"
)

// objectClaims verifies a request object and returns its claims as parameters.
func objectClaims(t *testing.T, k optest.Key, jwt string) url.Values {
	t.Helper()
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := set.VerifySignature(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	q := url.Values{}
	for name, value := range claims {
		if s, ok := value.(string); ok {
			q.Set(name, s)
		}
	}
	return q
}

// TestRequestObject sends a request object by PAR, by value and by reference. JAR-01, PAR-02.
func TestRequestObject(t *testing.T) {
	k := optest.NewKey("jar", "PS256")
	s := optest.New(t)
	s.Edit = func(md map[string]any) { md["require_signed_request_object"] = true }
	cfg := config(s)
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err == nil {
		t.Error("the server requires signed requests, and got a plain one")
	}
	cfg.Scopes = []string{"openid", "photos.read"}
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{KeyID: "jar", Alg: "PS256", Key: k.Private}}

	redirect, pending, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	pushed := s.Form("/par")
	if len(pushed) != 3 || pushed.Get("client_id") != optest.ClientID || len(query(t, redirect)) != 2 {
		t.Errorf("pushed %v, in the browser %s", pushed, redirect)
	}
	if claims := objectClaims(t, k, pushed.Get("request")); claims.Get("state") != pending.State || claims.Get("nonce") != pending.Nonce || claims.Get("scope") != "openid photos.read" || claims.Get("aud") != s.URL {
		t.Errorf("claims %v", claims)
	}

	cfg.PAR = client.PAROff
	redirect, pending, err = newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	front := query(t, redirect)
	if len(front) != 4 || front.Get("scope") != "openid photos.read" || front.Get("response_type") != "code" || front.Get("client_id") != optest.ClientID || objectClaims(t, k, front.Get("request")).Get("state") != pending.State {
		t.Errorf("by value: %v", front)
	}

	published := &par.Published{BaseURL: "https://rp.example/objects"}
	cfg.RequestObject.Publisher, cfg.RepeatParameters = published, true
	redirect, pending, err = newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	front = query(t, redirect)
	w := httptest.NewRecorder()
	published.ServeHTTP(w, httptest.NewRequest("GET", front.Get("request_uri"), nil))
	if objectClaims(t, k, w.Body.String()).Get("state") != pending.State || front.Get("scope") != "openid photos.read" || front.Get("response_type") != "code" || front.Has("state") {
		t.Errorf("by reference: %v", front)
	}
}

// TestRequestObjectEncrypted encrypts only with the server's key for encryption.
func TestRequestObjectEncrypted(t *testing.T) {
	k := optest.NewKey("jar", "ES256")
	enc, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := optest.New(t)
	encJWK := m{"kty": "RSA", "kid": "enc", "use": "enc", "n": optest.B64(enc.N.Bytes()), "e": optest.B64(big.NewInt(int64(enc.E)).Bytes())}
	s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 200, m{"keys": []any{s.Keys[0].JWK(), encJWK}})
	})
	cfg := config(s)
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{KeyID: "jar", Key: k.Private}, EncryptionAlg: "RSA-OAEP-256", EncryptionEnc: "A256GCM"}
	_, pending, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	jwe := s.Form("/par").Get("request")
	plain, err := jose.Decrypt(jwe, 0, jose.DecryptionAlgs, []jose.PrivateKey{{ID: "enc", Key: enc}})
	if err != nil {
		t.Fatal(err)
	}
	header, _ := base64.RawURLEncoding.DecodeString(jwe[:strings.IndexByte(jwe, '.')])
	if objectClaims(t, k, string(plain)).Get("state") != pending.State || !strings.Contains(string(header), `"cty":"JWT"`) || !strings.Contains(string(header), `"kid":"enc"`) {
		t.Errorf("header %s", header)
	}

	for name, more := range map[string]m{"for signatures": {"use": "sig"}, "of another alg": {"alg": "RSA1_5"}, "private": {"d": "AQAB"}, "of no use": {"use": nil}} {
		jwk := maps.Clone(encJWK)
		maps.Copy(jwk, more)
		s.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 200, m{"keys": []any{jwk}}) })
		if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{}); err == nil {
			t.Errorf("encrypted to a key %s", name)
		}
	}
	for _, bad := range []client.RequestObject{{}, {Keys: auth.SigningKey{Key: k.Private}, EncryptionAlg: "RSA1_5", EncryptionEnc: "A256GCM"}, {Keys: auth.SigningKey{Key: k.Private}, EncryptionAlg: "ECDH-ES"}, {Keys: auth.SigningKey{Key: k.Private}, Lifetime: 1e18}} {
		cfg.RequestObject = &bad
		if _, err := client.New(cfg); err == nil {
			t.Errorf("%+v: accepted", bad)
		}
	}
}
