package pkce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/countersign/countersign/pkce"
)

// TestVector is RFC 7636 appendix B.
func TestVector(t *testing.T) {
	v, err := pkce.Parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Challenge(pkce.S256); got != "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" {
		t.Errorf("S256 gives %s", got)
	}
	for _, m := range []pkce.Method{pkce.Plain, pkce.PlainImplicit} {
		if got := v.Challenge(m); got != string(v) {
			t.Errorf("%v gives %s", m, got)
		}
	}
	if got := v.Challenge(99); got != v.Challenge(pkce.S256) {
		t.Error("an unknown method weakens the challenge")
	}
}

func TestMethod(t *testing.T) {
	for m, want := range map[pkce.Method]string{pkce.S256: "S256", pkce.Plain: "plain", pkce.PlainImplicit: ""} {
		if m.String() != want || !m.Valid() {
			t.Errorf("%d is %q", m, m)
		}
	}
	if pkce.Method(-1).Valid() || pkce.Method(3).Valid() {
		t.Error("a method that is none is valid")
	}
}

// TestNew: RP-02.
func TestNew(t *testing.T) {
	seen := map[pkce.Verifier]bool{}
	for range 1000 {
		v := pkce.New()
		if _, err := pkce.Parse(string(v)); err != nil || seen[v] {
			t.Fatalf("%q: %v", string(v), err)
		}
		seen[v] = true
	}
}

func TestParse(t *testing.T) {
	good := strings.Repeat("aZ09-._~", 6)
	for _, s := range []string{good, good[:43], strings.Repeat("a", 128)} {
		if _, err := pkce.Parse(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", good[:42], strings.Repeat("a", 129), good[:42] + "+", good[:42] + "=", good[:42] + " ", good[:42] + "\n", good[:41] + "é"} {
		if _, err := pkce.Parse(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
}

// TestRedacted: LOG-01, RP-05.
func TestRedacted(t *testing.T) {
	v := pkce.New()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	b, err := json.Marshal(map[string]any{"v": v, "list": []pkce.Verifier{v}})
	if err == nil || !strings.Contains(err.Error(), "string(v)") {
		t.Errorf("the error of json.Marshal is %v", err)
	}
	text := log.String() + string(b) + err.Error() + fmt.Sprintf("%v %+v %#v %s %q %x %X %d %v", v, v, v, v, v, v, v, v, struct{ V pkce.Verifier }{v})
	if strings.Contains(text, string(v)) || strings.Contains(text, fmt.Sprintf("%x", []byte(v))) {
		t.Errorf("the verifier is in %s", text)
	}
	_, err = pkce.Parse("canary-verifier with a space that is long enough")
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("the error is %v", err)
	}
}

// The value of the parameter code_challenge. The verifier is of RFC 7636 Appendix B.
func ExampleVerifier_Challenge() {
	v, _ := pkce.Parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
	fmt.Println(v, v.Challenge(pkce.S256))
	// Output: [code_verifier] E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM
}

// The values of the parameter code_challenge_method. PlainImplicit omits it.
func ExampleMethod() {
	for _, m := range []pkce.Method{pkce.S256, pkce.Plain, pkce.PlainImplicit} {
		fmt.Printf("%q\n", m)
	}
	// Output:
	// "S256"
	// "plain"
	// ""
}
