package doctor

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// certificate compares a key with the certificate in it. No check of a token depends on the
// certificate's dates and authority, but other software may look at them.
func (x *examination) certificate(name string, k jwk) {
	if len(k.X5c) == 0 {
		return
	}
	der, err := base64.StdEncoding.DecodeString(k.X5c[0])
	var cert *x509.Certificate
	if err == nil {
		cert, err = x509.ParseCertificate(der)
	}
	if err != nil {
		x.report.warn(keysTopic, name+": its certificate (x5c) cannot be read", "the key is skipped: correct or remove x5c")
		return
	}
	switch now := x.Now(); {
	case cert.NotAfter.Before(now):
		x.report.warn(keysTopic, fmt.Sprintf("%s: its certificate (x5c) expired on %s", name, cert.NotAfter.Format(time.DateOnly)), "renew or remove x5c: this module still uses the key, but other software may reject it")
	case cert.NotBefore.After(now):
		x.report.warn(keysTopic, fmt.Sprintf("%s: its certificate (x5c) is not valid before %s", name, cert.NotBefore.Format(time.DateOnly)), "check the clocks, or remove x5c")
	}
	x.thumbprints(name, k, der)
}

// thumbprints compares x5t and x5t#S256 with the certificate (RFC 7517 sections 4.8, 4.9).
func (x *examination) thumbprints(name string, k jwk, der []byte) {
	short, long := sha1.Sum(der), sha256.Sum256(der)
	for member, values := range map[string][2]string{
		"x5t":      {k.X5t, base64.RawURLEncoding.EncodeToString(short[:])},
		"x5t#S256": {k.X5t256, base64.RawURLEncoding.EncodeToString(long[:])},
	} {
		if got := strings.TrimRight(values[0], "="); got != "" && got != values[1] {
			x.report.warn(keysTopic, fmt.Sprintf("%s: %s is not the thumbprint of its certificate (x5c)", name, member), "correct "+member+" at the server: this module ignores it, but other software may reject the key")
		}
	}
}
