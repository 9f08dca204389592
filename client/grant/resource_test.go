package grant_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// TestResourceAgain: the polls of a device login contain its resource. The refreshes of every
// grant's tokens also contain it. GRANT-01, RFC 8707 §2.2.
func TestResourceAgain(t *testing.T) {
	api := []string{"https://api.example/mcp"}
	ctx := t.Context()
	for _, omit := range []bool{false, true} {
		s := optest.New(t)
		cfg := config(s)
		cfg.OmitTokenResource = omit
		c, err := client.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		req := client.TokenRequest{Resources: api}
		for name, get := range map[string]func() (*client.Tokens, error){
			"device": func() (*client.Tokens, error) {
				d, err := grant.BeginDevice(ctx, c, req)
				if err != nil {
					return nil, err
				}
				d.Interval = 0
				return grant.FinishDevice(ctx, c, d)
			},
			"CIBA": func() (*client.Tokens, error) {
				b, err := grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice", TokenRequest: req})
				if err != nil {
					return nil, err
				}
				b.Notified = true
				return grant.FinishBackchannel(ctx, c, b)
			},
			"client credentials": func() (*client.Tokens, error) { return grant.ClientCredentials(ctx, c, req) },
			"token exchange": func() (*client.Tokens, error) {
				return grant.TokenExchange(ctx, c, grant.ExchangeRequest{TokenRequest: req, SubjectToken: "canary-subject"})
			},
		} {
			issued, err := get()
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			first := name == "client credentials" || name == "token exchange" // the login had no resource
			if got := s.Form("/token")["resource"]; slices.Equal(got, api) != (first || !omit) || !slices.Equal(issued.Resources, api) {
				t.Errorf("%s, omit %t: the request names %q, the tokens %q", name, omit, got, issued.Resources)
			}
			if issued.RefreshToken == "" {
				continue
			}
			s.Token = func(out map[string]any) { delete(out, "id_token") }
			_, err = c.Refresh(ctx, issued)
			s.Token = nil
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if got := s.Form("/token")["resource"]; slices.Equal(got, api) == omit {
				t.Errorf("%s, omit %t: the refresh names %q", name, omit, got)
			}
		}
	}
}

// TestDeviceResponseType: OpenAM's device endpoint demands a response_type.
func TestDeviceResponseType(t *testing.T) {
	s := optest.New(t)
	c, err := client.New(config(s))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{Extra: url.Values{"response_type": {"device_code"}}}); err != nil || s.Form("/device").Get("response_type") != "device_code" {
		t.Errorf("%v, sent %v", err, s.Form("/device"))
	}
	for _, name := range []string{"client_id", "scope", "state", "device_code", "client_secret"} {
		if _, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{Extra: url.Values{name: {"x"}}}); err == nil {
			t.Errorf("%s in Extra: accepted", name)
		}
	}
}
