package client_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// TestAppBackend: the error says which value the app or its backend left out.
func TestAppBackend(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.RedirectURL = "com.example.app://callback"
	c := newClient(t, cfg)
	verifier := pkce.New()
	code := func(nonce string) string {
		q := url.Values{
			"client_id": {optest.ClientID}, "response_type": {"code"}, "redirect_uri": {cfg.RedirectURL}, "scope": {"openid"},
			"code_challenge": {verifier.Challenge(pkce.S256)}, "code_challenge_method": {"S256"}, "state": {"of the app"},
		}
		if nonce != "" {
			q.Set("nonce", nonce)
		}
		return s.Visit(t, s.URL+"/authorize?"+q.Encode()).Get("code")
	}
	pending := &client.Pending{
		Issuer: cfg.Issuer, ClientID: cfg.ClientID, RedirectURL: cfg.RedirectURL, Scopes: []string{"openid"},
		State: "of the app", Nonce: "n", CodeVerifier: string(verifier), CreatedAt: time.Now(),
	}
	_, wrongVerifier := c.Exchange(t.Context(), code(""), pkce.New())
	_, nonce := c.Exchange(t.Context(), code("n"), verifier)
	_, iss := newClient(t, cfg).Finish(t.Context(), pending, url.Values{"code": {"x"}, "state": {"of the app"}, "iss": nil})
	for want, err := range map[string]error{
		"code_verifier may be of another request":    wrongVerifier,
		"call Client.Finish with Pending.Nonce":      nonce,
		"iss is missing in the response, but the se": iss,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, received %v", want, err)
		}
	}
}
