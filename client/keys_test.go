package client_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestKeys: an ID token without a matching key ends the login. If the keys cannot be fetched, the
// error is temporary.
func TestKeys(t *testing.T) {
	stranger := optest.NewKey("of a stranger", "RS256")
	for _, test := range []struct {
		name      string
		sign      func(claims map[string]any) string
		jwks      http.HandlerFunc
		temporary bool
	}{
		{name: "signed by a stranger", sign: func(m map[string]any) string { return stranger.Sign(m, map[string]any{"kid": "k1"}) }},
		{name: "an unknown kid", sign: func(m map[string]any) string { return stranger.Sign(m, nil) }},
		{name: "keys that are down", jwks: answer(503, "text/plain", "later"), temporary: true},
		{name: "keys that hang up", jwks: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, temporary: true},
		{name: "keys that are HTML", jwks: answer(200, "text/html", "<html>")},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			if test.jwks != nil {
				s.Replace("/jwks", test.jwks)
			}
			if test.sign != nil {
				s.EditID = func(claims map[string]any) {
					s.Token = func(out map[string]any) { out["id_token"] = test.sign(claims) }
				}
			}
			tokens, err := login(t, s, newClient(t, config(s)))
			var e *client.Error
			var step *idtoken.Error
			if tokens != nil || !errors.As(err, &e) || e.Step != client.StepIDToken || e.Temporary() != test.temporary || !errors.As(err, &step) || len(step.Report.Steps) != 14 {
				t.Fatalf("got %v, %v", tokens, err)
			}
			var down *discovery.Error
			if errors.As(err, &down) != (test.jwks != nil) {
				t.Errorf("got %v", err)
			}
			noCanary(t, err.Error())
		})
	}
}
