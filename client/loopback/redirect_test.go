package loopback

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestRejectedRedirect: the advice names the redirect URI to register, without the port of this
// login. With a configured port the advice is the general one.
func TestRejectedRedirect(t *testing.T) {
	const free = "register http://127.0.0.1/callback (the server must accept any port), or set a RedirectURL with a registered port"
	const general = "set Config.RedirectURL to the registered URL"
	for _, path := range []string{"/par", "/token"} {
		for _, code := range []string{"invalid_request", "invalid_redirect_uri", "redirect_uri_mismatch"} {
			for redirect, want := range map[string]string{
				"": free, "http://127.0.0.1/in": strings.Replace(free, "callback", "in", 1), "http://127.0.0.1:0/callback": general,
			} {
				s := optest.New(t)
				s.Replace(path, func(w http.ResponseWriter, _ *http.Request) {
					optest.JSON(w, http.StatusBadRequest, map[string]any{"error": code})
				})
				c := config(t, s, func(address string, _ *url.URL) { get(t, request(t, "GET", address)) })
				c.Client.RedirectURL = redirect
				if path == "/par" {
					c.Client.PAR = client.PARAuto
				}
				_, err := Login(t.Context(), c)
				if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), general) != (want == general) {
					t.Errorf("%s, %s, %q: %v", path, code, redirect, err)
				}
			}
		}
	}
}
