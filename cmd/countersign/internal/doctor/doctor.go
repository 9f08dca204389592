// Package doctor examines an issuer as a relying party and an API see it. It reads what the
// issuer publishes and changes nothing there.
package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
)

// Options say what to examine. Issuer must be set.
type Options struct {
	Issuer string

	// ClientID and RedirectURL are from a registration. When both are set, a pushed authorization
	// request tests them, if the issuer has an endpoint for it.
	ClientID, RedirectURL string
	Auth                  auth.Method // the zero value means a public client

	// SigningKeys sign the pushed request if SignRequest is set, or if the issuer requires it of
	// every client. nil means that requests are not signed.
	SigningKeys auth.KeySource
	SignRequest bool

	// Certificate is presented to the issuer. nil means none.
	Certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// Profile is the only one to compare with. NoProfile means all of them.
	Profile client.Profile

	// RootCAs verify the issuer's certificate. nil means the certificate authorities of the system.
	RootCAs *x509.CertPool

	// InsecureHTTP accepts an issuer on http anywhere. It is for development.
	InsecureHTTP bool

	// Timeout limits each request. 0 means 10 seconds.
	Timeout time.Duration

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// examination is one run.
type examination struct {
	Options
	report   *Report
	provider *discovery.Provider
	http     *http.Client
	raw      map[string]any // the metadata as the issuer wrote it
	metadata *discovery.Metadata
	keyAlgs  []string // the algorithms of the server's keys
	isOpenID bool     // the metadata is at the address of OpenID Connect Discovery
}

// Examine reads what the issuer publishes. It ends after a few time-outs at most, and never fails:
// the report contains what is wrong.
func Examine(ctx context.Context, o Options) *Report {
	x := newExamination(o)
	if !x.checkAddress() {
		return x.report
	}
	x.provider = &discovery.Provider{Issuer: o.Issuer, HTTP: x.http, InsecureHTTP: o.InsecureHTTP, Logger: quiet}
	document := x.documents(ctx)
	if document == nil {
		return x.report
	}
	x.types()
	x.spelling()
	x.endpoints()
	x.keys(ctx)
	x.algorithms()
	x.features()
	if x.metadata == nil {
		return x.report
	}
	x.profiles()
	x.push(ctx)
	x.configuration(document)
	return x.report
}

func newExamination(o Options) *examination {
	x := &examination{Options: o, report: &Report{Issuer: o.Issuer}}
	if x.Timeout == 0 {
		x.Timeout = 10 * time.Second
	}
	if x.Now == nil {
		x.Now = time.Now
	}
	x.http = x.client()
	return x
}
