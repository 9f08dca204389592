package client_test

import (
	"net/http"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// TestAlphabets: a code or token with a character outside its alphabet is rejected (RFC 6749
// appendix A, and extensions). A space is accepted except in a value that goes into a header.
// TE-06.
func TestAlphabets(t *testing.T) {
	issued := func(member string) func(*testing.T, *optest.Server, *client.Client, string) error {
		return func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			s.Token = func(out map[string]any) { out[member] = value }
			_, err := login(t, s, c)
			return err
		}
	}
	exchange := func(t *testing.T, s *optest.Server, c *client.Client, kind, value string) error {
		s.Token = func(out map[string]any) {
			out["access_token"], out["token_type"], out["issued_token_type"] = value, kind, grant.RefreshTokenType
		}
		_, err := grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{SubjectToken: "canary-subject", RequestedTokenType: grant.RefreshTokenType})
		return err
	}
	for _, test := range []struct {
		name   string
		spaces bool // allowed
		use    func(t *testing.T, s *optest.Server, c *client.Client, value string) error
	}{
		{"A.11 code", true, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			redirect, pending, err := c.Begin(t.Context(), client.Request{})
			if err != nil {
				return err
			}
			q := s.Visit(t, redirect)
			q.Set("code", value)
			s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
				if got := r.PostFormValue("code"); got != value {
					t.Errorf("code arrived as %q", got)
				}
				claims := s.IDClaims()
				claims["nonce"] = pending.Nonce
				optest.JSON(w, 200, m{"access_token": "a", "token_type": "Bearer", "id_token": s.Keys[0].Sign(claims, nil)})
			})
			_, err = c.Finish(t.Context(), pending, q)
			return err
		}},
		{"A.12 access_token", false, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			s.Token = func(out map[string]any) { out["access_token"] = value }
			_, err := grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
			return err
		}},
		{"access_token of a token exchange that is for a header", false, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			return exchange(t, s, c, "Bearer", value)
		}},
		{"access_token of a token exchange that is not", true, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			return exchange(t, s, c, "N_A", value)
		}},
		{"A.17 refresh_token of a login", true, issued("refresh_token")},
		{"A.17 refresh_token that is sent", true, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
				if got := r.PostFormValue("refresh_token"); got != value {
					t.Errorf("refresh_token arrived as %q", got)
				}
				optest.JSON(w, 200, m{"access_token": "a", "token_type": "Bearer", "refresh_token": value})
			})
			kept := &tokens.Stored{AccessToken: "a", RefreshToken: value}
			old, err := kept.Tokens()
			if err == nil {
				_, err = c.Refresh(t.Context(), old)
			}
			return err
		}},
		{"token to revoke, RFC 7009", true, func(t *testing.T, _ *optest.Server, c *client.Client, value string) error {
			return c.Revoke(t.Context(), value, "refresh_token")
		}},
		{"token to introspect, RFC 7662", true, func(t *testing.T, _ *optest.Server, c *client.Client, value string) error {
			_, err := c.Introspect(t.Context(), value, "refresh_token")
			return err
		}},
		{"device_code, RFC 8628", true, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			s.Replace("/device", func(w http.ResponseWriter, _ *http.Request) {
				optest.JSON(w, 200, m{"device_code": value, "user_code": "AB CD", "verification_uri": "https://as.example/activate", "expires_in": 60})
			})
			_, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
			return err
		}},
		{"auth_req_id, CIBA", true, func(t *testing.T, s *optest.Server, c *client.Client, value string) error {
			s.Replace("/backchannel", func(w http.ResponseWriter, _ *http.Request) {
				optest.JSON(w, 200, m{"auth_req_id": value, "expires_in": 60})
			})
			_, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice"})
			return err
		}},
	} {
		for value, ok := range map[string]bool{
			"canary.visible~!": true, "canary with spaces": test.spaces, " ": test.spaces,
			"canary\ttab": false, "canary\r\nX-Evil: 1": false, "canary\x7f": false, "canary-é": false, "canary\x00": false,
		} {
			s := optest.New(t)
			err := test.use(t, s, newClient(t, config(s)), value)
			if (err == nil) != ok {
				t.Errorf("%s: %q: %v", test.name, value, err)
			}
			if err != nil {
				noCanary(t, err.Error())
			}
		}
	}
}
