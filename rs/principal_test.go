package rs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestPrincipal: the same values from a JWT and from an introspection response. RFC 9470 §6.2,
// RFC 9396 §9, RFC 8693 §4.1.
func TestPrincipal(t *testing.T) {
	s := optest.New(t)
	at := time.Now().Unix() - 100
	more := m{
		"acr": "gold", "amr": []string{"pwd", "otp"}, "auth_time": at, "act": m{"sub": "admin", "act": m{"client_id": "svc"}},
		"authorization_details": []m{{"type": "payment", "amount": 5}},
	}
	s.Active = m{"active": true, "iss": s.URL, "sub": "alice", "client_id": "rp", "aud": optest.Audience, "scope": "openid photos.read", "exp": at + 300, "username": nil}
	for name, value := range more {
		s.Active[name] = value
	}
	for name, v := range map[string]rs.Verifier{s.AccessToken(more, nil): jwtVerifier(s), "canary-opaque": introspection(s)} {
		p, err := v.VerifyToken(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		var detail struct {
			Amount int `json:"amount"`
		}
		if len(p.AuthorizationDetails) != 1 || p.AuthorizationDetails[0].Decode(&detail) != nil || detail.Amount != 5 {
			t.Errorf("details %v", p.AuthorizationDetails)
		}
		if p.ACR != "gold" || !slices.Equal(p.AMR, []string{"pwd", "otp"}) || p.AuthTime.Unix() != at || p.Act.Subject != "admin" || p.Act.Act.ClientID != "svc" || !p.Cnf.IsZero() {
			t.Errorf("%+v", p)
		}
	}
}

// TestPrincipalRefuses: a token with a malformed cnf is rejected.
func TestPrincipalRefuses(t *testing.T) {
	s := optest.New(t)
	j := jwtVerifier(s)
	for name, claims := range map[string]m{
		"cnf of notes alone": {"cnf": m{"kc-jkt-type": "x"}}, "cnf with a jwk too": {"cnf": m{"jkt": strings.Repeat("A", 43), "jwk": m{}}}, "cnf with a number": {"cnf": m{"jkt": 1}}, "cnf null": {"cnf": json.RawMessage("null")}, "cnf empty": {"cnf": m{}}, "cnf a string": {"cnf": "x"}, "cnf short": {"cnf": m{"jkt": "abc"}},
		"cnf of another kind": {"cnf": m{"kid": "x"}}, "cnf of one known kind and one other": {"cnf": m{"jkt": strings.Repeat("A", 43), "kid": "x"}},
		"cnf good, by a verifier alone": {"cnf": m{"jkt": strings.Repeat("A", 43)}},
	} {
		if p, err := j.VerifyToken(t.Context(), s.AccessToken(claims, nil)); err == nil {
			t.Errorf("%s: accepted, %+v", name, p)
		}
	}
}

// TestPrincipalLog: a logged Principal has user, client and scope only. LOG-02.
func TestPrincipalLog(t *testing.T) {
	s := optest.New(t)
	p, err := jwtVerifier(s).VerifyToken(t.Context(), s.AccessToken(m{"sub": "al\x1b[31mice\n" + strings.Repeat("x", 500), "email": "canary@example.com"}, nil))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("hello", "who", p)
	text := log.String()
	for _, want := range []string{"who.client_id=rp", `who.scope="openid photos.read"`, "who.iss=" + s.URL, "who.sub="} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if strings.Contains(text, "canary") || strings.Contains(text, "\x1b") || strings.Count(text, "\n") != 1 || len(text) > 600 {
		t.Errorf("the log has %q", text)
	}
	if fmt.Sprint(p.HasScope("openid"), p.HasScope("")) != "true false" {
		t.Error("HasScope")
	}
}
