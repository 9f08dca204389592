package grant_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// answer returns a token endpoint that sends the same response to every request.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
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

// config is the configuration of the client that the test server knows.
func config(s *optest.Server) client.Config {
	return client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	}
}

// demanding is a server that requires a nonce in every proof, and returns tokens that are bound
// to the key.
func demanding(t *testing.T) (*optest.Server, *[]m) {
	s := optest.New(t)
	var proofs []m
	s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
	s.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
		if path != "/token" && path != "/userinfo" {
			return next
		}
		return func(w http.ResponseWriter, r *http.Request) {
			_, claims := proof(t, r.Header)
			proofs = append(proofs, claims)
			nonce := "nonce-of" + path
			w.Header().Set("DPoP-Nonce", nonce)
			switch {
			case claims["nonce"] == nonce:
				r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), "DPoP ", "Bearer ", 1))
				next(w, r)
			case path == "/token":
				optest.JSON(w, 400, m{"error": "use_dpop_nonce"})
			default:
				w.Header().Set("WWW-Authenticate", `DPoP error="use_dpop_nonce"`)
				w.WriteHeader(401)
			}
		}
	}
	return s, &proofs
}

// login makes a complete login.
func login(t *testing.T, s *optest.Server, c *client.Client) (*client.Tokens, error) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Finish(t.Context(), pending, s.Visit(t, redirect))
}

type m = map[string]any

func newClient(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	out, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// noCanary fails if text contains a secret. Secrets in these tests begin with canary, and JWTs
// with eyJ.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in %.200q", text[max(0, i-50):])
		}
	}
}

// same compares the parameters. "*" accepts a random value, which it copies into the expected ones.
func same(t *testing.T, what string, got, want url.Values) {
	t.Helper()
	for name := range want {
		if want.Get(name) == "*" && len(got.Get(name)) >= 43 {
			want.Set(name, got.Get(name))
		}
	}
	if got.Encode() != want.Encode() {
		t.Errorf("%s\n got %s\nwant %s", what, got.Encode(), want.Encode())
	}
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v
}

// proof reads a DPoP header without checking the signature.
func proof(t *testing.T, h http.Header) (header, claims m) {
	t.Helper()
	values := h.Values("DPoP")
	if len(values) != 1 {
		t.Fatalf("%d proofs", len(values))
	}
	for i, part := range strings.Split(values[0], ".")[:2] {
		raw, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, []*m{&header, &claims}[i]); err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}
