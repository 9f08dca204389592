package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// connection reports on TLS.
func (x *examination) connection(d *document) {
	const topic = "tls"
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(d.err, &unknown):
		x.report.problem(topic, "the certificate is signed by an authority that this machine does not trust",
			"add the authority to the system, set client.Config.HTTP and discovery.Provider.HTTP to a client with RootCAs, or run this with -ca FILE")
	case errors.As(d.err, &name):
		x.report.problem(topic, "the certificate is not for this host: "+name.Error(), "use the host name in the certificate, or have the server present another one")
	case errors.As(d.err, &invalid):
		x.report.problem(topic, "the certificate is not valid: "+invalid.Error(), "renew it")
	case d.tls != nil:
		x.certificates(d.tls)
	case d.err == nil:
		x.report.warn(topic, "no TLS: anybody on the network can read and change what is sent", "use https outside development")
	}
}

func (x *examination) certificates(state *tls.ConnectionState) {
	const topic = "tls"
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(x.Now())
	x.report.note(topic, fmt.Sprintf("%s, %d certificates, %s until %s", tls.VersionName(state.Version), len(state.PeerCertificates), leaf.Subject.CommonName, leaf.NotAfter.Format(time.DateOnly)))
	if left < 14*24*time.Hour {
		x.report.warn(topic, fmt.Sprintf("the certificate expires in %.0f days", left.Hours()/24), "renew it")
	}
	if state.Version < tls.VersionTLS12 {
		x.report.problem(topic, tls.VersionName(state.Version)+" is obsolete", "use TLS 1.2 or 1.3 (RFC 9325)")
	}
}

// clock compares the clocks by the Date header, which is exact to a second.
func (x *examination) clock(d *document) {
	const topic = "clock"
	if d.date.IsZero() || d.took > 5*time.Second {
		return
	}
	off := d.date.Sub(x.Now()).Round(time.Second)
	direction := "ahead of"
	if off < 0 {
		direction = "behind"
	}
	switch size := off.Abs(); {
	case size > 30*time.Second:
		x.report.problem(topic, fmt.Sprintf("the server's clock is %v %s this machine's", size, direction), "set both clocks by NTP; Skew allows a difference of up to 5 minutes")
	case size > 5*time.Second:
		x.report.warn(topic, fmt.Sprintf("the server's clock is %v %s this machine's", size, direction), "set both clocks by NTP")
	}
}
