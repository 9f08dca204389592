package login

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

func testSealer(t testing.TB, names ...string) sealer {
	var secrets [][]byte
	for _, name := range names {
		secrets = append(secrets, []byte((name + strings.Repeat("-canary-key", 4))[:keySize]))
	}
	s, err := newSealer(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSeal is WEB-02 and WEB-03: a sealed value opens with one of the keys, for its purpose, and
// under its name.
func TestSeal(t *testing.T) {
	one := testSealer(t, "a")
	for _, plain := range [][]byte{{}, []byte("x"), bytes.Repeat([]byte("x"), 9000)} {
		sealed, err := one.seal(forSession, "name", plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := testSealer(t, "b", "a").open(forSession, "name", sealed); !ok || !bytes.Equal(got, plain) {
			t.Error("what was sealed does not open with an older key")
		}
		for what, ok := range map[string]bool{
			"another purpose": opens(one, forTicket, "name", sealed),
			"another name":    opens(one, forSession, "other", sealed),
			"another key":     opens(testSealer(t, "b"), forSession, "name", sealed),
			"a byte more":     opens(one, forSession, "name", sealed+"A"),
			"nothing":         opens(one, forSession, "name", ""),
			"padding":         opens(one, forSession, "name", sealed+"="),
			"a line break":    opens(one, forSession, "name", sealed+"\n"),
		} {
			if ok {
				t.Errorf("%s opens it", what)
			}
		}
		again, _ := one.seal(forSession, "name", plain)
		if again == sealed {
			t.Error("the same seal twice")
		}
	}
}

// TestExpand: the keys are derived by HKDF-Expand, so that values of older versions open.
func TestExpand(t *testing.T) {
	s, salt := testSealer(t, "a"), bytes.Repeat([]byte{7}, saltSize)
	for range 3 { // the HMAC is used again
		var got [keySize]byte
		s.expand(0, forSession, salt, got[:0])
		want, err := hkdf.Expand(sha256.New, s.secrets[0], "countersign login "+forSession+"\x00"+string(salt), keySize)
		if err != nil || !bytes.Equal(got[:], want) {
			t.Fatalf("%x, want %x (%v)", got, want, err)
		}
	}
}

func opens(s sealer, purpose, name, sealed string) bool {
	_, ok := s.open(purpose, name, sealed)
	return ok
}

// TestSealEveryByte: a change of any byte is rejected, also of the version.
func TestSealEveryByte(t *testing.T) {
	s := testSealer(t, "a")
	sealed, err := s.seal(forSession, "name", []byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		for _, c := range []byte("AZ_") {
			if changed := sealed[:i] + string(c) + sealed[i+1:]; changed != sealed && opens(s, forSession, "name", changed) {
				t.Errorf("with another character %d it opens", i)
			}
		}
	}
}

// TestSealerPrints is LOG-01.
func TestSealerPrints(t *testing.T) {
	if s := fmt.Sprintf("%v %+v %#v %x", testSealer(t, "a"), testSealer(t, "a"), testSealer(t, "a"), testSealer(t, "a")); !strings.HasPrefix(s, "[1 keys] [1 keys]") {
		t.Errorf("%d characters", len(s))
	}
}

// FuzzOpen starts with values that open for another purpose or name.
func FuzzOpen(f *testing.F) {
	s := testSealer(f, "a")
	for _, bound := range [][2]string{{forAttempt, "name"}, {forSession, "other"}} {
		sealed, err := s.seal(bound[0], bound[1], []byte("plain"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Add("")
	f.Add("AQ")
	f.Fuzz(func(t *testing.T, other string) {
		if opens(s, forSession, "name", other) {
			t.Error("it opens")
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	s := testSealer(b, "a")
	sealed, err := s.seal(forSession, "name", bytes.Repeat([]byte("x"), 500))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		opens(s, forSession, "name", sealed)
	}
}
