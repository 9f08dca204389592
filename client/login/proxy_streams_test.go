package login_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestProxyStreams: bodies in both directions, and server-sent events, are forwarded as they are
// written. SPA-06.
func TestProxyStreams(t *testing.T) {
	arrived := make(chan struct{})
	s := startSPA(t, setting{}, []string{"POST /echo", "GET /events"}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/events" {
			w.Header().Set("Content-Type", "text/event-stream")
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
				if i == 0 {
					<-r.Context().Done() // the second event never comes: the first must have been flushed
					return
				}
			}
		}
		buf := make([]byte, 10)
		io.ReadFull(r.Body, buf)
		close(arrived)
		io.Copy(io.Discard, r.Body)
		w.Write(buf)
	})
	b := s.browser(t)
	b.signIn(s.app)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	r, _ := http.NewRequestWithContext(ctx, "GET", s.URL+"/api/events", nil)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(resp.Body).ReadString('\n')
	if line != "data: 0\n" || err != nil {
		t.Errorf("%q %v", line, err)
	}
	resp.Body.Close()

	body, write := io.Pipe()
	r, _ = http.NewRequestWithContext(ctx, "POST", s.URL+"/api/echo", body)
	r.Header.Set("X-CSRF-Token", fmt.Sprint(b.info(s.app)["csrf_token"]))
	go func() {
		io.WriteString(write, "0123456789")
		select {
		case <-arrived: // before the rest is sent
		case <-ctx.Done():
		}
		write.Close()
	}()
	if resp, err = b.Do(r); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "0123456789" || err != nil {
		t.Errorf("%q %v", got, err)
	}
}

// TestProxyWebSocket: the handshake has the token, and bytes flow both ways. SPA-07.
func TestProxyWebSocket(t *testing.T) {
	authorized := make(chan bool, 1)
	s := startSPA(t, setting{}, []string{"GET /socket"}, func(w http.ResponseWriter, r *http.Request) {
		authorized <- strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") && r.Header.Get("Cookie") == ""
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSet-Cookie: a=b\r\n\r\n")
		io.Copy(conn, rw)
	})
	b := s.browser(t)
	b.signIn(s.app)
	r, _ := http.NewRequestWithContext(t.Context(), "GET", s.URL+"/api/socket", nil)
	r.Header.Set("Origin", s.URL)
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Connection", "Upgrade")
	resp, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	socket, ok := resp.Body.(io.ReadWriteCloser)
	if resp.StatusCode != 101 || !ok || !<-authorized || resp.Header.Get("Set-Cookie") != "" {
		t.Fatalf("%d %v", resp.StatusCode, resp.Header)
	}
	io.WriteString(socket, "ping")
	buf := make([]byte, 4)
	if _, err := io.ReadFull(socket, buf); string(buf) != "ping" || err != nil {
		t.Errorf("%q %v", buf, err)
	}
}
