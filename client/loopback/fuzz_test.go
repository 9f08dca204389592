package loopback

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// FuzzServe: no request without the state is accepted, and none ends the wait.
func FuzzServe(f *testing.F) {
	for _, target := range []string{
		"GET /callback?code=x&state=y HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", "GET /callback HTTP/1.0\r\n\r\n",
		"POST /callback HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: 1\r\n\r\nx", "GET http://127.0.0.1:1/callback?state=%zz HTTP/1.1\r\nHost: evil\r\n\r\n",
		"GET /callback?state=a&state=b&error=x HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", "CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n",
		"GET /callback?response=a.b.c HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", "GET //callback/../callback;x HTTP/1.1\r\nHost: [::1]:1\r\n\r\n",
	} {
		f.Add(target, false)
		f.Add(target, true)
	}
	s := optest.New(f)
	waits := map[bool]*wait{}
	for signed, mode := range map[bool]string{false: "", true: "query.jwt"} {
		c, err := client.New(client.Config{
			Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret),
			RedirectURL: "http://127.0.0.1:1/callback", ResponseMode: mode,
		})
		if err != nil {
			f.Fatal(err)
		}
		_, pending, err := c.Begin(f.Context(), client.Request{})
		if err != nil {
			f.Fatal(err)
		}
		waits[signed] = newWait(c, pending, &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/callback"}, time.Minute)
	}
	f.Fuzz(func(t *testing.T, raw string, signed bool) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(raw)))
		if err != nil {
			return
		}
		w, answer := waits[signed], httptest.NewRecorder()
		w.serve(t.Context(), answer, r)
		if w.over || answer.Code < 400 || answer.Code > 421 || s.Hits("/token") != 0 || strings.Contains(answer.Body.String(), w.pending.State) {
			t.Errorf("status %d", answer.Code)
		}
		w.strangers = 0
	})
}
