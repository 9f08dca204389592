package issuertest

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"sync"
	"time"
)

// Issuer is an OpenID provider. It is safe for concurrent use.
type Issuer struct {
	// URL is the issuer identifier.
	URL string

	config Config
	path   string // of URL, without a slash at the end
	keys   keys
	clock  clock
	faults faults
	log    exchanges
	routes map[Endpoint]http.HandlerFunc

	mu    sync.Mutex // guards the rest of the state
	state state

	server      *http.Server
	certificate *x509.Certificate
	served      sync.WaitGroup
	closing     sync.Once
	done        chan struct{} // closed by Close
	transports  []*http.Transport
}

// T is the part of *testing.T, *testing.B and *testing.F that the package uses.
type T interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// New starts an issuer that stops when the test ends.
func New(t T, config Config) *Issuer {
	t.Helper()
	i, err := Start(config)
	if err != nil {
		t.Fatalf("%v", err)
		return nil
	}
	t.Cleanup(i.Close)
	return i
}

// NewHandler returns an issuer for use in the caller's own server. Config.Issuer must be the
// URL of that server; Listen and PlainHTTP are ignored. Close the issuer after use. The error
// names the wrong field.
func NewHandler(config Config) (*Issuer, error) {
	config, err := config.complete()
	if err != nil {
		return nil, err
	}
	u, err := checkIssuer(config.Issuer)
	if err != nil {
		return nil, err
	}
	i := &Issuer{URL: config.Issuer, config: config, path: strings.TrimSuffix(u.Path, "/"), done: make(chan struct{})}
	i.keys.alg, i.clock.now = config.Algorithm, config.Now
	if config.EncryptionKey {
		i.keys.decryption = newDecryptionKey()
	}
	i.faults.inject(config.Faults)
	i.state = newState(config.Clients)
	i.routes = i.handlers()
	return i, nil
}

// Start listens on Config.Listen and serves until Close. The error names the wrong field, or comes
// from the listener.
func Start(config Config) (*Issuer, error) {
	l, err := net.Listen("tcp", or(config.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	if config.Issuer == "" {
		config.Issuer = map[bool]string{true: "http://", false: "https://"}[config.PlainHTTP] + l.Addr().String()
	}
	i, err := NewHandler(config)
	if err != nil {
		l.Close()
		return nil, err
	}
	return i, i.serve(l)
}

func (i *Issuer) serve(l net.Listener) error {
	if !i.config.PlainHTTP {
		pair, certificate, err := newCertificate(l.Addr())
		if err != nil {
			l.Close()
			return err
		}
		i.certificate = certificate
		l = tls.NewListener(l, &tls.Config{
			Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, NextProtos: []string{"http/1.1"},
		})
	}
	i.server = &http.Server{
		Handler: i, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute,
		ConnState: i.connState, ErrorLog: log.New(io.Discard, "", 0),
	}
	i.served.Go(func() { i.server.Serve(l) })
	return nil
}

// connState counts the open connections, so that Close can wait for them.
func (i *Issuer) connState(_ net.Conn, s http.ConnState) {
	switch s {
	case http.StateNew:
		i.served.Add(1)
	case http.StateClosed, http.StateHijacked:
		i.served.Done()
	}
}

// Close closes all connections and waits for the requests in progress. It also closes the
// idle connections of the clients from [Issuer.Client] and [Issuer.Browser].
func (i *Issuer) Close() {
	i.closing.Do(func() {
		close(i.done)
		if i.server != nil {
			i.server.Close()
		}
		i.mu.Lock()
		transports := i.transports
		i.mu.Unlock()
		for _, t := range transports {
			t.CloseIdleConnections()
		}
		i.served.Wait()
		i.keys.giveBack()
	})
}

// Certificate returns the self-signed certificate of the issuer's TLS server. It is the only
// root to trust. It is nil with PlainHTTP and for NewHandler.
func (i *Issuer) Certificate() *x509.Certificate { return i.certificate }

// Client returns an HTTP client that trusts the issuer's certificate. It presents the given
// client certificates, if any.
func (i *Issuer) Client(certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: i.transport(nil, certificates), Timeout: 30 * time.Second}
}

// Browser returns an HTTP client that trusts the certificates of the issuer and of the
// application under test. It keeps cookies and follows redirects, like a browser.
func (i *Issuer) Browser(application ...*x509.Certificate) *http.Client {
	jar := must(cookiejar.New(nil))
	return &http.Client{Transport: i.transport(application, nil), Jar: jar, Timeout: 30 * time.Second}
}

func (i *Issuer) transport(roots []*x509.Certificate, certificates []tls.Certificate) *http.Transport {
	pool := x509.NewCertPool()
	for _, c := range append(roots, i.certificate) {
		if c != nil {
			pool.AddCert(c)
		}
	}
	t := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: certificates}, IdleConnTimeout: time.Minute,
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.transports = append(i.transports, t)
	return t
}

// trusting returns a client for the requests that the issuer itself sends to applications
// under test.
func trusting() *http.Client {
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // a development server: the applications have their own certificates
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errClosed = errors.New("issuertest: the issuer is closed")

// pause waits for d, the end of the request or Close.
func (i *Issuer) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-i.done:
		return errClosed
	}
}
