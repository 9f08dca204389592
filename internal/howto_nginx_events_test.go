package internal_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery/issuertest"
)

// nginxBlock returns the only block of nginx in a page.
func nginxBlock(t *testing.T, page string) string {
	t.Helper()
	blocks := regexp.MustCompile("(?s)```nginx\n(.*?)```").FindAllStringSubmatch(read(t, "../docs/"+page), -1)
	if len(blocks) != 1 {
		t.Fatalf("%s: %d blocks of nginx, expected 1", page, len(blocks))
	}
	return blocks[0][1]
}

// TestNginxEvents: with the locations of docs/websockets-and-events.md a signed-in visitor gets
// each event when it is sent, and uses a WebSocket.
func TestNginxEvents(t *testing.T) {
	program := os.Getenv("COUNTERSIGN_NGINX")
	if program == "" {
		t.Skip("COUNTERSIGN_NGINX is not set: make proxies")
	}
	issuer, events := issuertest.New(t, issuertest.Config{}), make(chan string)
	app := httptest.NewServer(talking(t, issuer, events))
	defer app.Close()
	server := strings.TrimSuffix(strings.TrimSpace(nginxBlock(t, "proxies-and-base-paths.md")), "}")
	front, certificate := startNginx(t, program, server+nginxBlock(t, "websockets-and-events.md")+"}\n", app.Listener.Addr().String())
	browser := issuer.Browser(certificate)
	browser.Transport = dialing(browser.Transport.(*http.Transport), "app.example:443", front)
	if status, body := visit(t, browser, "https://app.example/app/"); status != http.StatusOK || body != "hello" {
		t.Fatalf("%d %q", status, body)
	}
	t.Run("events", func(t *testing.T) { readEvents(t, browser, events) })
	t.Run("socket", func(t *testing.T) { shake(t, browser, front, certificate) })
}

// talking is an application under /app that sends events, and that echoes over a WebSocket.
func talking(t *testing.T, issuer *issuertest.Issuer, events <-chan string) http.Handler {
	t.Helper()
	c := webClient(t, issuer, func(config *client.Config) { config.RedirectURL = "https://app.example/app/callback" })
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, BasePath: "/app", Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/events", l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { news(w, r, events) })))
	mux.Handle("/socket", l.Require(http.HandlerFunc(echo)))
	mux.Handle("/", l.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") })))
	return mux
}

// echo answers a handshake, and sends one line back. The frames of a WebSocket do not matter to a
// proxy.
func echo(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Connection"), "upgrade") || r.Header.Get("Upgrade") != "websocket" {
		http.Error(w, "expected a handshake", http.StatusBadRequest)
		return
	}
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	rw.Flush()
	line, _ := rw.ReadString('\n')
	fmt.Fprint(rw, "you said "+line)
	rw.Flush()
}

// readEvents reads each event before the next one is sent.
func readEvents(t *testing.T, browser *http.Client, events chan<- string) {
	resp, err := browser.Get("https://app.example/app/events")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewReader(resp.Body)
	for _, event := range []string{"one", "two", "three"} {
		events <- event
		if line, err := lines.ReadString('\n'); line != "data: "+event+"\n" {
			t.Fatalf("%q, %v", line, err)
		}
		lines.ReadString('\n')
	}
}

// shake sends the handshake of a browser, with its session cookie.
func shake(t *testing.T, browser *http.Client, front string, certificate *x509.Certificate) {
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	conn, err := tls.Dial("tcp", front, &tls.Config{RootCAs: roots, ServerName: "app.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, _ := http.NewRequest("GET", "https://app.example/app/socket", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "https://app.example", "Sec-Fetch-Site": "same-origin"} {
		r.Header.Set(name, value)
	}
	for _, c := range browser.Jar.Cookies(&url.URL{Scheme: "https", Host: "app.example", Path: "/app/socket"}) {
		r.AddCookie(c)
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	back := bufio.NewReader(conn)
	resp, err := http.ReadResponse(back, r)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := back.ReadString('\n'); line != "you said hello\n" {
		t.Fatalf("%q, %v", line, err)
	}
}
