package client_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

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

// TestDPoP: DPOP-01, DPOP-02, DPOP-03.
func TestDPoP(t *testing.T) {
	s, proofs := demanding(t)
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	if tokens.TokenType != "DPoP" || tokens.DPoPKey.Key == nil {
		t.Fatalf("%v", tokens)
	}
	if _, err := c.UserInfo(t.Context(), tokens); err != nil {
		t.Fatal(err)
	}
	newer, err := c.Refresh(t.Context(), tokens)
	if err != nil || newer.DPoPKey.Key != tokens.DPoPKey.Key {
		t.Fatalf("%v, %v", newer, err)
	}
	if len(*proofs) != 5 { // two requests at each endpoint; the refresh has the nonce in its first request
		t.Errorf("%d proofs", len(*proofs))
	}
	seen := map[any]bool{}
	for _, p := range *proofs {
		if seen[p["jti"]] || len(p["jti"].(string)) < 16 {
			t.Error("a jti was used twice")
		}
		seen[p["jti"]] = true
	}
	first, third := (*proofs)[0], (*proofs)[2]
	sum := sha256.Sum256([]byte(tokens.AccessToken))
	if first["htm"] != "POST" || first["htu"] != s.URL+"/token" || first["ath"] != nil || first["nonce"] != nil {
		t.Errorf("%v", first)
	}
	if third["htm"] != "GET" || third["htu"] != s.URL+"/userinfo" || third["ath"] != optest.B64(sum[:]) || third["nonce"] != nil {
		t.Errorf("%v: the nonces of the two roles are apart", third)
	}
	if jkt := s.Form("/par").Get("dpop_jkt"); len(jkt) != 43 {
		t.Errorf("dpop_jkt is %q", jkt)
	}
}

// TestDPoPProof checks the header of a proof, and the request that Authorize changes.
func TestDPoPProof(t *testing.T) {
	s, _ := demanding(t)
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("PUT", "https://api.example/photos/1?x=y", nil)
	if err := c.Authorize(r, tokens); err != nil || r.Header.Get("Authorization") != "DPoP "+tokens.AccessToken {
		t.Fatal(err)
	}
	header, claims := proof(t, r.Header)
	jwk, _ := header["jwk"].(map[string]any)
	if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || header["kid"] != nil || jwk["kty"] != "EC" || jwk["d"] != nil || len(jwk) != 4 {
		t.Errorf("header %v", header)
	}
	if claims["htm"] != "PUT" || claims["htu"] != "https://api.example/photos/1" {
		t.Errorf("claims %v", claims)
	}
	resp := &http.Response{StatusCode: 401, Request: r, Header: http.Header{"Dpop-Nonce": {"api-nonce"}}}
	if !c.SaveDPoPNonce(resp) {
		t.Error("the nonce was not learned")
	}
	if err := c.Authorize(r, tokens); err != nil {
		t.Fatal(err)
	}
	if _, claims := proof(t, r.Header); claims["nonce"] != "api-nonce" {
		t.Errorf("claims %v", claims)
	}
	for name, values := range map[string][]string{"none": nil, "two": {"a", "b"}, "malformed": {"a b"}, "empty": {""}, "endless": {strings.Repeat("n", 1000)}} {
		if resp.Header["Dpop-Nonce"] = values; c.SaveDPoPNonce(resp) {
			t.Errorf("%s: learned", name)
		}
	}
	raw, err := tokens.DPoPKey.Key.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	d := new(big.Int).SetBytes(raw).String()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
		if strings.Contains(fmt.Sprintf(verb+verb, tokens, tokens.DPoPKey), d) {
			t.Errorf("%s prints the private key", verb)
		}
	}
}

// TestDPoPRefused: a bearer token, or a token that is bound to another key, is rejected. TE-03.
func TestDPoPRefused(t *testing.T) {
	s := optest.New(t) // answers with bearer tokens
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	if _, err := login(t, s, newClient(t, cfg)); err == nil {
		t.Error("a bearer token was taken for a bound one")
	}
	cfg.DPoP.InsecureAllowBearer = true
	tokens, err := login(t, s, newClient(t, cfg))
	if err != nil || tokens.TokenType != "Bearer" {
		t.Errorf("%v, %v", tokens, err)
	}
	cfg.DPoP = nil
	s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
	if _, err := login(t, s, newClient(t, cfg)); err == nil {
		t.Error("a bound token was taken where none was asked for")
	}
}

// TestDPoPNonceLoop: a server that rejects every nonce gets two requests, and no more.
func TestDPoPNonceLoop(t *testing.T) {
	for _, nonces := range [][]string{{"n"}, {"n", "m"}, nil} {
		s := optest.New(t)
		cfg := config(s)
		cfg.DPoP = &client.DPoP{}
		c := newClient(t, cfg)
		pending, q := begun(t, s, c)
		s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["DPoP-Nonce"] = nonces
			optest.JSON(w, 400, m{"error": "use_dpop_nonce"})
		})
		want := 1
		if len(nonces) == 1 {
			want = 2
		}
		if _, err := c.Finish(t.Context(), pending, q); err == nil || s.Hits("/token") != want {
			t.Errorf("%v: asked %d times", nonces, s.Hits("/token"))
		}
	}
}

// TestDPoPClientKey: with one key for the client, a Pending contains no key.
func TestDPoPClientKey(t *testing.T) {
	s, _ := demanding(t)
	cfg := config(s)
	k := optest.NewKey("dpop", "EdDSA")
	cfg.DPoP = &client.DPoP{Keys: auth.SigningKey{Key: k.Private}}
	c := newClient(t, cfg)
	pending, q := begun(t, s, c)
	if pending.DPoPKey != "" {
		t.Error("the client's key is in the Pending")
	}
	if tokens, err := c.Finish(t.Context(), pending, q); err != nil || tokens.TokenType != "DPoP" {
		t.Errorf("%v, %v", tokens, err)
	}
	cfg.DPoP = &client.DPoP{}
	c = newClient(t, cfg)
	for _, kept := range []string{"", "!", "AAAA"} {
		pending, q := begun(t, s, c)
		pending.DPoPKey = kept
		if _, err := c.Finish(t.Context(), pending, q); err == nil {
			t.Errorf("a login with the key %q was finished", kept)
		}
	}
	cfg.DPoP = &client.DPoP{Keys: auth.SigningKey{}}
	if _, err := client.New(cfg); err == nil {
		t.Error("a DPoP without a key was accepted")
	}
}

// TestNonceOfPush: the nonce of the response to the pushed request is in the first proof of the
// token request. DPOP-02.
func TestNonceOfPush(t *testing.T) {
	for _, test := range []struct {
		name   string
		nonces []string
		want   any
	}{{"one", []string{"n-1"}, "n-1"}, {"two", []string{"n-1", "n-2"}, nil}, {"malformed", []string{`n"1`}, nil}} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Token = func(m map[string]any) { m["token_type"] = "DPoP" }
			var claims m
			s.Wrap = func(path string, next http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if path == "/par" {
						w.Header()["Dpop-Nonce"] = test.nonces
					} else if path == "/token" {
						_, claims = proof(t, r.Header)
					}
					next(w, r)
				}
			}
			cfg := config(s)
			cfg.DPoP = &client.DPoP{}
			if _, err := login(t, s, newClient(t, cfg)); err != nil {
				t.Fatal(err)
			}
			if got := claims["nonce"]; got != test.want {
				t.Errorf("the proof has the nonce %v", got)
			}
		})
	}
}

// TestAuthorizeDestination: no token is added to a request without TLS.
func TestAuthorizeDestination(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	for to, good := range map[string]bool{
		"https://api.example/a?b#c": true, "http://127.0.0.1:1/": true, "http://localhost/": true, "http://api.example/": false, "ftp://api.example/": false, "/photos": false,
	} {
		r, err := http.NewRequest("GET", to, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Authorize(r, ending(time.Hour)); (err == nil) != good || (r.Header.Get("Authorization") != "") != good {
			t.Errorf("%s: %v", to, err)
		}
	}
	if err := c.Authorize(&http.Request{Header: http.Header{}}, ending(time.Hour)); err == nil {
		t.Error("a request to nowhere is authorized")
	}
}
