package rs

import (
	"reflect"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
)

func newClaims() *claims {
	return &claims{dialect: dialect{
		issuer: "https://as.example", audience: "https://api.example", claims: map[string]string{"use": "access"}, tenants: true,
	}}
}

// sameReading compares the short reader with the strict decoder: what the short one accepts, the
// strict one must accept with the same values.
func sameReading(t *testing.T, payload string) (simple bool) {
	short, long := newClaims(), newClaims()
	simple, shortErr := short.decodeSimple([]byte(payload))
	if !simple {
		if !reflect.DeepEqual(short, newClaims()) {
			t.Errorf("%q: something was taken of what is not simple", payload)
		}
		return false
	}
	longErr := jose.Decode([]byte(payload), long, jose.TokenLimits)
	if iss, err := issuerOf([]byte(payload)); longErr == nil && (err != nil || iss != long.principal.Issuer) {
		t.Errorf("%q: iss is %q, %v", payload, iss, err)
	}
	if (shortErr == nil) != (longErr == nil) {
		t.Errorf("%q: %v, %v", payload, shortErr, longErr)
	}
	if shortErr == nil && !reflect.DeepEqual(short, long) {
		t.Errorf("%q:\n%+v\n%+v", payload, short, long)
	}
	return true
}

var simpleTexts = []string{
	`{"iss":"https://as.example","sub":"alice","aud":"https://api.example","exp":1800000000,"iat":1,"jti":"x","client_id":"rp","scope":"a b"}`,
	`{"aud":["https://api.example","x"],"amr":["pwd","otp"],"acr":"gold","auth_time":123456789012345,"use":"access","tid":"t"}`,
	`{"Sub":"mallory","sub":"alice","SUB":"eve","Exp":1,"exp":2,"AUD":["x"]}`, `{"exp":999999999999999,"cnf":"x","act":["y"],"active":"true"}`,
	`{"":"x","a":["b"]}`, `{"nonce":"n"}`, `{"scope":1}`, `{"exp":"1"}`, `{"sub":1}`, `{"sub":["x"]}`,
}

var otherTexts = []string{
	``, `{`, `{}`, `[]`, `null`, `{"a":"b"} `, ` {"a":"b"}`, `{"a": "b"}`, `{"a" :"b"}`, `{"a":"b",}`, `{,"a":"b"}`, `{"a":"b" ,"c":"d"}`, `{"a":"b"}x`, `{"a":"b"}{"a":"b"}`,
	`{"sub":"a","sub":"b"}`, `{"a":"b","c":"d","a":"e"}`, `{"a":"\u0041"}`, `{"\u0061":"b"}`, `{"a":"é"}`, "{\"a\":\"\xff\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\n\"}", `{"a":true}`, `{"a":null}`, `{"a":{"b":"c"}}`,
	`{"exp":1e400}`, `{"exp":1E+400}`, `{"exp":-0}`, `{"exp":0}`, `{"exp":1.0}`, `{"exp":2e0}`, `{"exp":1000000000000000}`, `{"exp":+1}`, `{"exp":1_0}`, `{"exp":0x1}`, `{"exp":1 }`, `{"exp":Infinity}`, `{"exp":NaN}`,
	"{\"sub\":\"alice\"}\x00", "\ufeff{\"sub\":\"alice\"}", "{\"sub\":\"alice\"}\n", `{"sub":"alice","sub":"alice"}`, `{"sub":"a\/b"}`, `{"s\u0075b":"x"}`, "{\"sub\":\"a\tb\"}", "{\"sub\":\"\u2028\"}", `{"aud":["a","b","c\\"]}`,
	`{"a":` + strings.Repeat("[", 100) + `"x"` + strings.Repeat("]", 100) + `}`, `{"a":["b"]]}`, `{"a":["b"}`, `{"a":["b",1]}`, `{"a":["b"],}`, `{"a":"b"}}`, `{{"a":"b"}}`, `{"a":"b" }`, `{"a":"b"/**/}`, `{"a"::"b"}`, `{"a":"b";"c":"d"}`,
	`{"a":-1}`, `{"a":0}`, `{"a":01}`, `{"a":1.5}`, `{"a":1e5}`, `{"a":1234567890123456}`, `{"a":[]}`, `{"a":["b",]}`, `{"a":[,"b"]}`, `{"a":["b" ,"c"]}`, `{"a":["b"`, `{"a":[1]}`, `{"a":[["b"]]}`, `{"a":"b`, `{"a"`, `{"a":`, `{"a":1`, `{"a"}`, `{a:"b"}`, `{'a':'b'}`,
}

// TestSimple: which texts are simple, and that both readers return the same.
func TestSimple(t *testing.T) {
	for _, text := range simpleTexts {
		if !sameReading(t, text) {
			t.Errorf("%q is not simple", text)
		}
	}
	for _, text := range otherTexts {
		if sameReading(t, text) {
			t.Errorf("%q is simple", text)
		}
	}
	long := `{"sub":"` + strings.Repeat("x", jose.TokenLimits.Bytes-10) + `"}`
	if !sameReading(t, long) || sameReading(t, strings.Replace(long, "x", "xx", 1)) {
		t.Error("the limit of bytes")
	}
	many := make([]string, maxSimple+1)
	for i := range many {
		many[i] = `"` + strings.Repeat("x", i) + `":1`
	}
	if sameReading(t, "{"+strings.Join(many, ",")+"}") || !sameReading(t, "{"+strings.Join(many[1:], ",")+"}") {
		t.Error("the limit of members")
	}
}

// FuzzSimple compares the short reader with the strict decoder.
func FuzzSimple(f *testing.F) {
	for _, text := range append(simpleTexts, otherTexts...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, payload string) { sameReading(t, payload) })
}
