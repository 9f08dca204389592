package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/endpoint"
)

// TestRefused: the error about a refused connection says what to do, because it is the first error
// of many programs. It says whether the server or a proxy refused.
func TestRefused(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	_, err := get(t, s.URL)
	if err == nil || !strings.Contains(err.Error(), s.URL+": connection refused: start the server, or correct host and port") {
		t.Errorf("the server: %v", err)
	}
	proxy, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	through := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	_, err = endpoint.Client{HTTP: through}.Get(t.Context(), "https://as.example/", "*/*", nil, 1000)
	if err == nil || !strings.Contains(err.Error(), "HTTPS_PROXY") || strings.Contains(err.Error(), "start the server") {
		t.Errorf("the proxy: %v", err)
	}
}
