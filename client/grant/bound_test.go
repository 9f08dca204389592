package grant_test

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// TestGrantsDPoP: every grant binds its tokens, sends a second request with the server's nonce,
// and rejects a token that is not bound.
func TestGrantsDPoP(t *testing.T) {
	for name, get := range map[string]func(*client.Client) (*client.Tokens, error){
		"client credentials": func(c *client.Client) (*client.Tokens, error) {
			return grant.ClientCredentials(t.Context(), c, client.TokenRequest{})
		},
		"JWT bearer": func(c *client.Client) (*client.Tokens, error) {
			return grant.JWTBearer(t.Context(), c, grant.AssertionRequest{Assertion: "a.b.c"})
		},
		"token exchange": func(c *client.Client) (*client.Tokens, error) {
			return grant.TokenExchange(t.Context(), c, grant.ExchangeRequest{SubjectToken: "canary"})
		},
		"extension": func(c *client.Client) (*client.Tokens, error) {
			return c.Grant(t.Context(), client.Grant{Type: "urn:example:grant"})
		},
		"device":      func(c *client.Client) (*client.Tokens, error) { return byDevice(t, c) },
		"backchannel": func(c *client.Client) (*client.Tokens, error) { return byBackchannel(t, c) },
	} {
		t.Run(name, func(t *testing.T) {
			s, proofs := demanding(t)
			cfg := daemon(s)
			cfg.DPoP = &client.DPoP{}
			c, _ := polling(t, s, cfg)
			tokens, err := get(c)
			if err != nil || tokens.TokenType != "DPoP" || tokens.DPoPKey.Key == nil {
				t.Fatalf("%v, %v", tokens, err)
			}
			if len(*proofs) != 2 || (*proofs)[1]["nonce"] != "nonce-of/token" || (*proofs)[0]["jti"] == (*proofs)[1]["jti"] {
				t.Errorf("proofs %v", *proofs)
			}
			s.Token = func(out map[string]any) { out["token_type"] = "Bearer" }
			if tokens, err := get(c); err == nil {
				t.Errorf("a token that is not bound: %v", tokens)
			}
		})
	}
}

// byDevice and byBackchannel are complete logins, stored as JSON in between.
func byDevice(t *testing.T, c *client.Client) (*client.Tokens, error) {
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		return nil, err
	}
	return grant.FinishDevice(t.Context(), c, stored(t, d))
}

func byBackchannel(t *testing.T, c *client.Client) (*client.Tokens, error) {
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice"})
	if err != nil {
		return nil, err
	}
	return grant.FinishBackchannel(t.Context(), c, stored(t, b))
}

// stored returns v after it was encoded and decoded.
func stored[T any](t *testing.T, v *T) *T {
	t.Helper()
	kept, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var back T
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatal(err)
	}
	return &back
}

// TestGrantsMTLS: a client with a certificate uses the mtls_endpoint_aliases. RFC 8705 §5.
func TestGrantsMTLS(t *testing.T) {
	s := optest.New(t)
	asked := map[string]int{}
	alias := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked[r.URL.Path]++
		optest.JSON(w, 400, m{"error": "invalid_request"})
	}))
	defer alias.Close()
	s.Edit = func(md map[string]any) {
		md["mtls_endpoint_aliases"] = m{
			"token_endpoint": alias.URL + "/token", "device_authorization_endpoint": alias.URL + "/device", "backchannel_authentication_endpoint": alias.URL + "/backchannel",
		}
	}
	cfg := daemon(s)
	cfg.Auth = auth.TLS()
	cfg.HTTP = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: alias.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}}}
	c := newClient(t, cfg)
	everyGrant(t, c)
	byDevice(t, c)
	byBackchannel(t, c)
	if asked["/token"] != 4 || asked["/device"] != 1 || asked["/backchannel"] != 1 || s.Hits("/token")+s.Hits("/device")+s.Hits("/backchannel") != 0 {
		t.Errorf("at the aliases: %v", asked)
	}
}
