package client

import (
	"crypto/tls"
	"net/http"
)

// tlsOf is what a standard transport says about TLS. Of another one nothing can be seen.
func tlsOf(hc *http.Client) (c *tls.Config, known bool) {
	if hc == nil || hc.Transport == nil {
		return &tls.Config{}, true
	}
	t, ok := hc.Transport.(*http.Transport)
	//lint:ignore SA1019 somebody may set DialTLS still
	if !ok || t.DialTLSContext != nil || t.DialTLS != nil {
		return nil, false
	}
	if t.TLSClientConfig == nil {
		return &tls.Config{}, true
	}
	return t.TLSClientConfig, true
}

// weakTLS tells whether hc would speak less than TLS 1.2, or to anybody.
func weakTLS(hc *http.Client) bool {
	c, known := tlsOf(hc)
	if !known {
		return false
	}
	old := func(version uint16) bool { return version != 0 && version < tls.VersionTLS12 }
	return old(c.MinVersion) || old(c.MaxVersion) || c.InsecureSkipVerify && c.VerifyConnection == nil && c.VerifyPeerCertificate == nil
}

// showsCertificate tells whether hc has a certificate to show, as far as can be seen.
func showsCertificate(hc *http.Client) bool {
	c, known := tlsOf(hc)
	return !known || len(c.Certificates) > 0 || c.GetClientCertificate != nil
}
