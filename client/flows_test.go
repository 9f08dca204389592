package client_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// fapiDaemon is a configuration for the FAPI profiles without a login in a browser.
func fapiDaemon(s *optest.Server, profile client.Profile) client.Config {
	key := auth.SigningKey{KeyID: "k", Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}
	return client.Config{
		Profile: profile, Issuer: s.URL, ClientID: "rp", Auth: auth.PrivateKeyJWT(key, auth.Assertion{}),
		CertificateBound: true, HTTP: withCertificate,
	}
}

// plainServer has neither PAR nor RFC 9207. A client without a browser needs neither.
func plainServer(t *testing.T) *optest.Server {
	s := optest.New(t)
	s.Asserted = true
	s.Rotate(optest.NewKey("k1", "PS256"))
	s.Edit = func(md map[string]any) {
		for _, name := range []string{"pushed_authorization_request_endpoint", "authorization_response_iss_parameter_supported"} {
			delete(md, name)
		}
		md["tls_client_certificate_bound_access_tokens"] = true
	}
	return s
}

// TestProfileWithoutRedirect: a profile's rules for logins in a browser do not apply to a client
// without RedirectURL. The other rules do. FAPI-05.
func TestProfileWithoutRedirect(t *testing.T) {
	all := []client.Profile{client.OIDCBasic, client.OAuth21, client.FAPI1Advanced, client.FAPI2Security, client.FAPI2MessageSigning, client.FAPICIBA}
	for _, profile := range all {
		s := plainServer(t)
		if !strings.HasPrefix(string(profile), "FAPI") {
			s.Rotate(optest.NewKey("k1", "RS256"))
		}
		c, err := client.New(fapiDaemon(s, profile))
		if err != nil {
			t.Errorf("%s: %v", profile, err)
			continue
		}
		if _, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{}); err != nil {
			t.Errorf("%s: client credentials: %v", profile, err)
		}
		s.Waits = nil
		b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"})
		if err == nil {
			b.Notified = true
			_, err = grant.FinishBackchannel(t.Context(), c, b)
		}
		if err != nil {
			t.Errorf("%s: a login on another device: %v", profile, err)
		}
		if _, _, err := c.Begin(t.Context(), client.Request{}); err == nil || !strings.Contains(err.Error(), "RedirectURL") {
			t.Errorf("%s: a login in the browser: %v", profile, err)
		}
		for says, edit := range map[string]func(*client.Config){
			"no Insecure option (remove InsecureMissingTokenType)": func(c *client.Config) { c.InsecureMissingTokenType = true },
			"Auth to be PrivateKeyJWT":                             func(c *client.Config) { c.Auth = auth.SecretBasic("s") },
			"bound access tokens":                                  func(c *client.Config) { c.CertificateBound = false },
			"IDTokenAlgs":                                          func(c *client.Config) { c.IDTokenAlgs = []string{"RS256"} },
		} {
			cfg := fapiDaemon(s, profile)
			edit(&cfg)
			isFAPI := strings.HasPrefix(string(profile), "FAPI")
			if _, err := client.New(cfg); (isFAPI || strings.HasPrefix(says, "no")) && (err == nil || !strings.Contains(err.Error(), says)) {
				t.Errorf("%s: want %q: %v", profile, says, err)
			}
		}
	}
}

// TestProfileAlgsWithoutRedirect: an ID token with an algorithm that the profile does not allow
// is rejected, even if IDTokenAlgs is not set. FAPI-05.
func TestProfileAlgsWithoutRedirect(t *testing.T) {
	for profile, algs := range map[client.Profile]map[string]bool{
		client.FAPI1Advanced: {"PS256": true, "ES256": true, "RS256": false, "EdDSA": false},
		client.FAPICIBA:      {"PS256": true, "ES256": true, "RS256": false, "EdDSA": true},
	} {
		for alg, ok := range algs {
			s := plainServer(t)
			s.Rotate(optest.NewKey("k1", alg))
			c := newClient(t, fapiDaemon(s, profile))
			b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"})
			if err != nil {
				t.Fatal(err)
			}
			b.Notified = true
			if _, err := grant.FinishBackchannel(t.Context(), c, b); (err == nil) != ok {
				t.Errorf("%s, %s: %v", profile, alg, err)
			}
		}
	}
}

// TestFAPICIBA: FAPI-CIBA §5.2.3. FAPI-05.
func TestFAPICIBA(t *testing.T) {
	s := plainServer(t)
	cfg := fapiDaemon(s, client.FAPICIBA)
	c := newClient(t, cfg)
	for name, test := range map[string]struct {
		req grant.BackchannelRequest
		ok  bool
	}{
		"nothing to see for the user": {grant.BackchannelRequest{LoginHint: "alice"}, false},
		"a binding message":           {grant.BackchannelRequest{LoginHint: "alice", BindingMessage: "W4SCT"}, true},
		"authorization details": {grant.BackchannelRequest{LoginHint: "alice", TokenRequest: client.TokenRequest{
			AuthorizationDetails: []m{{"type": "payment"}},
		}}, true},
	} {
		_, err := grant.BeginBackchannel(t.Context(), c, test.req)
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "BindingMessage") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for says, edit := range map[string]func(*client.Config){
		"an empty RedirectURL": func(c *client.Config) { c.RedirectURL = optest.RedirectURL },
		"Auth":                 func(c *client.Config) { c.Auth = auth.Public() },
		"an Assertion without Audience and Endpoints": func(c *client.Config) {
			c.Auth = auth.PrivateKeyJWT(auth.SigningKey{Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}, auth.Assertion{Audience: "x"})
		},
	} {
		cfg := fapiDaemon(s, client.FAPICIBA)
		edit(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("want %q: %v", says, err)
		}
	}
	cfg.CertificateBound, cfg.DPoP = false, &client.DPoP{} // with FAPI 2.0
	newClient(t, cfg)
}
