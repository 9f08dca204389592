package endpoint_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/internal/endpoint"
)

// TestH2Goaway: a POST that a closing HTTP/2 server did not process is not lost.
func TestH2Goaway(t *testing.T) {
	var n atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%5 == 0 {
			w.Header().Set("Connection", "close") // in HTTP/2: GOAWAY
		}
		w.Write([]byte("{}"))
	}))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{}
	s.StartTLS()
	defer s.Close()
	fails := 0
	var last error
	done := make(chan error, 64)
	for range 50 {
		for range 8 {
			go func() {
				_, err := endpoint.Client{HTTP: s.Client()}.PostForm(t.Context(), s.URL, nil, url.Values{"a": {"b"}}, "application/json")
				done <- err
			}()
		}
		for range 8 {
			if err := <-done; err != nil {
				fails++
				last = err
			}
		}
	}
	if fails > 0 {
		t.Errorf("%d of 400 failed: %v", fails, last)
	}
}
