package internal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// inside returns a server on this machine that must not get a request.
func inside(t *testing.T) (string, *atomic.Int32) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		optest.JSON(w, 200, map[string]any{"active": true})
	}))
	t.Cleanup(s.Close)
	return s.URL, &asked
}

// TestMetadataLeadsNowhereInside calls the exported functions that follow metadata. None reaches
// a private address, except the issuer's own host. DISC-03.
func TestMetadataLeadsNowhereInside(t *testing.T) {
	target, asked := inside(t)
	metadata := func(issuer string) *discovery.Metadata {
		return &discovery.Metadata{
			Issuer: issuer, AuthorizationEndpoint: target + "/authorize", TokenEndpoint: target + "/token", JWKSURI: target + "/jwks",
			UserInfoEndpoint: target + "/userinfo", IntrospectionEndpoint: target + "/introspect", RevocationEndpoint: target + "/revoke",
			PushedAuthorizationRequestEndpoint: target + "/par", RegistrationEndpoint: target + "/register", RequirePushedAuthorizationRequests: true,
			DeviceAuthorizationEndpoint: target + "/device", BackchannelAuthenticationEndpoint: target + "/backchannel",
		}
	}
	// The issuer is on loopback too, but is another host: the guard exempts only its own name.
	for _, untrusted := range []bool{false, true} {
		issuer := "http://issuer.localhost:1"
		if untrusted {
			issuer = target
		}
		for name, call := range entryPoints(t, metadata(issuer), untrusted) {
			if err := call(t.Context()); err == nil || !strings.Contains(err.Error(), "private address") {
				t.Errorf("%s, untrusted %t: %v", name, untrusted, err)
			}
			if n := asked.Swap(0); n > 0 {
				t.Errorf("%s, untrusted %t: %d requests to a private address", name, untrusted, n)
			}
		}
	}
}

// entryPoints are the calls that use addresses of metadata, by name.
func entryPoints(t *testing.T, m *discovery.Metadata, untrusted bool) map[string]func(context.Context) error {
	provider := &discovery.Provider{Issuer: m.Issuer, Static: m, UntrustedIssuer: untrusted}
	c, err := client.New(client.Config{
		Issuer: m.Issuer, Metadata: m, UntrustedIssuer: untrusted, ClientID: "rp", Auth: auth.SecretPost("canary-secret-of-32-characters-xx"), RedirectURL: "https://rp.example/cb",
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens := &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-at", RefreshToken: "canary-rt", TokenType: "Bearer"}, Login: &idtoken.Original{Subject: "alice"}}
	jwt := optest.NewKey("k", "RS256").Sign(map[string]any{
		"iss": m.Issuer, "sub": "alice", "aud": "rp", "client_id": "rp", "jti": "1", "exp": time.Now().Unix() + 60, "iat": time.Now().Unix(),
	}, nil)
	failed := func(_ any, err error) error { return err }
	return map[string]func(context.Context) error{
		"client.Begin (PAR)":      func(ctx context.Context) error { _, _, err := c.Begin(ctx, client.Request{}); return err },
		"client.Refresh":          func(ctx context.Context) error { return failed(c.Refresh(ctx, tokens)) },
		"client.UserInfo":         func(ctx context.Context) error { return failed(c.UserInfo(ctx, tokens)) },
		"client.Introspect":       func(ctx context.Context) error { return failed(c.Introspect(ctx, "canary-token", "")) },
		"client.Revoke":           func(ctx context.Context) error { return c.Revoke(ctx, "canary-token", "") },
		"grant.ClientCredentials": func(ctx context.Context) error { return failed(grant.ClientCredentials(ctx, c, client.TokenRequest{})) },
		"grant.BeginDevice":       func(ctx context.Context) error { return failed(grant.BeginDevice(ctx, c, client.TokenRequest{})) },
		"registration.Register": func(ctx context.Context) error {
			return failed((&registration.Registrar{Server: provider}).Register(ctx, registration.Metadata{RedirectURIs: []string{"https://rp.example/cb"}}))
		},
		"grant.JWTBearer": func(ctx context.Context) error {
			return failed(grant.JWTBearer(ctx, c, grant.AssertionRequest{Assertion: jwt}))
		},
		"grant.TokenExchange": func(ctx context.Context) error {
			return failed(grant.TokenExchange(ctx, c, grant.ExchangeRequest{SubjectToken: "canary-token"}))
		},
		"grant.BeginBackchannel": func(ctx context.Context) error {
			return failed(grant.BeginBackchannel(ctx, c, grant.BackchannelRequest{LoginHint: "alice"}))
		},
		"rs.Introspection": func(ctx context.Context) error {
			return failed((&rs.Introspection{Server: provider, Issuer: m.Issuer, Audience: "rp", Auth: auth.SecretPost("canary-secret-of-32-characters-xx").For("rp", m.Issuer)}).VerifyToken(ctx, "canary-token"))
		},
		"discovery.Keys": func(ctx context.Context) error { return failed(provider.Keys().VerifySignature(ctx, jwt)) },
		"discovery.JoinKeys": func(ctx context.Context) error {
			return failed(discovery.JoinKeys(provider.Keys()).VerifySignature(ctx, jwt))
		},
		"discovery.Encrypt": func(ctx context.Context) error { return failed(provider.Encrypt(ctx, jwt, "RSA-OAEP-256", "A256GCM")) },
		"idtoken.Verify": func(ctx context.Context) error {
			return failed((&idtoken.Verifier{Issuer: m.Issuer, ClientID: "rp", Keys: provider.Keys()}).Verify(ctx, jwt, idtoken.Expected{}))
		},
		"rs.JWT": func(ctx context.Context) error {
			return failed((&rs.JWT{Issuer: m.Issuer, Audience: "rp", Keys: provider.Keys(), Typ: "JWT", Claims: map[string]string{"iss": m.Issuer}}).VerifyToken(ctx, jwt))
		},
	}
}
