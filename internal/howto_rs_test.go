package internal_test

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// The code of docs/protect-an-api.md, compiled.
var _ = []any{protect, introspect, dialects, remember, guards, twoServers, bound, publish, revoked, share, behindEnvoy, forward, presets}

func protect(photos http.Handler) http.Handler {
	server := &discovery.Provider{Issuer: "https://as.example"}
	api := &rs.Protection{Tokens: &rs.JWT{
		Issuer:   server.Issuer,
		Audience: "https://photos.example/",
		Keys:     server.Keys(),
	}}
	handler := api.Handler(rs.RequireScope("photos.read")(photos))
	return handler
}

func introspect(server *discovery.Provider, secret string) *rs.Introspection {
	tokens := &rs.Introspection{
		Server:   server,
		Issuer:   server.Issuer,
		Audience: "https://photos.example/",
		Auth:     auth.SecretBasic(secret).For("photos-api", server.Issuer),
	}
	return tokens
}

func dialects(issuer string, keys rs.KeySet) []rs.Verifier {
	keycloak := &rs.JWT{
		Issuer: issuer, Audience: "photos", Keys: keys,
		Typ: "JWT", Claims: map[string]string{"typ": "Bearer"}, ClientIDClaim: "azp",
	}
	pingFederate := &rs.JWT{Issuer: issuer, Audience: "photos", Keys: keys, Typ: rs.NoTyp}
	spring := &rs.JWT{Issuer: issuer, Audience: "web-app", Keys: keys, Typ: rs.NoTyp}
	return []rs.Verifier{keycloak, pingFederate, spring}
}

func remember(jwts, opaque rs.Verifier) *rs.Protection {
	api := &rs.Protection{Tokens: &rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: jwts, Opaque: opaque}}}
	return api
}

func revoked(ctx context.Context, cache *rs.Cache, token, user string) error {
	err := cache.Invalidate(ctx, token)
	cache.InvalidateIf(func(p *rs.Principal) bool { return p.Subject == user })
	return err
}

func share(tokens rs.Verifier, store rs.SharedStore, sharedKey []byte) *rs.Cache {
	cache := &rs.Cache{Tokens: tokens, MaxAge: 5 * time.Minute, Shared: store, SharedKey: sharedKey}
	return cache
}

func guards(mux *http.ServeMux, photos, payments http.Handler) {
	mux.Handle("GET /photos", rs.RequireAnyScope("photos.read", "photos.write")(photos))
	mux.Handle("POST /payments", rs.RequireACR("urn:gold")(rs.RequireMaxAge(5*time.Minute)(payments)))
}

func twoServers(work, school *discovery.Provider, entra rs.KeySet) rs.Verifier {
	tokens := rs.Issuers{
		{Issuer: work.Issuer, Audience: "https://photos.example/", Keys: work.Keys()},
		{Issuer: school.Issuer, Audience: "photos", Keys: school.Keys(), Algs: []string{"ES256"}, Typ: rs.NoTyp},
		{
			Issuer: "https://login.microsoftonline.com/{tenantid}/v2.0", Tenants: []string{"8eaef023-2b34-4da1-9baa-8bc8c9d6a490"},
			Audience: "api://photos", Keys: entra, Typ: "JWT", ClientIDClaim: "azp", ScopeClaim: "scp",
		},
	}
	return tokens
}

func bound(tokens rs.Verifier, nonceKey []byte, store rs.ReplayStore) *rs.Protection {
	api := &rs.Protection{
		Tokens: tokens,
		DPoP:   &rs.DPoP{BaseURL: "https://photos.example", NonceKey: nonceKey, Replay: store},
		MTLS:   &rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}},
	}
	return api
}

func behindEnvoy(proxies []netip.Prefix) *rs.MTLS {
	envoy := &rs.MTLS{Header: "X-Forwarded-Client-Cert", XFCC: 1, Proxies: proxies}
	return envoy
}

func forward(out *http.Request, who *rs.Principal) {
	rs.ForwardIdentity(out.Header, map[string]string{"X-User": who.Subject, "X-Client": who.ClientID})
}

func publish(ctx context.Context, routes http.Handler, tokens rs.Verifier) (http.Handler, error) {
	meta := &rs.Metadata{Resource: "https://photos.example", AuthorizationServers: []string{"https://as.example"}}
	api := &rs.Protection{Tokens: tokens, ResourceMetadata: meta.URL()}
	outer := http.NewServeMux()
	outer.Handle(meta.Path(), meta) // needs no token
	outer.Handle("/", api.Handler(routes))
	return outer, api.Ready(ctx)
}

func presets(audienceTag, arn string, organizations map[string]*rs.JWT) []any {
	keycloak := rs.Keycloak("https://sso.example", "main")
	keycloak.Audience = "photos"

	behindCloudflare := &rs.Protection{
		Tokens:      rs.CloudflareAccess("example.cloudflareaccess.com", audienceTag),
		TokenHeader: "Cf-Access-Jwt-Assertion",
	}

	behindAWS := &rs.Protection{
		Tokens:      &rs.AWSLoadBalancer{Signers: []string{arn}, Issuer: "https://as.example", ClientID: "web"},
		TokenHeader: "X-Amzn-Oidc-Data",
	}

	anyOrganization := &rs.DynamicIssuers{Find: func(ctx context.Context, issuer string) (rs.Verifier, error) {
		tokens, joined := organizations[issuer]
		if !joined {
			return nil, nil
		}
		return tokens, nil
	}}
	return []any{keycloak, behindCloudflare, behindAWS, anyOrganization}
}
