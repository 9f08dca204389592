package internal_test

import (
	"bufio"
	"context"
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
	"time"

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
	events := make(chan string)
	through := startTalking(t, program, nginxBlock(t, "websockets-and-events.md"), func(w http.ResponseWriter, r *http.Request) { news(w, r, events) })
	t.Run("events", func(t *testing.T) { readEvents(t, through.browser, events) })
	t.Run("socket", func(t *testing.T) {
		if status, line := through.shake(t); status != http.StatusSwitchingProtocols || line != "you said hello\n" {
			t.Errorf("%d %q", status, line)
		}
	})
}

// TestNginxDefaults: without the lines of the page nginx keeps an event back until the response
// ends, and does not pass on a handshake. The header X-Accel-Buffering replaces one of the lines.
func TestNginxDefaults(t *testing.T) {
	program := os.Getenv("COUNTERSIGN_NGINX")
	if program == "" {
		t.Skip("COUNTERSIGN_NGINX is not set: make proxies")
	}
	page := nginxBlock(t, "websockets-and-events.md")
	buffered := regexp.MustCompile(`proxy_buffering.*|proxy_set_header (Upgrade|Connection).*`).ReplaceAllString(page, "")
	for name, test := range map[string]struct {
		block, header string
		atOnce        bool
		handshake     int
	}{
		"the page":          {page, "", true, http.StatusSwitchingProtocols},
		"defaults":          {buffered, "", false, http.StatusBadRequest},
		"X-Accel-Buffering": {buffered, "no", true, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			events, end := make(chan string), make(chan struct{})
			through := startTalking(t, program, test.block, func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithCancel(r.Context())
				go func() { <-end; cancel() }()
				if test.header != "" {
					w.Header().Set("X-Accel-Buffering", test.header)
				}
				news(w, r.WithContext(ctx), events)
			})
			line := firstLine(t, through.browser)
			events <- "one"
			if got := within(line, 2*time.Second); (got == "data: one\n") != test.atOnce {
				t.Errorf("after two seconds: %q", got)
			}
			close(end)
			if !test.atOnce {
				if got := within(line, time.Minute); got != "data: one\n" {
					t.Errorf("at the end of the response: %q", got)
				}
			}
			if status, _ := through.shake(t); status != test.handshake {
				t.Errorf("handshake: status %d, expected %d", status, test.handshake)
			}
		})
	}
}

// firstLine requests the events, and sends the first line of the response when it arrives.
func firstLine(t *testing.T, browser *http.Client) <-chan string {
	line := make(chan string, 1)
	go func() {
		resp, err := browser.Get("https://app.example/app/events")
		if err != nil {
			line <- err.Error()
			return
		}
		defer resp.Body.Close()
		got, _ := bufio.NewReader(resp.Body).ReadString('\n')
		line <- got
	}()
	return line
}

// within returns what arrives in time, or "".
func within(line <-chan string, limit time.Duration) string {
	select {
	case got := <-line:
		return got
	case <-time.After(limit):
		return ""
	}
}

// throughNginx is a visitor who is signed in at an application behind nginx.
type throughNginx struct {
	browser     *http.Client
	front       string
	certificate *x509.Certificate
}

// startTalking starts the application and nginx with locations, and signs the visitor in.
func startTalking(t *testing.T, program, locations string, events http.HandlerFunc) *throughNginx {
	t.Helper()
	issuer := issuertest.New(t, issuertest.Config{})
	app := httptest.NewServer(talking(t, issuer, events))
	t.Cleanup(app.Close)
	server := strings.TrimSuffix(strings.TrimSpace(nginxBlock(t, "proxies-and-base-paths.md")), "}")
	front, certificate := startNginx(t, program, server+locations+"}\n", app.Listener.Addr().String())
	browser := issuer.Browser(certificate)
	browser.Transport = dialing(browser.Transport.(*http.Transport), "app.example:443", front)
	if status, body := visit(t, browser, "https://app.example/app/"); status != http.StatusOK || body != "hello" {
		t.Fatalf("%d %q", status, body)
	}
	return &throughNginx{browser, front, certificate}
}

// talking is an application under /app that sends events, and that echoes over a WebSocket.
func talking(t *testing.T, issuer *issuertest.Issuer, events http.HandlerFunc) http.Handler {
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
	mux.Handle("/events", l.Require(events))
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

// shake sends the handshake of a browser, with its session cookie. It returns the status and the
// echo.
func (n *throughNginx) shake(t *testing.T) (status int, line string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(n.certificate)
	conn, err := tls.Dial("tcp", n.front, &tls.Config{RootCAs: roots, ServerName: "app.example"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r, _ := http.NewRequest("GET", "https://app.example/app/socket", nil)
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Origin": "https://app.example", "Sec-Fetch-Site": "same-origin"} {
		r.Header.Set(name, value)
	}
	for _, c := range n.browser.Jar.Cookies(&url.URL{Scheme: "https", Host: "app.example", Path: "/app/socket"}) {
		r.AddCookie(c)
	}
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	back := bufio.NewReader(conn)
	resp, err := http.ReadResponse(back, r)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		fmt.Fprint(conn, "hello\n")
		line, _ = back.ReadString('\n')
	}
	return resp.StatusCode, line
}
