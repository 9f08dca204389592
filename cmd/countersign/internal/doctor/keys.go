package doctor

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/countersign/countersign/discovery"
)

const keysTopic = "keys"

// A jwk is a key as the issuer wrote it.
type jwk struct {
	Kty    string   `json:"kty"`
	Kid    string   `json:"kid"`
	Use    string   `json:"use"`
	Alg    string   `json:"alg"`
	Crv    string   `json:"crv"`
	N      string   `json:"n"`
	E      string   `json:"e"`
	X      string   `json:"x"`
	Y      string   `json:"y"`
	X5c    []string `json:"x5c"`
	X5t    string   `json:"x5t"`
	X5t256 string   `json:"x5t#S256"`
	KeyOps []string `json:"key_ops"`

	raw json.RawMessage
}

// keys reads the key set. Without a jwks_uri there is nothing to read.
func (x *examination) keys(ctx context.Context) {
	uri, _ := x.raw["jwks_uri"].(string)
	if uri == "" {
		if !x.withoutLogin() {
			x.report.warn(keysTopic, "the metadata names no jwks_uri", "for ID tokens set client.Config.IDTokenKeys. For access tokens use rs.Introspection; if they are JWTs, set rs.JWT.Keys")
		}
		return
	}
	const remedy = "without keys no signature can be verified: correct the server, or configure keys with discovery.StaticKeys"
	d := x.get(ctx, uri)
	if fault := d.fault(); fault != "" {
		x.report.problem(keysTopic, uri+": "+fault, or(d.remedy(), remedy))
		return
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(d.body, &set); err != nil || set.Keys == nil {
		x.report.problem(keysTopic, uri+": "+notASet(d.body), remedy)
		return
	}
	if err := x.libraryReads(ctx, d.body); err != nil {
		x.report.problem(keysTopic, uri+": "+err.Error(), remedy)
	}
	x.eachKey(set.Keys)
}

// probe is a JWT that no key verifies.
const probe = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImRvY3RvciJ9.e30.AAAA"

// libraryReads asks the library, which may be stricter than the examination.
func (x *examination) libraryReads(ctx context.Context, body []byte) error {
	if _, err := discovery.StaticKeys(body); err != nil || x.metadata == nil {
		return err
	}
	var e *discovery.Error
	if _, err := x.provider.Keys().VerifySignature(ctx, probe); errors.As(err, &e) {
		return err
	}
	return nil
}

// maxKeys is how many keys the library and the doctor read.
const maxKeys = 100

func (x *examination) eachKey(raw []json.RawMessage) {
	if len(raw) > maxKeys {
		x.report.problem(keysTopic, fmt.Sprintf("the set has %d keys, but this module reads at most %d", len(raw), maxKeys), "remove old keys")
		raw = raw[:maxKeys]
	}
	var all []jwk
	var kinds []string
	for i, one := range raw {
		k := jwk{raw: one}
		if json.Unmarshal(one, &k) != nil {
			x.report.warn(keysTopic, fmt.Sprintf("key %d %s", i+1, notAKey(one)), "this module skips the key: correct or remove it at the server")
			continue
		}
		all, kinds = append(all, k), append(kinds, kind(k))
		x.key(i, k)
	}
	x.keyAlgs = slices.DeleteFunc(slices.Clone(known), func(alg string) bool { return !anySigns(all, alg) })
	x.twins(all)
	x.keysFit(all)
	x.report.note(keysTopic, fmt.Sprintf("%s: %s", counted(len(raw), "key"), strings.Join(kinds, ", ")))
}

// signs: the key is not for encryption.
func (k jwk) signs() bool { return k.Use == "" || k.Use == "sig" }

// twins finds keys that a token could refer to alike.
func (x *examination) twins(all []jwk) {
	counts := map[string]int{}
	for i, a := range all {
		for _, b := range all[:i] {
			if a.signs() && b.signs() && a.Kid == b.Kid && a.Kty == b.Kty && a.Crv == b.Crv && (a.Alg == b.Alg || a.Alg == "" || b.Alg == "") {
				counts[a.Kid] = max(2, counts[a.Kid]+1)
				break
			}
		}
	}
	for _, kid := range slices.Sorted(maps.Keys(counts)) {
		if kid == "" {
			x.report.problem(keysTopic, fmt.Sprintf("%d keys have no kid and the same type", counts[kid]), "tokens are rejected because several keys match: give each key its own kid")
			continue
		}
		x.report.problem(keysTopic, fmt.Sprintf("%d keys have kid %q and the same type", counts[kid], kid), "tokens with this kid are rejected because several keys match: give each key its own kid")
	}
}

// keysFit: some key must be for the algorithms of ID tokens.
func (x *examination) keysFit(all []jwk) {
	algs := asymmetric(x.list("id_token_signing_alg_values_supported"))
	if len(algs) == 0 || len(all) == 0 {
		return
	}
	for _, alg := range algs {
		if anySigns(all, alg) {
			return
		}
	}
	x.report.warn(keysTopic, "no key of the set fits the algorithms of ID tokens ("+strings.Join(algs, ", ")+")", "publish the key that signs ID tokens, or correct id_token_signing_alg_values_supported")
}

// anySigns reports whether one of the keys is for signatures by alg.
func anySigns(all []jwk, alg string) bool {
	return slices.ContainsFunc(all, func(k jwk) bool { return k.signs() && (k.Alg == "" || k.Alg == alg) && k.fits(alg) })
}

var curves = map[string]string{"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}

func (k jwk) fits(alg string) bool {
	if curve := curves[alg]; curve != "" {
		return k.Crv == curve
	}
	return k.Kty == "RSA"
}

func kind(k jwk) string {
	text := k.Kty
	for _, part := range []string{k.Crv, k.Alg} {
		if part != "" {
			text += " " + part
		}
	}
	if k.Kty == "RSA" {
		text += fmt.Sprintf(" of %d bits", bits(k.N))
	}
	if k.Use != "" && k.Use != "sig" {
		text += " (" + k.Use + ")"
	}
	return text
}

// key reports what is odd about one key.
func (x *examination) key(i int, k jwk) {
	name := fmt.Sprintf("key %d (kid %q)", i+1, cut(k.Kid))
	x.contradicts(name, k)
	switch {
	case k.secret():
		x.report.problem(keysTopic, name+" is a secret key, and anyone can read it", "replace the key at once: tokens signed with it can be forged")
	case k.private():
		x.report.problem(keysTopic, name+" is a private key, and anyone can read it", "replace the key at once: tokens signed with it can be forged")
	case k.Kty == "RSA" && bits(k.N) > 0 && bits(k.N) < 2048:
		x.report.problem(keysTopic, fmt.Sprintf("%s has %d bits, expected at least 2048 (RFC 7518 section 3.3)", name, bits(k.N)), "tokens that this key signs are rejected: use a longer key")
	case k.signs() && k.malformed() != "":
		x.report.problem(keysTopic, name+": "+k.malformed(), "tokens that this key signs are rejected: correct the key at the server")
	case k.signs():
		x.unused(name, k)
	}
	if k.Kid == "" && k.signs() {
		x.report.note(keysTopic, name+" has no kid: it is used only when no other key matches")
	}
	x.certificate(name, k)
}

// has reports whether the key has one of the members.
func (k jwk) has(names ...string) bool {
	var members map[string]json.RawMessage
	if json.Unmarshal(k.raw, &members) != nil {
		return false
	}
	return slices.ContainsFunc(names, func(name string) bool { return members[name] != nil && string(members[name]) != "null" })
}

func (k jwk) secret() bool  { return k.Kty == "oct" || k.has("k") }
func (k jwk) private() bool { return k.has("d", "p", "q", "dp", "dq", "qi", "oth", "priv") }

// unused reports a key for signatures that the library skips, with its reason.
func (x *examination) unused(name string, k jwk) {
	_, err := discovery.StaticKeys([]byte(`{"keys":[` + string(k.raw) + `]}`))
	if err == nil && k.Kty == "RSA" && even(k.N) {
		x.report.problem(keysTopic, name+": n is even, and no valid RSA key has an even n", "no signature fits this key: correct the key at the server")
	}
	if err == nil {
		return
	}
	_, reason, _ := strings.Cut(err.Error(), "no usable key: key 0: ")
	reason = or(reason, err.Error())
	switch known := slices.Contains(known, k.Alg); {
	case k.unregistered():
		x.report.warn(keysTopic, fmt.Sprintf("%s is not used: no specification has the alg %q", name, cut(k.Alg)), "tokens that this key signs are rejected: correct alg at the server, for example to RS256")
		return
	case k.foreign() || !known && k.Alg != "":
		x.report.note(keysTopic, name+" is not used: "+reason)
		return
	}
	x.report.problem(keysTopic, name+" is not used: "+reason, "tokens that this key signs are rejected: correct the key at the server")
}

func bits(n string) int {
	raw, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return 0
	}
	return new(big.Int).SetBytes(raw).BitLen()
}
