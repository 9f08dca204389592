package auth_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

// served requests the ring's keys as a server does, and returns their IDs.
func served(t *testing.T, ring *auth.KeyRing) []string {
	t.Helper()
	w := httptest.NewRecorder()
	ring.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/jwks", nil))
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/jwk-set+json" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	var set struct{ Keys []map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, k := range set.Keys {
		ids = append(ids, k["kid"].(string))
		for name := range k {
			if !slices.Contains([]string{"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"}, name) {
				t.Errorf("the member %s is served", name)
			}
		}
	}
	return ids
}

func signingKey(id, alg string) auth.SigningKey {
	k := optest.NewKey(id, alg)
	return auth.SigningKey{KeyID: id, Alg: alg, Key: k.Private}
}

// TestKeyRing rotates: a key is served before it signs, and after another key has replaced it.
func TestKeyRing(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ring := &auth.KeyRing{MaxAge: time.Hour, Now: func() time.Time { return now }}
	if served(t, ring) != nil || ring.Current().Key != nil {
		t.Error("an empty ring has keys")
	}
	begin := now
	add := func(id, alg string, from time.Time) {
		t.Helper()
		if err := ring.Rotate(signingKey(id, alg), from); err != nil {
			t.Fatal(err)
		}
	}
	at := func(after time.Duration, signs string, keys ...string) {
		t.Helper()
		now = begin.Add(after)
		if got := ring.Current().KeyID; got != signs {
			t.Errorf("after %v %q signs, want %q", after, got, signs)
		}
		if got := served(t, ring); !slices.Equal(got, keys) {
			t.Errorf("after %v %q are served, want %q", after, got, keys)
		}
	}
	add("a", "ES256", time.Time{})
	at(0, "a", "a")
	add("b", "PS256", time.Time{})
	at(0, "a", "a", "b")
	at(time.Hour, "a", "a", "b") // a server may have cached the set a moment after the ring sent it
	at(time.Hour+time.Minute-1, "a", "a", "b")
	at(time.Hour+time.Minute, "b", "a", "b")
	at(time.Hour+11*time.Minute-1, "b", "a", "b")
	at(time.Hour+11*time.Minute, "b", "b")
	add("d", "EdDSA", begin.Add(4*time.Hour))
	add("c", "ES384", begin.Add(3*time.Hour))
	at(3*time.Hour-1, "b", "b", "c", "d")
	at(3*time.Hour, "c", "b", "c", "d")
	at(4*time.Hour, "d", "c", "d")
	at(40*time.Hour, "d", "d")
	at(3*time.Hour-1, "b", "b", "c", "d") // the clock was put back
	at(40*time.Hour, "d", "d")
	add("e", "ES256", time.Time{})
	at(3*time.Hour-1, "", "d", "e") // a key that a rotation removed is not served again
}

// TestKeyRingOfManyProcesses: a ring that is made later with the same times has the same keys.
func TestKeyRingOfManyProcesses(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	a, b := signingKey("a", "ES256"), signingKey("b", "ES256")
	var rings []*auth.KeyRing
	for range 2 {
		ring := &auth.KeyRing{Now: func() time.Time { return now }}
		for key, from := range map[auth.SigningKey]time.Time{a: now.Add(-48 * time.Hour), b: now.Add(time.Minute)} {
			if err := ring.Rotate(key, from); err != nil {
				t.Fatal(err)
			}
		}
		rings = append(rings, ring)
	}
	for _, after := range []time.Duration{0, time.Minute, time.Hour} {
		now = now.Add(after)
		if !bytes.Equal(rings[0].JWKS(), rings[1].JWKS()) || rings[0].Current().KeyID != rings[1].Current().KeyID {
			t.Errorf("after %v the rings differ", after)
		}
	}
}

// TestKeyRingServesNoPrivateKey: the served set has no private number of any kind of key. Its
// keys verify signatures and encrypt messages.
func TestKeyRingServesNoPrivateKey(t *testing.T) {
	ring := &auth.KeyRing{}
	var private []string
	for _, alg := range []string{"RS256", "PS384", "ES256", "ES384", "ES512", "EdDSA"} {
		key := signingKey("", alg)
		private = append(private, secretNumbers(key.Key)...)
		if err := ring.Rotate(key, time.Now().Add(-time.Minute)); err != nil {
			t.Fatal(alg, err)
		}
		assertion, err := jose.NewSigner(ring.Current().Key, ring.Current().Alg, ring.Current().KeyID)
		if err != nil {
			t.Fatal(err)
		}
		jwt, err := assertion.Sign(nil, m{"x": 1})
		if err != nil {
			t.Fatal(err)
		}
		set, err := jose.ParseSet(ring.JWKS())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := set.VerifySignature(t.Context(), jwt); err != nil || len(set.Skipped) > 0 {
			t.Errorf("%s: %v, %v", alg, err, set.Skipped)
		}
	}
	curve, _ := ecdh.X25519().GenerateKey(rand.Reader)
	decrypting, _ := rsa.GenerateKey(rand.Reader, 2048)
	private = append(private, optest.B64(curve.Bytes()), optest.B64(decrypting.D.Bytes()))
	if err := ring.Publish(idtoken.DecryptionKey{KeyID: "enc", Key: decrypting}, idtoken.DecryptionKey{KeyID: "x", Key: curve}); err != nil {
		t.Fatal(err)
	}
	if ids := served(t, ring); len(ids) != 8 || !slices.Contains(ids, "enc") || !slices.Contains(ids, "x") {
		t.Errorf("%q are served", ids)
	}
	for _, number := range private {
		if len(number) < 40 || strings.Contains(string(ring.JWKS()), number) {
			t.Error("a private number is served")
		}
	}
	set, err := jose.ParseSet(ring.JWKS())
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := set.Encrypt("e.y.J", "RSA-OAEP-256", "A256GCM")
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := jose.Decrypt(jwe, 0, jose.DecryptionAlgs, []jose.PrivateKey{{ID: "enc", Key: decrypting}}); err != nil || string(opened) != "e.y.J" {
		t.Errorf("%q, %v", opened, err)
	}
}

// secretNumbers are the private members of a key's JWK.
func secretNumbers(key any) []string {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return []string{optest.B64(k.D.Bytes()), optest.B64(k.Primes[0].Bytes()), optest.B64(k.Primes[1].Bytes())}
	case *ecdsa.PrivateKey:
		b, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		return []string{optest.B64(b)}
	case interface{ Seed() []byte }:
		return []string{optest.B64(k.Seed())}
	}
	panic("an unknown key")
}

// TestKeyRingRefuses: an invalid key, a key that the ring already has, and one key too many are
// rejected.
func TestKeyRingRefuses(t *testing.T) {
	ring := &auth.KeyRing{}
	good := signingKey("a", "ES256")
	if err := ring.Rotate(good, time.Time{}); err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]auth.SigningKey{
		"nothing": {}, "the same": good, "another with its ID": signingKey("a", "ES256"), "RSA without alg": {Key: signingKey("r", "RS256").Key},
		"an alg that does not fit": {Key: good.Key, Alg: "RS256"},
	} {
		if ring.Rotate(key, time.Time{}) == nil {
			t.Errorf("%s was taken", name)
		}
	}
	for i := range 15 {
		if err := ring.Rotate(signingKey(fmt.Sprint(i), "ES256"), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	if ring.Rotate(signingKey("more", "ES256"), time.Time{}) == nil {
		t.Error("a seventeenth key was taken")
	}
	for _, age := range []time.Duration{-1, 25 * time.Hour} {
		if (&auth.KeyRing{MaxAge: age}).Rotate(good, time.Time{}) == nil {
			t.Errorf("MaxAge %v was taken", age)
		}
	}
	curve, _ := ecdh.X25519().GenerateKey(rand.Reader)
	many := make([]idtoken.DecryptionKey, 17)
	for i := range many {
		many[i] = idtoken.DecryptionKey{KeyID: fmt.Sprint(i), Key: curve}
	}
	for _, keys := range [][]idtoken.DecryptionKey{{{Key: curve}}, {{KeyID: "x"}}, {{KeyID: "x", Key: []byte("canary")}}, many} {
		if ring.Publish(keys...) == nil {
			t.Errorf("%v were taken", keys)
		}
	}
}

func TestKeyRingHandler(t *testing.T) {
	ring := &auth.KeyRing{}
	w := httptest.NewRecorder()
	if ring.ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil)); w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("an empty set may be kept: %v", w.Header())
	}
	if err := ring.Rotate(signingKey("a", "ES256"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(ring)
	defer s.Close()
	for method, status := range map[string]int{"GET": 200, "HEAD": 200, "POST": 405, "PUT": 405, "DELETE": 405} {
		r, _ := http.NewRequestWithContext(t.Context(), method, s.URL, nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != status || (len(body) > 0) != (method == "GET") {
			t.Errorf("%s: %d, %d bytes", method, resp.StatusCode, len(body))
		}
		if want := map[int]string{200: "public, max-age=3600", 405: ""}[status]; resp.Header.Get("Cache-Control") != want {
			t.Errorf("%s: %v", method, resp.Header)
		}
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", ring)
	if text := fmt.Sprintf("%v %+v %#v", ring, ring, ring) + log.String(); strings.Contains(text, "ecdsa") || strings.Contains(text, "0x") {
		t.Errorf("printed: %s", text)
	}
}

// TestKeyRingSigns authenticates with the ring's key. The key is rotated between two requests.
func TestKeyRingSigns(t *testing.T) {
	now := time.Now()
	ring := &auth.KeyRing{Now: func() time.Time { return now }}
	if err := ring.Rotate(signingKey("a", "ES256"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	s := optest.New(t)
	s.Replace("/revoke", func(w http.ResponseWriter, r *http.Request) {
		set, err := jose.ParseSet(ring.JWKS())
		if err == nil {
			_, err = set.VerifySignature(t.Context(), r.PostFormValue("client_assertion"))
		}
		if err != nil {
			t.Error(err)
		}
	})
	c, err := client.New(client.Config{Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.PrivateKeyJWT(ring, auth.Assertion{})})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Revoke(t.Context(), "canary-token", ""); err != nil {
			t.Fatal(err)
		}
		if err := ring.Rotate(signingKey("b"+fmt.Sprint(now.Unix()), "PS256"), time.Time{}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(2 * time.Hour)
	}
	if _, err := client.New(client.Config{Issuer: s.URL, ClientID: "rp", Auth: auth.PrivateKeyJWT(&auth.KeyRing{}, auth.Assertion{})}); err == nil {
		t.Error("an empty ring authenticates")
	}
}

// TestKeyRingAtOnce: several goroutines sign, serve and rotate at the same time.
func TestKeyRingAtOnce(t *testing.T) {
	ring := &auth.KeyRing{}
	keys := []auth.SigningKey{signingKey("a", "ES256"), signingKey("b", "ES256"), signingKey("c", "ES256")}
	var wg sync.WaitGroup
	for _, k := range keys {
		wg.Go(func() {
			if err := ring.Rotate(k, time.Now()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for range 100 {
				ring.Current()
				ring.JWKS()
			}
		})
	}
	wg.Wait()
	if len(served(t, ring)) != 3 {
		t.Error("a key is missing")
	}
}
