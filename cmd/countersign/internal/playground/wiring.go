package playground

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/discovery/issuertest"
)

// logWriter keeps the log lines of a program.
type logWriter struct {
	l       *lab
	program string
}

func (w logWriter) Write(line []byte) (int, error) {
	w.l.note(func() { w.l.logs = append(w.l.logs, w.program+": "+string(line)) })
	return len(line), nil
}

// trusting trusts the certificates of the lab, and presents the client's with mTLS.
func (l *lab) trusting() http.RoundTripper { return &lazyTransport{l: l} }

const loopback = "127.0.0.1"

// lazyTransport is made at its first request: the certificates are known by then.
type lazyTransport struct {
	l    *lab
	once sync.Once
	t    *http.Transport
}

func (z *lazyTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Hostname() != loopback { // for example an open redirect
		return nil, errors.New("the playground sends nothing beyond loopback")
	}
	z.once.Do(func() {
		pool := x509.NewCertPool()
		for _, c := range z.l.roots {
			pool.AddCert(c)
		}
		z.t = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}
		if z.l.on["mtls"] {
			z.t.TLSClientConfig.Certificates = []tls.Certificate{z.l.cert}
		}
	})
	resp, err := z.t.RoundTrip(r)
	if err == nil {
		z.l.changed(resp)
	}
	return resp, err
}

func (l *lab) changed(resp *http.Response) {
	l.mu.Lock()
	change := l.tamper
	l.mu.Unlock()
	if change != nil {
		change(resp)
	}
}

// listen opens a free port of loopback, with a new certificate.
func (l *lab) listen(address *string) (net.Listener, error) {
	pair := issuertest.NewCertificate()
	l.roots = append(l.roots, pair.Leaf)
	inner, err := net.Listen("tcp", loopback+":0")
	if err != nil {
		return nil, err
	}
	*address = "https://" + inner.Addr().String()
	l.closers = append(l.closers, func() { inner.Close() })
	return tls.NewListener(inner, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}), nil
}

func (l *lab) serve(listener net.Listener, h http.Handler) {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, WriteTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	go s.Serve(listener)
	l.closers = append(l.closers, func() { s.Close() })
}

func (l *lab) close() {
	for i := len(l.closers) - 1; i >= 0; i-- {
		l.closers[i]()
	}
}

// recorder records what lane sends.
func (l *lab) recorder(lane int, base http.RoundTripper) http.RoundTripper {
	return &wire.Recorder{Base: base, Record: func(x *wire.Exchange) {
		l.note(func() { l.arrows = append(l.arrows, &arrow{From: lane, To: l.lane(x.URL), x: x}) })
	}}
}
