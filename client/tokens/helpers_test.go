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

// answer makes a token endpoint that says the same to everybody.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

// config is that of the client the fake server knows.
func config(s *optest.Server) client.Config {
	return client.Config{
		Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
	}
}

// login goes the whole path.
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

// noCanary fails if text holds a secret: everything secret in these tests begins
// with canary, and JWTs begin with eyJ.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in %.200q", text[max(0, i-50):])
		}
	}
}
