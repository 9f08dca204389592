package login_test

import (
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// TestFaultOfTheServer: a bad ID token from the token endpoint is reported to the operator, because
// no visitor can change it. A bad ID token from the browser, of another login or of another tenant
// is not.
func TestFaultOfTheServer(t *testing.T) {
	as := optest.New(t)
	for name, test := range map[string]struct {
		step     int
		client   func(*client.Config)
		operator bool
	}{
		"audience":                     {3, nil, true},
		"issuer":                       {2, nil, true},
		"clock":                        {10, nil, true},
		"nonce":                        {11, nil, false},
		"acr":                          {12, nil, false},
		"audience through the browser": {3, func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseCodeIDToken, "form_post" }, false},
		"tenant": {2, func(c *client.Config) {
			c.Issuer, c.Tenants = "https://login.example/{tenantid}/v2.0", []string{"one"}
		}, false},
	} {
		config := client.Config{Issuer: as.URL, ClientID: "web", Auth: auth.SecretBasic("canary-secret"), RedirectURL: "https://app.example/cb", Scopes: []string{"openid"}}
		if test.client != nil {
			test.client(&config)
		}
		c, err := client.New(config)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rejected := &client.Error{Step: client.StepIDToken, Err: &idtoken.Error{Step: idtoken.Step{Number: test.step}}}
		if got := login.IsFromServer(c, rejected); got != test.operator {
			t.Errorf("%s: %v", name, got)
		}
	}
}
