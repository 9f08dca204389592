// Package examples runs the small programs with environment variables. The quickstart has its own
// tests.
package examples

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/examples/internal/visitor"
	"github.com/countersign/countersign/internal/freeport"
)

func TestWebappAndAPI(t *testing.T) {
	for _, kind := range []string{"jwt", "opaque"} {
		t.Run(kind, func(t *testing.T) {
			app, api, audience := freeport.Address(t), freeport.Address(t), "https://photos.example/"
			format := map[string]issuertest.Format{"jwt": issuertest.JWT, "opaque": issuertest.Opaque}[kind]
			issuer := issuertest.New(t, issuertest.Config{
				PlainHTTP: true, Page: true, AccessTokens: format,
				Clients: []issuertest.Client{
					{ID: "web", Secret: "web-secret", RedirectURLs: []string{"http://" + app + "/callback"}, Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}},
					{ID: "api", Secret: "api-secret"},
				},
				Users: []issuertest.User{{Subject: "4711"}},
			})
			run(t, "api", api, "ISSUER="+issuer.URL, "AUDIENCE="+audience, "CLIENT_ID=api", "CLIENT_SECRET=api-secret", "LISTEN="+api)
			run(t, "webapp", app, "ISSUER="+issuer.URL, "CLIENT_ID=web", "CLIENT_SECRET=web-secret", "SCOPES=openid photos.read",
				"LISTEN="+app, "BASE_URL=http://"+app, "API_URL=http://"+api+"/photos")

			v := &visitor.Visitor{App: "http://" + app, Username: "4711"}
			page, err := v.Visit(t.Context(), "/photos")
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"You are <strong>4711</strong>", "200 OK", "the photos of 4711, for web"} {
				if !strings.Contains(page.Body, want) {
					t.Errorf("the page lacks %q (status %d):\n%s", want, page.Status, page.Body)
				}
			}

			v = &visitor.Visitor{App: "http://" + app, Cancel: true}
			if page, err = v.Visit(t.Context(), "/login"); err != nil {
				t.Fatal(err)
			}
			if got := page.Element("strong", "code"); got != "access_denied" || page.Status != http.StatusForbidden {
				t.Errorf("cancelled: code %q, status %d", got, page.Status)
			}
		})
	}
}

// run builds and starts a program, and waits until it listens.
func run(t *testing.T, name, address string, env ...string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", name, err, out)
	}
	cmd := exec.Command(program)
	cmd.Env, cmd.Stderr = append(os.Environ(), env...), t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if c, err := net.Dial("tcp", address); err == nil {
			c.Close()
			return
		}
	}
	t.Fatalf("%s does not listen on %s", name, address)
}
