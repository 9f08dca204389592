package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/endpoint"
)

// TestProxy: a proxy from the environment may be at a private address. net/http reads the
// environment once, so the test runs in another process.
func TestProxy(t *testing.T) {
	if os.Getenv("PROXY_TEST") != "" {
		for _, u := range []string{"https://１６９.２５４.１６９.２５４/x", "https://169。254。169。254/x", "https://ｌocalhost.:1/x", "https://as.example/x"} {
			endpoint.Client{}.Get(endpoint.For(t.Context(), "https://192.0.2.1"), u, "*/*", nil, 10)
		}
		return
	}
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.Host)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer proxy.Close()
	cmd := exec.Command(os.Args[0], "-test.run=^TestProxy$")
	cmd.Env = append(os.Environ(), "PROXY_TEST=1", "HTTPS_PROXY="+proxy.URL, "NO_PROXY=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if len(asked) == 0 || !strings.HasPrefix(asked[0], "CONNECT as.example:443") {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
