package rs

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// xfccCertificate is what an element of Envoy's x-forwarded-client-cert says about the client's
// certificate.
type xfccCertificate struct{ hash, cert string }

// xfccThumbprint reads the first element, which the proxy nearest to the client wrote. There
// must be as many elements as proxies, and each may name its certificate only once. Envoy does
// not quote names from a client's certificate, so such a name may look like another element.
func xfccThumbprint(field string, proxies int) (string, error) {
	var first xfccCertificate
	n := 0
	for rest := field; ; n++ {
		c, after, more, ok := xfccElement(rest)
		if !ok || n >= proxies {
			return "", errForwarded
		}
		if n == 0 {
			first = c
		}
		if !more {
			break
		}
		rest = after
	}
	if n+1 != proxies {
		return "", errForwarded
	}
	return first.thumbprint()
}

// xfccElement reads up to the comma after an element, or to the end.
func xfccElement(s string) (c xfccCertificate, rest string, more, ok bool) {
	for s = strings.TrimLeft(s, " \t"); ; {
		key, after, found := strings.Cut(s, "=")
		if !found || !isXFCCKey(key) {
			return c, "", false, false
		}
		value, end := xfccValue(after)
		if end < 0 || !c.set(key, value) {
			return c, "", false, false
		}
		switch s = after[end:]; {
		case s == "":
			return c, "", false, true
		case s[0] == ',':
			return c, s[1:], true, true
		}
		s = s[1:] // the semicolon
	}
}

func isXFCCKey(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return s != ""
}

// xfccValue returns a value and the index of the separator after it, or len(s) at the end. The
// index is -1 if the value is malformed.
func xfccValue(s string) (value string, end int) {
	if !strings.HasPrefix(s, `"`) {
		end = strings.IndexAny(s, `,;"\`)
		switch {
		case end < 0:
			return s, len(s)
		case s[end] == '"' || s[end] == '\\':
			return "", -1
		}
		return s[:end], end
	}
	for end = 1; end < len(s) && s[end] != '"'; end++ {
		if s[end] == '\\' {
			end++
		}
	}
	if end >= len(s) || end+1 < len(s) && s[end+1] != ',' && s[end+1] != ';' {
		return "", -1
	}
	return s[1:end], end + 1
}

// set stores Hash or Cert. Each may occur once; case is ignored.
func (c *xfccCertificate) set(key, value string) (ok bool) {
	to := new(string)
	switch strings.ToLower(key) {
	case "hash":
		to = &c.hash
	case "cert":
		to = &c.cert
	default:
		return true
	}
	if *to != "" || value == "" {
		return false
	}
	*to = value
	return true
}

// thumbprint returns the thumbprint from Hash or Cert. If both are present, they must match.
func (c xfccCertificate) thumbprint() (string, error) {
	var byHash, byCert string
	if c.hash != "" {
		sum, err := hex.DecodeString(c.hash)
		if err != nil || len(sum) != 32 {
			return "", errForwarded
		}
		byHash = base64.RawURLEncoding.EncodeToString(sum)
	}
	if c.cert != "" {
		chain, err := decodePEM(c.cert)
		if err != nil || len(chain) != 1 {
			return "", errForwarded
		}
		if byCert, err = chainThumbprint(chain); err != nil {
			return "", err
		}
	}
	switch {
	case byHash == "" && byCert == "":
		return "", errNoCertificate
	case byHash != "" && byCert != "" && byHash != byCert:
		return "", errForwarded
	case byHash != "":
		return byHash, nil
	}
	return byCert, nil
}
