package doctor

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// connection reports on the network and on TLS. It is false if the issuer cannot be reached.
func (x *examination) connection(d *document) (reached bool) {
	switch {
	case d.status != 0 && d.tls != nil:
		x.certificates(d.tls)
	case d.status != 0:
		x.report.warn("tls", "no TLS: anyone on the network can read and change requests and responses", "use https outside development")
	case d.err != nil:
		return !x.certificateFault(d.err) && !x.networkFault(d)
	}
	return true
}

// certificateFault reports why a certificate was rejected.
func (x *examination) certificateFault(err error) bool {
	const topic = "tls"
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	chain := presented(err)
	switch {
	case errors.As(err, &unknown) && incomplete(chain):
		x.report.problem(topic, "the server presents only its own certificate"+chain.describe()+", and this machine does not trust the authority that signed it",
			"configure the server to send the intermediate certificates too; for a private authority, pass -ca FILE here, and set client.Config.HTTP and discovery.Provider.HTTP to a client with RootCAs")
	case errors.As(err, &unknown):
		x.report.problem(topic, "the certificate is signed by an authority that this machine does not trust"+chain.describe(),
			"add the authority to the system, set client.Config.HTTP and discovery.Provider.HTTP to a client with RootCAs, or pass -ca FILE here")
	case errors.As(err, &name):
		x.report.problem(topic, "the certificate is not for this host: "+name.Error(), "use a host name that is in the certificate, or configure a certificate for this host at the server")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired && chain.notYet(x.Now()):
		x.report.problem(topic, "the certificate is not valid yet"+chain.describe(), "set this machine's clock, or wait until "+chain[0].NotBefore.Format(time.DateTime))
	case errors.As(err, &invalid):
		x.report.problem(topic, "the certificate is not valid: "+invalid.Error()+chain.describe(), "renew the certificate, or set this machine's clock")
	default:
		return false
	}
	return true
}

// networkFault reports why no answer came.
func (x *examination) networkFault(d *document) bool {
	const topic = "network"
	var dns *net.DNSError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	text := d.err.Error()
	switch {
	case errors.As(d.err, &dns):
		x.report.problem(topic, "the host "+dns.Name+" is not found in DNS", "check the spelling, and the DNS server of this machine")
	case errors.Is(d.err, syscall.ECONNREFUSED):
		x.report.problem(topic, "the connection is refused: nothing listens at "+hostOf(x.Issuer), "start the server, or correct the port")
	case errors.As(d.err, &record), strings.Contains(text, "server gave HTTP response to HTTPS client"):
		x.report.problem("tls", "the server expects http at this port, but the address has https", "correct the port or the scheme of the address")
	case strings.Contains(text, "tls: certificate required"), strings.Contains(text, "tls: bad certificate"), strings.Contains(text, "tls: handshake failure") && x.Certificate == nil:
		x.report.problem("tls", "the server ends the TLS handshake: "+text, "it may require a client certificate: pass one with -cert; otherwise it must support TLS 1.2 or 1.3 (RFC 9325)")
	case strings.Contains(text, "unrecognized name"):
		x.report.problem("tls", "the server does not know this host name: "+text, "check the spelling of the host, and the server names in the proxy in front of the server")
	case errors.As(d.err, &alert), strings.Contains(text, "protocol version"):
		x.report.problem("tls", "no TLS connection: "+text, "the server must support TLS 1.2 or 1.3 (RFC 9325)")
	case d.timedOut():
		x.report.problem(topic, fmt.Sprintf("no response from %s within %s", hostOf(x.Issuer), jose.Duration(x.Timeout)), "check firewalls, proxies (HTTPS_PROXY), and whether the server is overloaded")
	default:
		x.report.problem(topic, "no response: "+text, "check that the server runs and that this machine reaches it")
	}
	return true
}

func hostOf(issuer string) string {
	u, err := url.Parse(issuer)
	if err != nil {
		return issuer
	}
	return u.Host
}

// chain is the list of certificates that the server presented.
type chain []*x509.Certificate

func presented(err error) chain {
	var e *tls.CertificateVerificationError
	if errors.As(err, &e) {
		return e.UnverifiedCertificates
	}
	return nil
}

// incomplete: the server sends only its own certificate, which another authority signed.
func incomplete(c chain) bool {
	return len(c) == 1 && !bytes.Equal(c[0].RawIssuer, c[0].RawSubject)
}

func (c chain) describe() string {
	if len(c) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s, issued by %s)", or(c[0].Subject.CommonName, strings.Join(c[0].DNSNames, " ")), or(c[len(c)-1].Issuer.CommonName, c[len(c)-1].Issuer.String()))
}

func (c chain) notYet(now time.Time) bool { return len(c) > 0 && now.Before(c[0].NotBefore) }

func (x *examination) certificates(state *tls.ConnectionState) {
	const topic = "tls"
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(x.Now())
	x.report.note(topic, fmt.Sprintf("%s, %s, valid until %s", tls.VersionName(state.Version), names(state.PeerCertificates), leaf.NotAfter.Format(time.DateOnly)))
	if left < 14*24*time.Hour {
		x.report.warn(topic, fmt.Sprintf("the certificate expires in %.0f days", left.Hours()/24), "renew it")
	}
	if key, ok := leaf.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() < 2048 {
		x.report.warn(topic, fmt.Sprintf("the certificate has an RSA key of %d bits", key.N.BitLen()), "use at least 2048 bits (RFC 9325 section 4.5)")
	}
}

// names returns the chain as the server presented it.
func names(certificates []*x509.Certificate) string {
	var all []string
	for _, c := range certificates {
		all = append(all, or(c.Subject.CommonName, strings.Join(append(c.DNSNames, c.Subject.String()), " ")))
	}
	return fmt.Sprintf("chain of %d: %s", len(all), strings.Join(all, ", "))
}

// clock compares the clocks by the Date header, which is exact to a second.
func (x *examination) clock(d *document) {
	const topic = "clock"
	if d.date.IsZero() || d.took > 5*time.Second {
		return
	}
	off := d.date.Add(d.age).Sub(x.Now()).Round(time.Second)
	direction := "ahead of"
	if off < 0 {
		direction = "behind"
	}
	switch size := off.Abs(); {
	case size > 30*time.Second:
		x.report.problem(topic, fmt.Sprintf("the server's clock is %s %s this machine's", jose.Duration(size), direction), "set both clocks by NTP; Skew allows a difference of up to 5 minutes")
	case size > 5*time.Second:
		x.report.warn(topic, fmt.Sprintf("the server's clock is %s %s this machine's", jose.Duration(size), direction), "set both clocks by NTP")
	}
}
