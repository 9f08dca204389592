package auth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery/issuertest"
)

// getToken gets a token from a server that accepts only the named method from the client.
func getToken(method auth.Method, registration issuertest.Client, certificates ...tls.Certificate) {
	registration.ID, registration.AuthMethod = "robot", method.Name()
	issuer, err := issuertest.Start(issuertest.Config{Clients: []issuertest.Client{registration}})
	if err != nil {
		log.Fatal(err)
	}
	defer issuer.Close()
	c, err := client.New(client.Config{Issuer: issuer.URL, ClientID: "robot", Auth: method, HTTP: issuer.Client(certificates...)})
	if err != nil {
		log.Fatal(err)
	}
	issued, err := grant.ClientCredentials(context.Background(), c, client.TokenRequest{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(method.Name(), issued.AccessToken != "")
}

// form returns what a method adds to the form of a request.
func form(method auth.Method, issuer string) url.Values {
	r, err := http.NewRequest(http.MethodPost, issuer+"/token", nil)
	if err != nil {
		log.Fatal(err)
	}
	out := url.Values{}
	if err := method.For("robot", issuer).Authenticate(r, out); err != nil {
		log.Fatal(err)
	}
	return out
}

// newKey returns a signing key. In production it comes from a file, a KMS or an HSM.
func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return key
}

// A secret, sent in the way that the server's metadata lists.
func ExampleSecret() {
	getToken(auth.Secret("of the registration"), issuertest.Client{Secret: "of the registration"})
	// Output: client_secret_basic true
}

// A secret in the Authorization header.
func ExampleSecretBasic() {
	getToken(auth.SecretBasic("of the registration"), issuertest.Client{Secret: "of the registration"})
	// Output: client_secret_basic true
}

// A secret in the Authorization header, for a server that does not decode it.
func ExampleSecretBasicRaw() {
	getToken(auth.SecretBasicRaw("needs-no-encoding"), issuertest.Client{Secret: "needs-no-encoding"})
	// Output: client_secret_basic true
}

// A secret in the form.
func ExampleSecretPost() {
	getToken(auth.SecretPost("of the registration"), issuertest.Client{Secret: "of the registration"})
	// Output: client_secret_post true
}

// A JWT that is signed with the secret. The secret itself is not sent.
func ExampleSecretJWT() {
	secret := strings.Repeat("32 bytes or more", 2)
	getToken(auth.SecretJWT(secret, auth.Assertion{}), issuertest.Client{Secret: secret})
	// Output: client_secret_jwt true
}

// A JWT that is signed with a private key, whose public key is registered.
func ExamplePrivateKeyJWT() {
	key := issuertest.NewKey("key-1", "ES256")
	getToken(auth.PrivateKeyJWT(auth.SigningKey{KeyID: "key-1", Key: key.Private}, auth.Assertion{}), issuertest.Client{Keys: issuertest.JWKS(key)})
	// Output: private_key_jwt true
}

// The certificate of the TLS connection. Config.HTTP presents it.
func ExampleTLS() {
	certificate := issuertest.NewCertificate()
	getToken(auth.TLS(), issuertest.Client{Certificate: certificate.Leaf}, certificate)
	// Output: tls_client_auth true
}

// A self-signed certificate, whose key is registered.
func ExampleSelfSignedTLS() {
	certificate := issuertest.NewCertificate()
	getToken(auth.SelfSignedTLS(), issuertest.Client{Certificate: certificate.Leaf}, certificate)
	// Output: self_signed_tls_client_auth true
}

// An app or a page without a secret. It sends only its client_id.
func ExamplePublic() {
	fmt.Println(form(auth.Public(), "https://as.example"))
	// Output: map[client_id:[robot]]
}

// A workload without a registration. The JWT of the grant says who it is.
func ExampleAnonymous() {
	fmt.Println(form(auth.Anonymous(), "https://as.example"))
	// Output: map[]
}

// jwtOf returns a JWT that the platform issues for this program, such as a service account token of
// Kubernetes.
func jwtOf(audience, subject string) string {
	jwt, err := auth.Assertion{Audience: audience, Typ: "JWT"}.Sign(
		auth.SigningKey{KeyID: "of the platform", Key: newKey()}, auth.Binding{},
		map[string]any{"iss": "https://kubernetes.example", "sub": subject})
	if err != nil {
		log.Fatal(err)
	}
	return jwt
}

// The file in which Kubernetes puts the token of a service account. It is read for every request.
func ExampleFederatedFile() {
	dir, err := os.MkdirTemp("", "token")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "token")
	if err := os.WriteFile(path, []byte(jwtOf("https://as.example", "system:serviceaccount:photos:robot")), 0o600); err != nil {
		log.Fatal(err)
	}

	sent := form(auth.FederatedFile(path, auth.FederatedAssertion{}), "https://as.example")
	fmt.Println(sent.Get("client_id"), sent.Get("client_assertion_type"))
	// Output: robot urn:ietf:params:oauth:client-assertion-type:jwt-bearer
}

// An ID token of a managed identity, for Microsoft Entra ID.
func ExampleFederatedFunc() {
	managed := func(context.Context) (string, error) { return jwtOf(auth.EntraTokenExchange, "robot"), nil }
	sent := form(auth.FederatedFunc(managed, auth.FederatedAssertion{Audience: auth.EntraTokenExchange}), "https://login.microsoftonline.com/tenant/v2.0")
	fmt.Println(sent.Get("client_id"), sent.Get("client_assertion_type"))
	// Output: robot urn:ietf:params:oauth:client-assertion-type:jwt-bearer
}

// workload replaces the SPIFFE Workload API.
type workload struct{}

// FetchJWTSVID implements auth.JWTSVIDSource.
func (workload) FetchJWTSVID(_ context.Context, audience string) (string, error) {
	return jwtOf(audience, "spiffe://photos.example/robot"), nil
}

// A JWT-SVID of the SPIFFE Workload API.
func ExampleSPIFFE() {
	sent := form(auth.SPIFFE(workload{}, auth.FederatedAssertion{}), "https://as.example")
	fmt.Println(sent.Get("client_id"), sent.Get("client_assertion_type"))
	// Output: robot urn:ietf:params:oauth:client-assertion-type:jwt-spiffe
}

// Sign in with Apple: the secret is a JWT, signed with the team's key.
func ExampleAppleSecret() {
	sent := form(auth.AppleSecret("TEAM123456", auth.SigningKey{KeyID: "KEY1234567", Key: newKey()}), "https://appleid.apple.com")
	fmt.Println(strings.Count(sent.Get("client_secret"), "."))
	// Output: 2
}

// Keys that rotate. Serve the ring at the registered jwks_uri. The new key is served now, and
// signs when servers have had time to fetch it.
func ExampleKeyRing() {
	ring := &auth.KeyRing{}
	for _, id := range []string{"2026-10", "2026-11"} {
		if err := ring.Rotate(auth.SigningKey{KeyID: id, Key: newKey()}, time.Time{}); err != nil {
			log.Fatal(err)
		}
	}
	http.Handle("GET /client-jwks.json", ring)
	method := auth.PrivateKeyJWT(ring, auth.Assertion{})

	var set struct{ Keys []any }
	if err := json.Unmarshal(ring.JWKS(), &set); err != nil {
		log.Fatal(err)
	}
	fmt.Println(method.Alg(), len(set.Keys), ring.Current().KeyID)
	// Output: ES256 2 2026-10
}

// A key that an application stores.
func ExampleSigningKey_Encode() {
	encoded, err := auth.SigningKey{Key: newKey()}.Encode() // a secret
	if err != nil {
		log.Fatal(err)
	}
	key, err := auth.ParseSigningKey(encoded)
	if err != nil {
		log.Fatal(err)
	}
	alg, err := key.Algorithm()
	fmt.Println(alg, err)
	// Output: ES256 <nil>
}
