package badtoken

import (
	"strings"

	"github.com/countersign/countersign/internal/optest"
)

func b64Signature(b Base, signed string) string { return optest.B64(b.Key.Signature(signed)) }

// headers returns tokens whose header is not exactly one JSON object: RFC 7515 §4, RFC 8725
// §3.7.
func headers(b Base) []Case {
	h, c, alg, kid := b.header(), b.claims(), b.Key.Alg, b.Key.ID
	open := strings.TrimSuffix(h, "}")
	cases := map[string]string{
		"null": "null", "an array": "[" + h + "]", "a string": `"` + alg + `"`, "a number": "1", "true": "true", "empty": "", "a space": " ", "an empty object": "{}",
		"trailing bytes": h + "x", "a trailing NUL": h + "\x00", "two objects": h + h, "a trailing comma": open + ",}", "not closed": open,
		"a comment": open + "/*x*/}", "single quotes": strings.ReplaceAll(h, `"`, "'"), "after a BOM": "\ufeff" + h,
		"alg twice": open + `,"alg":"none"}`, "alg twice, the same": open + `,"alg":"` + alg + `"}`, "alg twice, none first": `{"alg":"none",` + h[1:],
		"alg twice by escape": open + `,"\u0061lg":"none"}`, "kid twice": open + `,"kid":"x"}`, "a member twice, deep": open + `,"x":{"a":1,"a":2}}`,
		"ALG alone": `{"ALG":"` + alg + `","kid":"` + kid + `"}`, "Alg alone": `{"Alg":"` + alg + `","kid":"` + kid + `"}`,
		"invalid UTF-8": open + ",\"x\":\"\xff\"}", "invalid UTF-8 in a name": open + ",\"\xc0\x80\":1}", "half a surrogate": open + `,"x":"\ud800"}`,
		"UTF-16": utf16(h), "a raw line break": open + ",\"x\":\"a\nb\"}", "NaN": open + `,"x":NaN}`, "a leading zero": open + `,"x":01}`,
		"17 deep": open + `,"x":` + repeat("[", 17) + repeat("]", 17) + "}", "a thousand deep": open + `,"x":` + repeat("[", 1000) + repeat("]", 1000) + "}",
		"300 members": open + members(300) + "}", "a number of 1,000 digits": open + `,"x":` + repeat("9", 1000) + "}",
		"kid of 300 bytes": sprint(`{"alg":%q,"kid":%q}`, alg, repeat("k", 300)), "kid null": sprint(`{"alg":%q,"kid":null}`, alg),
		"kid a number": sprint(`{"alg":%q,"kid":1}`, alg), "kid an array": sprint(`{"alg":%q,"kid":[%q]}`, alg, kid), "kid an object": sprint(`{"alg":%q,"kid":{"a":%q}}`, alg, kid),
		"kid true": sprint(`{"alg":%q,"kid":true}`, alg), "typ a number": sprint(`{"alg":%q,"kid":%q,"typ":1}`, alg, kid), "typ an array": sprint(`{"alg":%q,"kid":%q,"typ":["JWT"]}`, alg, kid),
	}
	tokens := map[string]string{}
	for name, header := range cases {
		tokens[name] = b.raw(header, c)
	}
	return append(list("header", tokens), kinds(b)...)
}

// kinds returns tokens with the typ of other kinds of JWT, RFC 8725 §3.11. A verifier that
// checks signatures only does not know the expected kind.
func kinds(b Base) []Case {
	tokens := map[string]string{}
	for _, typ := range []string{"at+JWT2", "dpop+jwt", "secevent+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "client-authentication+jwt", "JOSE", "x", " JWT"} {
		tokens[typ] = b.sign(map[string]any{"typ": typ}, nil)
	}
	return unreadable(list("typ", tokens))
}

func members(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(sprint(`,"m%d":1`, i))
	}
	return b.String()
}

func utf16(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteByte(c)
		b.WriteByte(0)
	}
	return b.String()
}

// criticals returns tokens that require extensions: RFC 7515 §4.1.11, RFC 7797.
func criticals(b Base) []Case {
	open := strings.TrimSuffix(b.header(), "}")
	tokens := map[string]string{}
	for name, more := range map[string]string{
		"empty": `"crit":[]`, "null": `"crit":null`, "a string": `"crit":"exp"`, "an object": `"crit":{}`, "true": `"crit":true`, "unknown": `"crit":["x"],"x":1`,
		"unknown and absent": `"crit":["x"]`, "registered": `"crit":["alg"]`, "exp": `"crit":["exp"],"exp":1`, "b64": `"crit":["b64"],"b64":true`,
		"b64 false": `"crit":["b64"],"b64":false`, "twice": `"crit":["x","x"],"x":1`, "empty name": `"crit":[""],"":1`, "a number": `"crit":[1]`,
		"b64 without crit": `"b64":false`, "b64 true without crit": `"b64":true`, "b64 null": `"b64":null`,
	} {
		tokens[name] = b.raw(open+","+more+"}", b.claims())
	}
	return list("crit", tokens)
}
