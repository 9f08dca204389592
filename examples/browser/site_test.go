package browser

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"html/template"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/page"
)

// The two sites. The browser, and the application's client, reach both on loopback.
const (
	appHost    = "shop.example"
	serverHost = "accounts.test"
)

var alice = issuertest.User{Subject: "248289761001", Claims: map[string]any{"name": "Alice Liddell"}}

// site is a web application and its authorization server, both with TLS.
type site struct {
	app, issuer string
	clock       clock
	login       *login.Login
	server      *httptest.Server

	start     func() []http.Handler // starts the processes of the application again
	mu        sync.Mutex
	processes []http.Handler
	next      int
}

// ServeHTTP sends requests to the processes in turn.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.next++
	process := s.processes[s.next%len(s.processes)]
	s.mu.Unlock()
	process.ServeHTTP(w, r)
}

// restart replaces every process by a new one without state.
func (s *site) restart() {
	fresh := s.start()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes = fresh
}

// clock is the application's clock, which tests set.
type clock struct {
	mu  sync.Mutex
	off time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.off)
}

func (c *clock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off += d
}

// startSite starts both. mode is the registered response mode. Each of edits changes one process
// of the application. Without edits there is one process.
func startSite(t *testing.T, mode string, edits ...func(*login.Config)) *site {
	t.Helper()
	s := &site{}
	var server http.Handler
	appServer := serveTLS(t, s.ServeHTTP)
	s.server = serveTLS(t, func(w http.ResponseWriter, r *http.Request) { server.ServeHTTP(w, r) })
	s.app, s.issuer = origin(appServer, appHost), origin(s.server, serverHost)
	as, err := issuertest.NewHandler(issuertest.Config{
		Issuer: s.issuer, Page: true,
		Clients: []issuertest.Client{{ID: "shop", Secret: "canary-secret", Name: "The print shop", RedirectURLs: []string{s.app + "/callback"}}},
		Users:   []issuertest.User{alice},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	server = as
	if edits == nil {
		edits = append(edits, func(*login.Config) {})
	}
	s.start = func() (all []http.Handler) {
		for _, edit := range edits {
			all = append(all, s.application(t, mode, edit))
		}
		return all
	}
	s.restart()
	return s
}

func (s *site) application(t *testing.T, mode string, edit func(*login.Config)) http.Handler {
	t.Helper()
	c, err := client.New(client.Config{
		Issuer: s.issuer, ClientID: "shop", Auth: auth.SecretBasic("canary-secret"), RedirectURL: s.app + "/callback",
		ResponseMode: mode, HTTP: toLoopback(), Now: s.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	config := login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, Now: s.clock.now, Log: slog.New(slog.DiscardHandler),
	}
	edit(&config)
	s.login, err = login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", s.login.Start())
	mux.Handle("/callback", s.login.Callback())
	mux.Handle("/logout", s.login.Logout())
	mux.Handle("/device-session", s.login.DeviceSession())
	mux.Handle("GET /albums/", s.login.Require(http.HandlerFunc(showAlbum)))
	mux.Handle("GET /{$}", s.login.Identify(http.HandlerFunc(showHome)))
	return mux
}

var homePage = page.New(`The print shop`, `
{{with .}}<p id="who">You are <strong>{{.Subject}}</strong>.</p>
<form method="post" action="/logout"><button id="out" class="quiet">Sign out</button></form>
{{else}}<p id="who">You are nobody.</p><p><a id="in" class="button" href="/login">Sign in</a></p>{{end}}
`)

func showHome(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		homePage.Write(w, http.StatusOK, nil)
		return
	}
	homePage.Write(w, http.StatusOK, user)
}

var albumPage = page.New(`An album`, `
<p id="who">You are <strong>{{.User.Subject}}</strong>.</p><p>This is <span id="where">{{.Where}}</span>.</p>
<form method="post" action="/logout"><button id="out" class="quiet">Sign out</button></form>
`)

func showAlbum(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		http.Error(w, "not signed in", http.StatusUnauthorized)
		return
	}
	albumPage.Write(w, http.StatusOK, map[string]any{"User": user, "Where": template.HTML(template.HTMLEscapeString(r.RequestURI))})
}

// certificate is the certificate of both sites.
var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	names := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{appHost, serverHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, names, names, key.Public(), key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
})

// keyHash is the form in which Chromium accepts the key.
func keyHash() string {
	sum := sha256.Sum256(certificate().Leaf.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func serveTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate()}}
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// origin is a server's address under another name.
func origin(s *httptest.Server, host string) string {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	return "https://" + net.JoinHostPort(host, port)
}

// toLoopback resolves every name to loopback.
func toLoopback() *http.Client {
	roots := x509.NewCertPool()
	roots.AddCert(certificate().Leaf)
	return &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, port, _ := net.SplitHostPort(address)
			return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
		},
	}}
}
