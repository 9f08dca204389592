package client_test

import (
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/internal/optest"
)

// TestRequireIssWithIDToken: with RequireIss, a response with an ID token need not have iss. The ID
// token names the issuer.
func TestRequireIssWithIDToken(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{
		Metadata: map[string]any{"authorization_response_iss_parameter_supported": nil},
		Edit:     issuertest.Edit{Callback: func(q url.Values) { q.Del("iss") }},
	})
	for kind, want := range map[string]bool{client.ResponseCodeIDToken: true, client.ResponseCode: false} {
		c := newClient(t, client.Config{
			Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client(),
			RedirectURL: "https://app.example/callback", RequireIss: true, ResponseType: kind, ResponseMode: "form_post",
		})
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Finish(t.Context(), pending, issuer.SignIn(t, redirect)); (err == nil) != want {
			t.Errorf("%s: %v, want accepted: %t", kind, err, want)
		}
	}
}

// TestIntrospectInactive: for a token that is not active, all other fields are empty. Claims
// decodes the other members of the response.
func TestIntrospectInactive(t *testing.T) {
	s := optest.New(t)
	s.Replace("/introspect", answer(200, "application/json", `{"active":false,"sub":"alice","reason":"revoked"}`))
	got, err := newClient(t, config(s)).Introspect(t.Context(), "canary-opaque", "")
	if err != nil {
		t.Fatal(err)
	}
	var more struct {
		Reason string `json:"reason"`
	}
	if err := got.Claims(&more); err != nil || got.Active || got.Subject != "" || more.Reason != "revoked" {
		t.Errorf("active %t, subject %q, reason %q, %v", got.Active, got.Subject, more.Reason, err)
	}
}
