package doctor

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"

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
	D      string   `json:"d"`
	K      string   `json:"k"`
	X5c    []string `json:"x5c"`
	KeyOps []string `json:"key_ops"`
}

// keys reads the key set. One that nobody needs (no jwks_uri) is not read.
func (x *examination) keys(ctx context.Context) {
	uri, _ := x.raw["jwks_uri"].(string)
	if uri == "" {
		x.report.warn(keysTopic, "the metadata names no jwks_uri", "ID tokens then need client.Config.IDTokenKeys, JWT access tokens rs.JWT.Keys")
		return
	}
	d := x.get(ctx, uri)
	if fault := d.fault(); fault != "" && !(d.status == 200 && d.err == nil && json.Valid(d.body)) {
		x.report.problem(keysTopic, uri+": "+fault, "no signature can be checked; correct the server, or pin keys with discovery.StaticKeys")
		return
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(d.body, &set); err != nil || set.Keys == nil {
		x.report.problem(keysTopic, uri+": this is not a JWK Set (RFC 7517 section 5)", "correct the server, or pin keys with discovery.StaticKeys")
		return
	}
	if _, err := discovery.StaticKeys(d.body); err != nil {
		x.report.problem(keysTopic, uri+": "+err.Error(), "add a signing key at the server")
	}
	x.eachKey(set.Keys)
}

func (x *examination) eachKey(raw []json.RawMessage) {
	seen := map[string]int{}
	var kinds []string
	for i, one := range raw {
		var k jwk
		if json.Unmarshal(one, &k) != nil {
			x.report.warn(keysTopic, fmt.Sprintf("key %d is not a JWK", i+1), "it is skipped")
			continue
		}
		seen[k.Kid+"\x00"+k.Alg+"\x00"+k.Kty+"\x00"+k.Crv]++
		kinds = append(kinds, kind(k))
		x.key(i, k)
	}
	for id, n := range seen {
		if kid, _, _ := strings.Cut(id, "\x00"); n > 1 {
			x.report.problem(keysTopic, fmt.Sprintf("%d keys have kid %q and the same type", n, kid), "tokens with this kid are rejected: give each key another kid")
		}
	}
	if len(raw) > 100 {
		x.report.problem(keysTopic, fmt.Sprintf("the set has %d keys, at most 100 are read", len(raw)), "remove old keys")
	}
	x.report.note(keysTopic, fmt.Sprintf("%d keys: %s", len(raw), strings.Join(kinds, ", ")))
}

func kind(k jwk) string {
	text := k.Kty
	for _, part := range []string{k.Crv, k.Alg} {
		if part != "" {
			text += " " + part
		}
	}
	if k.Use != "" && k.Use != "sig" {
		text += " (" + k.Use + ")"
	}
	return text
}

// key reports what is odd about one key.
func (x *examination) key(i int, k jwk) {
	name := fmt.Sprintf("key %d (kid %q)", i+1, k.Kid)
	switch {
	case k.D != "":
		x.report.problem(keysTopic, name+" is a private key that everybody can read", "replace the key at once: tokens signed with it can be forged")
	case k.K != "" || k.Kty == "oct":
		x.report.problem(keysTopic, name+" is a secret key that everybody can read", "replace the key at once: tokens signed with it can be forged")
	case k.Kty == "RSA" && bits(k.N) < 2048:
		x.report.problem(keysTopic, fmt.Sprintf("%s has %d bits, expected at least 2048 (RFC 7518 section 3.3)", name, bits(k.N)), "tokens signed with it are rejected: use a longer key")
	case k.Kid == "" && len(x.report.Findings) > 0:
		x.report.note(keysTopic, name+": a key without kid is found only when a single key fits")
	}
	x.certificate(name, k)
}

func bits(n string) int {
	raw, err := base64.RawURLEncoding.DecodeString(n)
	if err != nil {
		return 0
	}
	return new(big.Int).SetBytes(raw).BitLen()
}

func (x *examination) certificate(name string, k jwk) {
	if len(k.X5c) == 0 {
		return
	}
	der, err := base64.StdEncoding.DecodeString(k.X5c[0])
	var cert *x509.Certificate
	if err == nil {
		cert, err = x509.ParseCertificate(der)
	}
	switch {
	case err != nil:
		x.report.warn(keysTopic, name+": its certificate (x5c) cannot be read", "the key is skipped: correct or remove x5c")
	case cert.NotAfter.Before(x.Now()):
		x.report.note(keysTopic, fmt.Sprintf("%s: its certificate (x5c) expired on %s; no check depends on it", name, cert.NotAfter.Format(time.DateOnly)))
	}
}
