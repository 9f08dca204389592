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

// MTLS says where the client certificate comes from, RFC 8705 §3. nil means the request's TLS
// connection. A token that is bound to a certificate is always compared with the client's
// certificate.
type MTLS struct {
	// Required rejects tokens that are not bound to a certificate.
	Required bool

	// Header is the header field in which a TLS-terminating proxy forwards the certificate. Accepted
	// forms are Client-Cert (RFC 9440), PEM in URL encoding, PEM with spaces for line ends, and base64
	// of DER. The chain may follow. Proxies must be set too, and the proxies must remove the field
	// from requests of clients. "" means that no proxy forwards a certificate.
	Header string

	// XFCC says that Header has the form of Envoy's x-forwarded-client-cert, and how many
	// proxies write it. The field must have as many elements, and the first is the client's.
	// Use 1 for one Envoy that sets the field (SANITIZE_SET), and 2 if a second one appends to
	// it. 0 means that Header has another form.
	XFCC int

	// Proxies are the addresses of the proxies. Header is read only in requests that come from one
	// of them. It must be set if Header is set.
	Proxies []netip.Prefix
}

var (
	errProxies = errors.New("MTLS.Header is set, but MTLS.Proxies is empty: set the addresses of the proxies that write the header")
	errXFCC    = errors.New("MTLS.XFCC is negative or set without MTLS.Header")
)

// configured checks the settings for Header.
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

var errNoCertificate = errors.New("the token is bound to a certificate, but the request has no client certificate: behind a proxy, set MTLS.Header and MTLS.Proxies")

// thumbprint returns the thumbprint of the request's client certificate, RFC 8705 §3.1.
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

// fromProxy reports whether the peer of the connection is a trusted proxy.
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

var errForwarded = errors.New("the forwarded client certificate is malformed: check MTLS.Header, MTLS.XFCC and the proxy's format")

// forwardedThumbprint reads the certificate that a proxy forwards.
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

// isNoCertificate reports whether field is what proxies write without a certificate: an empty
// byte sequence (HAProxy, Caddy), or Apache httpd's text for an unset variable.
func isNoCertificate(field string) bool { return field == "" || field == "::" || field == "(null)" }

// decodeForwarded decodes the certificates of a field. The first characters distinguish the
// three forms.
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

// decodePEM reads PEM certificates, in URL encoding or with spaces for line ends, because a
// field has no line ends.
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

// chainThumbprint returns the thumbprint of the first certificate. Traefik and AWS load
// balancers forward the whole chain that a client sent. Then each certificate must be signed by
// the next. This rejects a certificate that a client put in front of what the proxy wrote.
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

// check compares the request's certificate with the one that the token is bound to.
func (m *MTLS) check(r *http.Request, want string) *Error {
	if want == "" {
		if m != nil && m.Required {
			return invalidToken(errors.New("the token is not bound to a certificate (cnf.x5t#S256 is missing), and MTLS.Required is set"))
		}
		return nil
	}
	got, err := m.thumbprint(r)
	if err != nil {
		return refusal(err)
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return invalidToken(errors.New("the token is bound to another certificate than that of the request"))
	}
	return nil
}
