package rs

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// MTLS says where the client's certificate is that tokens are bound to, RFC 8705 §3.
// Without one it is that of the request's TLS connection; a token that is bound to a
// certificate is held against it in any case.
type MTLS struct {
	// Required refuses tokens that are bound to no certificate.
	Required bool

	// Header is the header field in which proxies that end TLS forward the certificate:
	// as Client-Cert of RFC 9440, as PEM in URL encoding or with spaces for the ends of
	// lines, or as base64 of its DER form, alone or before those that signed it.
	// Proxies must be set with it, and must take the field out of what clients send. ""
	// means that none does.
	Header string

	// XFCC says that Header is written as Envoy's x-forwarded-client-cert, and by how many
	// proxies: there must be as many elements, and the first is the client's. 1 is for one
	// Envoy that sets the field (SANITIZE_SET), 2 for one behind it that appends. 0 means
	// that Header is in another form.
	XFCC int

	// Proxies are the addresses of those proxies. The field is read in requests that
	// come from one of them, and in no other.
	Proxies []netip.Prefix
}

var (
	errProxies = errors.New("MTLS.Header is set, and MTLS.Proxies is empty")
	errXFCC    = errors.New("MTLS.XFCC is below 0, or set without MTLS.Header")
)

// configured looks at what a header is taken by.
func (m *MTLS) configured() error {
	switch {
	case m == nil:
		return nil
	case m.XFCC < 0 || m.XFCC > 0 && m.Header == "":
		return errXFCC
	case m.Header != "" && len(m.Proxies) == 0:
		return errProxies
	}
	return nil
}

var errNoCertificate = errors.New("the token is bound to a certificate, and the request comes with none")

// thumbprint is that of the request's client certificate, RFC 8705 §3.1.
func (m *MTLS) thumbprint(r *http.Request) (string, error) {
	if err := m.configured(); err != nil {
		return "", &unavailable{err}
	}
	if m != nil && m.Header != "" && m.fromProxy(r.RemoteAddr) {
		return m.forwardedThumbprint(r.Header.Values(m.Header))
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return "", errNoCertificate
	}
	return certificateThumbprint(r.TLS.PeerCertificates[0].Raw), nil
}

// fromProxy tells whether the connection's other end is a trusted proxy.
func (m *MTLS) fromProxy(remote string) bool {
	peer, err := netip.ParseAddrPort(remote)
	if err != nil {
		return false
	}
	for _, p := range m.Proxies {
		if p.Contains(peer.Addr().Unmap().WithZone("")) {
			return true
		}
	}
	return false
}

func certificateThumbprint(der []byte) string {
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

var errForwarded = errors.New("the forwarded certificate cannot be read")

// forwardedThumbprint reads the one certificate that a proxy forwards.
func (m *MTLS) forwardedThumbprint(fields []string) (string, error) {
	if len(fields) == 0 || len(fields) == 1 && isNoCertificate(fields[0]) {
		return "", errNoCertificate
	}
	if len(fields) > 1 || len(fields[0]) > maxCredentials {
		return "", errForwarded
	}
	if m.XFCC > 0 {
		return xfccThumbprint(fields[0], m.XFCC)
	}
	chain, err := decodeForwarded(fields[0])
	if err != nil {
		return "", errForwarded
	}
	return chainThumbprint(chain)
}

// isNoCertificate knows what proxies write where a certificate would be: an empty byte
// sequence (HAProxy, Caddy), and what Apache httpd says of a variable that is not set.
func isNoCertificate(field string) bool { return field == "" || field == "::" || field == "(null)" }

// decodeForwarded tells the three forms apart by what none of the others can be, and gives
// the certificates in them.
func decodeForwarded(field string) ([][]byte, error) {
	if inner, ok := strings.CutPrefix(field, ":"); ok { // a byte sequence, RFC 9440 §2.1
		inner, ok = strings.CutSuffix(inner, ":")
		if !ok {
			return nil, errForwarded
		}
		return decodeAll([]string{inner})
	}
	if !strings.HasPrefix(field, "-----") {
		return decodeAll(strings.Split(field, ","))
	}
	return decodePEM(field)
}

// decodePEM reads certificates as PEM, in URL encoding or with spaces for the ends of
// lines: a field has no lines.
func decodePEM(field string) ([][]byte, error) {
	text, err := url.PathUnescape(field)
	if err != nil {
		return nil, errForwarded
	}
	text, ends := strings.CutSuffix(strings.Join(strings.Fields(text), ""), pemEnd)
	text, begins := strings.CutPrefix(text, pemBegin)
	if !begins || !ends {
		return nil, errForwarded
	}
	return decodeAll(strings.Split(text, pemEnd+pemBegin))
}

// The lines around each certificate in PEM (RFC 7468 §5.1), without spaces.
const (
	pemBegin = "-----BEGINCERTIFICATE-----"
	pemEnd   = "-----ENDCERTIFICATE-----"
)

func decodeAll(parts []string) (all [][]byte, err error) {
	for _, part := range parts {
		der, err := base64.StdEncoding.Strict().DecodeString(part)
		if err != nil {
			return nil, errForwarded
		}
		all = append(all, der)
	}
	return all, nil
}

// chainThumbprint is that of the first certificate. Of several, as Traefik and load
// balancers of AWS write all that a client sent, each must be signed by the next: one that
// stands before what the proxy has written is not.
func chainThumbprint(chain [][]byte) (string, error) {
	var last *x509.Certificate
	for _, der := range chain {
		cert, err := x509.ParseCertificate(der)
		if err != nil || last != nil && last.CheckSignatureFrom(cert) != nil {
			return "", errForwarded
		}
		last = cert
	}
	return certificateThumbprint(chain[0]), nil
}

// check holds the request's certificate against the one that the token is bound to.
func (m *MTLS) check(r *http.Request, want string) *Error {
	if want == "" {
		if m != nil && m.Required {
			return invalidToken(errors.New("the token is bound to no certificate (MTLS.Required)"))
		}
		return nil
	}
	got, err := m.thumbprint(r)
	if err != nil {
		return refusal(err)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return invalidToken(errors.New("the token is bound to another certificate"))
	}
	return nil
}
