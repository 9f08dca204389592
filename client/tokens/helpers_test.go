package tokens_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// answer returns a token endpoint that sends the same response to every request.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// config is the configuration of the client that the test server knows.
func config(s *optest.Server) client.Config {
	return client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	}
}

// login makes a complete login.
func login(t *testing.T, s *optest.Server, c *client.Client) (*client.Tokens, error) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return c.Finish(t.Context(), pending, s.Visit(t, redirect))
}

func newClient(t *testing.T, c client.Config) *client.Client {
	t.Helper()
	out, err := client.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// noCanary fails if text contains a secret. Secrets in these tests begin with canary, and JWTs
// with eyJ.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in %.200q", text[max(0, i-50):])
		}
	}
}
