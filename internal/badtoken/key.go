package badtoken

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"

	"github.com/countersign/countersign/internal/optest"
)

// algorithms returns tokens with an alg that does not fit the key, or none: RFC 8725 §2.1,
// §3.1, §3.2.
func algorithms(b Base) []Case {
	c, kid, signature := b.claims(), b.Key.ID, strings.Split(b.Good(), ".")[2]
	tokens := map[string]string{}
	for _, alg := range []string{"none", "None", "NONE", "nOnE", " none", "none ", "", "null", "RS1", "MD5", "ES256K", "Ed448", "ML-DSA-44", "dir", "RSA-OAEP-256", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"} {
		header := sprint(`{"alg":%q,"kid":%q}`, alg, kid)
		tokens["alg "+alg] = b.raw(header, c)
		tokens["alg "+alg+" unsigned"] = optest.B64([]byte(header)) + "." + optest.B64([]byte(c)) + "."
	}
	for name, member := range map[string]string{"missing": `"x":1`, "null": `"alg":null`, "a number": `"alg":256`, "an array": sprint(`"alg":[%q]`, b.Key.Alg), "an object": `"alg":{}`, "true": `"alg":true`} {
		tokens["alg is "+name] = b.raw(sprint(`{%s,"kid":%q}`, member, kid), c)
	}
	for name, alg := range map[string]string{"in another case": strings.ToLower(b.Key.Alg) + "x"[:0], "with a space": b.Key.Alg + " ", "with a NUL": b.Key.Alg + "\x00", "after a space": " " + b.Key.Alg} {
		tokens["alg "+name] = b.raw(text(map[string]any{"alg": lowerIfSame(alg, b.Key.Alg), "kid": kid}), c)
	}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"} {
		if alg == b.Key.Alg {
			continue
		}
		header := optest.B64([]byte(sprint(`{"alg":%q,"kid":%q}`, alg, kid)))
		tokens["another alg, "+alg+", with the signature of the right one"] = header + "." + optest.B64([]byte(c)) + "." + signature
		tokens["another alg, "+alg+", signed by the right key"] = b.raw(sprint(`{"alg":%q,"kid":%q}`, alg, kid), c)
		if alg[:2] == b.Key.Alg[:2] || alg[:1] == "P" && b.Key.Alg[:1] == "R" || alg[:1] == "R" && b.Key.Alg[:1] == "P" {
			tokens["another alg, "+alg+", of the same key"] = sameKey(b, alg).Sign(b.Claims, b.Header)
		}
	}
	for name, secret := range confusions(b) {
		for _, alg := range []string{"HS256", "HS384", "HS512"} {
			forger := optest.Key{ID: kid, Alg: alg, Secret: secret}
			tokens[alg+" with "+name] = forger.Sign(b.Claims, b.Header)
		}
	}
	return list("alg", tokens)
}

func lowerIfSame(alg, good string) string {
	if alg == good {
		return strings.ToLower(alg) + "."
	}
	return alg
}

func sameKey(b Base, alg string) optest.Key {
	k := b.Key
	if _, ok := k.Private.(*rsa.PrivateKey); ok {
		k.Alg = alg
		return k
	}
	return optest.NewKey(k.ID, alg)
}

// confusions returns the HMAC secrets that an attacker may try: every public form of the key.
func confusions(b Base) map[string][]byte {
	out := map[string][]byte{"an empty secret": {}, "a zero byte": {0}, "the word secret": []byte("secret"), "the kid": []byte(b.Key.ID)}
	if b.Key.Private == nil {
		return out
	}
	der, err := x509.MarshalPKIXPublicKey(b.Key.Private.Public())
	if err != nil {
		panic(err)
	}
	jwk, _ := json.Marshal(b.Key.JWK())
	out["the key in DER"] = der
	out["the key in PEM"] = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	out["the key in PEM without its end"] = []byte(strings.TrimSpace(string(out["the key in PEM"])))
	out["the key in base64"] = []byte(base64.StdEncoding.EncodeToString(der))
	out["the JWK"] = jwk
	if k, ok := b.Key.Private.Public().(*rsa.PublicKey); ok {
		out["the modulus"] = k.N.Bytes()
		out["the key in PKCS 1"] = x509.MarshalPKCS1PublicKey(k)
	}
	return out
}

// foreignKeys returns tokens that contain a key or point to one: RFC 8725 §3.10, RFC 7515
// §4.1.2 to §4.1.8.
func foreignKeys(b Base) []Case {
	forger := optest.NewKey("forger", b.Key.Alg)
	public := forger.JWK()
	tokens := map[string]string{}
	for name, more := range map[string]map[string]any{
		"jwk": {"jwk": public}, "jwk and the right kid": {"jwk": public, "kid": b.Key.ID}, "jwk with the right kid in it": {"jwk": overlay(public, map[string]any{"kid": b.Key.ID}), "kid": nil},
		"jku": {"jku": b.Foreign + "/jwks"}, "jku and the right kid": {"jku": b.Foreign + "/jwks", "kid": b.Key.ID}, "x5u": {"x5u": b.Foreign + "/cert.pem", "kid": b.Key.ID},
		"x5c": {"x5c": []string{"MIIB"}, "kid": b.Key.ID}, "x5t": {"x5t": "AAAA", "kid": b.Key.ID}, "x5t#S256": {"x5t#S256": "AAAA", "kid": b.Key.ID},
		"jku of a file": {"jku": "file:///etc/passwd"}, "all of them": {"jwk": public, "jku": b.Foreign, "x5u": b.Foreign, "kid": b.Key.ID},
		"the right kid": {"kid": b.Key.ID}, "no kid": {"kid": nil}, "an empty kid": {"kid": ""}, "a kid that is a path": {"kid": "../../../../dev/null"},
		"a kid that is SQL": {"kid": "x' UNION SELECT 'key';--"}, "a kid that is a URL": {"kid": b.Foreign + "/key"}, "a kid that is a shell's": {"kid": "|curl " + b.Foreign},
		"a kid in capitals": {"kid": strings.ToUpper(b.Key.ID)}, "a kid with a NUL": {"kid": b.Key.ID + "\x00"}, "a kid with a space": {"kid": b.Key.ID + " "}, "a kid of line breaks": {"kid": "a\r\nb\x1b[31m"},
	} {
		header := map[string]any{}
		for _, part := range []map[string]any{b.Header, more} {
			for name, value := range part {
				header[name] = value
			}
		}
		tokens[name] = forger.Sign(b.Claims, header)
	}
	return list("foreign", tokens)
}
