package loopback

import (
	"net/http/httptest"
	"net/url"
	"testing"
	"time"
)

// TestDefaultPort: a browser omits port 80 in the header Host.
func TestDefaultPort(t *testing.T) {
	for host, status := range map[string]int{
		"127.0.0.1": 404, "127.0.0.1:80": 404, "127.0.0.1:8080": 421, "evil.example": 421, "evil.example:80": 421, "127.0.0.1:80:80": 421,
	} {
		w := newWait(nil, nil, &url.URL{Scheme: "http", Host: "127.0.0.1:80", Path: "/callback"}, time.Minute)
		rec := httptest.NewRecorder()
		w.serve(t.Context(), rec, withHost(httptest.NewRequest("GET", "/favicon.ico", nil), host))
		if rec.Code != status {
			t.Errorf("%s: %d", host, rec.Code)
		}
	}
}
