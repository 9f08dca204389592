package rs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/badtoken"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

const signedType = "application/token-introspection+jwt"

// signedServer answers introspection with the result of answer.
func signedServer(t *testing.T, answer func() (mediaType, body string)) (*optest.Server, *rs.Introspection) {
	s := optest.New(t)
	s.Replace("/introspect", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") != signedType {
			t.Errorf("Accept is %s", r.Header.Get("Accept"))
		}
		mediaType, body := answer()
		w.Header().Set("Content-Type", mediaType)
		fmt.Fprint(w, body)
	})
	i := introspection(s)
	i.Signed = &rs.SignedAnswers{Recipient: optest.ClientID, Keys: static(t, s.Keys[0], nil)}
	return s, i
}

func signedClaims(s *optest.Server, more m) m {
	all := m{
		"iss": s.URL, "aud": optest.ClientID, "iat": time.Now().Unix(),
		"token_introspection": m{"active": true, "sub": "alice", "client_id": "rp", "aud": optest.Audience, "scope": "photos.read"},
	}
	for name, value := range more {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	return all
}

// TestSignedAnswers: RFC 9701 §4, §5. RS-15.
func TestSignedAnswers(t *testing.T) {
	var mediaType, body string
	s, i := signedServer(t, func() (string, string) { return mediaType, body })
	k := s.Keys[0]
	typ := m{"typ": "token-introspection+jwt"}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	seal := func(inner string) string {
		jwe, err := jose.Encrypt(inner, "ECDH-ES", "A256GCM", "", &key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		return jwe
	}
	now := time.Now().Unix()
	inner := func(more m) m {
		all := m{"active": true, "sub": "alice", "client_id": "rp", "aud": optest.Audience, "scope": "photos.read"}
		for name, value := range more {
			all[name] = value
		}
		return m{"token_introspection": all}
	}
	good := k.Sign(signedClaims(s, nil), typ)
	for _, test := range []struct {
		name, mediaType, body string
		encrypted             bool
		status                int
	}{
		{"good", signedType, good, false, 200},
		{"with parameters", signedType + "; charset=utf-8", good, false, 200},
		{"encrypted", signedType, seal(good), true, 200},
		{"plain JSON", "application/json", `{"active":true,"sub":"alice","aud":"` + optest.Audience + `","scope":"photos.read"}`, false, 503},
		{"plain JSON by that type", signedType, `{"active":true}`, false, 503},
		{"of another type", "application/jwt", good, false, 503},
		{"not encrypted", signedType, good, true, 503},
		{"encrypted where nobody agreed", signedType, seal(good), false, 503},
		{"inactive", signedType, k.Sign(signedClaims(s, m{"token_introspection": m{"active": false}}), typ), false, 401},
		{"an expired token", signedType, k.Sign(signedClaims(s, inner(m{"exp": now - 90})), typ), false, 401},
		{"for another API", signedType, k.Sign(signedClaims(s, inner(m{"aud": "x"})), typ), false, 401},
		{"a token's data beside", signedType, k.Sign(signedClaims(s, m{"active": true, "token_introspection": m{}}), typ), false, 503},
		{"no token_introspection", signedType, k.Sign(signedClaims(s, m{"token_introspection": nil}), typ), false, 503},
		{"token_introspection a string", signedType, k.Sign(signedClaims(s, m{"token_introspection": "{}"}), typ), false, 503},
		{"typ JWT", signedType, k.Sign(signedClaims(s, nil), nil), false, 503},
		{"typ of an access token", signedType, k.Sign(signedClaims(s, nil), m{"typ": "at+jwt"}), false, 503},
		{"of another issuer", signedType, k.Sign(signedClaims(s, m{"iss": "https://evil.example"}), typ), false, 503},
		{"for another recipient", signedType, k.Sign(signedClaims(s, m{"aud": "x"}), typ), false, 503},
		{"for nobody", signedType, k.Sign(signedClaims(s, m{"aud": nil}), typ), false, 503},
		{"of no time", signedType, k.Sign(signedClaims(s, m{"iat": nil}), typ), false, 503},
		{"old", signedType, k.Sign(signedClaims(s, m{"iat": now - 600}), typ), false, 503},
		{"ahead", signedType, k.Sign(signedClaims(s, m{"iat": now + 600}), typ), false, 503},
		{"by another key", signedType, optest.NewKey("other", "RS256").Sign(signedClaims(s, nil), m{"typ": "token-introspection+jwt", "kid": "k1"}), false, 503},
		{"alg none", signedType, k.Sign(signedClaims(s, nil), m{"typ": "token-introspection+jwt", "alg": "none"}), false, 503},
	} {
		t.Run(test.name, func(t *testing.T) {
			mediaType, body = test.mediaType, test.body
			i.Signed.DecryptionKeys = nil
			if test.encrypted {
				i.Signed.DecryptionKeys = []rs.DecryptionKey{{Key: key}}
			}
			if w := ask(quiet(i), bearer("canary-opaque"), "/"); w.Code != test.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// TestSignedAnswerIsNoToken: a signed introspection response is rejected as an access token.
// RS-15.
func TestSignedAnswerIsNoToken(t *testing.T) {
	s := optest.New(t)
	all := signedClaims(s, m{"aud": optest.Audience, "sub": "a", "client_id": "rp", "jti": "1", "exp": time.Now().Unix() + 60})
	for _, header := range []m{{"typ": "token-introspection+jwt"}, {"typ": "JWT"}, {"typ": nil}} {
		for _, typ := range []string{"", "JWT", rs.NoTyp, "token-introspection+jwt"} {
			j := jwtVerifier(s)
			j.Typ = typ
			if _, err := j.VerifyToken(t.Context(), s.Keys[0].Sign(all, header)); err == nil {
				t.Errorf("typ %v, where %q is configured, is accepted", header["typ"], typ)
			}
		}
	}
}

// TestBadSignedAnswers checks the project's list with signed responses.
func TestBadSignedAnswers(t *testing.T) {
	var body string
	s, i := signedServer(t, func() (string, string) { return signedType, body })
	all := signedClaims(s, m{"sub": "x", "exp": time.Now().Unix() + 60})
	b := badtoken.Base{Key: s.Keys[0], Header: m{"typ": "token-introspection+jwt"}, Claims: all, Foreign: "http://127.0.0.1:1"}
	verify := func(token string) error {
		body = token
		_, err := i.VerifyToken(context.Background(), "canary-opaque")
		return err
	}
	if err := verify(b.Good()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range badtoken.Cases(b) {
		if c.Claims {
			continue // sub, exp and nbf of a response are not read
		}
		n++
		if verify(c.Token) == nil {
			t.Errorf("%s: accepted", c.Name)
		}
	}
	t.Logf("%d bad answers", n)
}

// FuzzIntrospectionAnswer: another reader finds the required values in every accepted response.
func FuzzIntrospectionAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"active":true,"sub":"alice","aud":"https://api.example/","scope":"a b"}`, `{"active":"true"}`, `{"active":true,"active":false}`,
		`{"active":true,"cnf":{"jkt":"x"}}`, `{"active":true,"sub":"a","aud":["https://api.example/",1]}`, `null`, `{"active":true,"exp":1e400}`,
	} {
		f.Add(seed)
	}
	var body string
	v := &rs.Introspection{
		URL: "https://as.example/introspect", Issuer: "https://as.example", Audience: optest.Audience,
		Auth: noAuth{}, HTTP: &http.Client{Transport: answers{&body}},
	}
	f.Fuzz(func(t *testing.T, answer string) {
		body = answer
		p, err := v.VerifyToken(context.Background(), "x")
		if err != nil {
			return
		}
		var second struct {
			Active bool            `json:"active"`
			Cnf    json.RawMessage `json:"cnf"`
		}
		if err := json.Unmarshal([]byte(answer), &second); err != nil || !second.Active || second.Cnf != nil && string(second.Cnf) != "null" || p.Subject == "" && p.ClientID == "" {
			t.Errorf("accepted %q: %+v, %v", answer, p, err)
		}
	})
}
