package auth_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// posted returns the form and the header that a Method fills in.
func posted(t *testing.T, a auth.Method) (url.Values, string) {
	t.Helper()
	r := httptest.NewRequest("POST", "https://as.example/token", nil)
	form := url.Values{}
	if err := a.For("rp:1", "https://as.example").Authenticate(r, form); err != nil {
		t.Fatal(err)
	}
	return form, r.Header.Get("Authorization")
}

// TestMethodInLogs: a log line has the name of a method, and no error of the encoder.
func TestMethodInLogs(t *testing.T) {
	var out strings.Builder
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("client", "auth", auth.SecretPost("canary-secret"))
	}
	if got := out.String(); strings.Count(got, "client_secret_post") != 2 || strings.Contains(got, "!ERROR") || strings.Contains(got, "canary") {
		t.Error(got)
	}
}

// TestAuth: TE-08.
func TestAuth(t *testing.T) {
	const secret = "a+b c/%:ä"
	form, header := posted(t, auth.SecretBasic(secret))
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("rp%3A1:a%2Bb+c%2F%25%3A%C3%A4"))
	if header != want || len(form) != 0 {
		t.Errorf("basic: %s, %v", header, form)
	}
	if form, header = posted(t, auth.Secret(secret)); header != want || len(form) != 0 {
		t.Errorf("without metadata Secret sends %s, %v", header, form)
	}
	form, header = posted(t, auth.SecretPost(secret))
	if header != "" || form.Encode() != (url.Values{"client_id": {"rp:1"}, "client_secret": {secret}}).Encode() {
		t.Errorf("post: %s, %v", header, form)
	}
	if form, header = posted(t, auth.Anonymous()); header != "" || len(form) != 0 {
		t.Errorf("anonymous: %s, %v", header, form)
	}
	for _, a := range []auth.Method{auth.Public(), auth.TLS(), auth.SelfSignedTLS()} {
		form, header = posted(t, a)
		if header != "" || form.Encode() != "client_id=rp%3A1" {
			t.Errorf("%s: %s, %v", a.Name(), header, form)
		}
	}
}

// assertion reads the header and the claims of the client_assertion in a form.
func assertion(t *testing.T, set *jose.Set, form url.Values) (header, claims m) {
	t.Helper()
	jwt := form.Get("client_assertion")
	payload, err := set.VerifySignature(t.Context(), jwt)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(jwt[:strings.IndexByte(jwt, '.')])
	if err != nil {
		t.Fatal(err)
	}
	if json.Unmarshal(raw, &header) != nil || json.Unmarshal(payload, &claims) != nil {
		t.Fatal("not JSON")
	}
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_id") != "rp:1" || form.Has("client_secret") {
		t.Errorf("the form is %v", form)
	}
	return header, claims
}

type m = map[string]any

// TestPrivateKeyJWT: TE-09.
func TestPrivateKeyJWT(t *testing.T) {
	k := optest.NewKey("k1", "PS256")
	set, err := jose.ParseSet(optest.JWKS(k))
	if err != nil {
		t.Fatal(err)
	}
	key := auth.SigningKey{KeyID: "k1", Alg: "PS256", Key: k.Private}
	method := auth.PrivateKeyJWT(key, auth.Assertion{})
	form, _ := posted(t, method)
	header, claims := assertion(t, set, form)
	if header["typ"] != "client-authentication+jwt" || header["kid"] != "k1" || header["alg"] != "PS256" || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	if claims["aud"] != "https://as.example" || claims["iss"] != "rp:1" || claims["sub"] != "rp:1" || claims["exp"].(float64)-claims["iat"].(float64) != 60 {
		t.Errorf("claims %v", claims)
	}
	if again, _ := posted(t, method); again.Get("client_assertion") == form.Get("client_assertion") {
		t.Error("an assertion was used twice")
	} else if _, c := assertion(t, set, again); c["jti"] == claims["jti"] {
		t.Error("a jti was used twice")
	}

	cert := &x509.Certificate{Raw: []byte("certificate")}
	form, _ = posted(t, auth.PrivateKeyJWT(auth.SigningKey{Alg: "PS256", Key: k.Private}, auth.Assertion{
		Audience: "https://as.example/token", Typ: "JWT", Certificate: cert, Lifetime: 5 * time.Minute,
	}))
	header, claims = assertion(t, set, form)
	if header["typ"] != "JWT" || header["kid"] != nil || header["x5t#S256"] == nil || claims["aud"] != "https://as.example/token" || claims["exp"].(float64)-claims["iat"].(float64) != 300 {
		t.Errorf("%v, %v", header, claims)
	}
	form, _ = posted(t, auth.PrivateKeyJWT(key, auth.Assertion{Typ: auth.OmitTyp}))
	if header, _ = assertion(t, set, form); header["typ"] != nil {
		t.Errorf("header %v", header)
	}
}

func TestSecretJWT(t *testing.T) {
	const secret = "canary-secret that is long enough for HS256"
	form, _ := posted(t, auth.SecretJWT(secret, auth.Assertion{}))
	header, claims := assertion(t, jose.NewSecretSet([]byte(secret)), form)
	if header["alg"] != "HS256" || claims["aud"] != "https://as.example" {
		t.Errorf("%v, %v", header, claims)
	}
}

// rotating is a KeySource whose key changes.
type rotating struct {
	keys []auth.SigningKey
	n    atomic.Int32
}

func (r *rotating) Current() auth.SigningKey { return r.keys[int(r.n.Load())%len(r.keys)] }

func TestSigningKeyRotation(t *testing.T) {
	a, b := optest.NewKey("a", "ES256"), optest.NewKey("b", "EdDSA")
	set, err := jose.ParseSet(optest.JWKS(a, b))
	if err != nil {
		t.Fatal(err)
	}
	source := &rotating{keys: []auth.SigningKey{{KeyID: "a", Key: a.Private}, {KeyID: "b", Key: b.Private}}}
	method := auth.PrivateKeyJWT(source, auth.Assertion{})
	for _, want := range []string{"a", "b", "a"} {
		form, _ := posted(t, method)
		if header, _ := assertion(t, set, form); header["kid"] != want {
			t.Errorf("kid %v, want %s", header["kid"], want)
		}
		source.n.Add(1)
	}
}
