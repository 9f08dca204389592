package rs_test

import (
	"net/http"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// TestEmptyFields: an empty field is rejected or has a safe meaning. The table must have every
// field.
func TestEmptyFields(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	free, bound := bearer(s.AccessToken(nil, nil)), s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	opaque, now := bearer("canary-opaque"), time.Now().Unix()
	bare := func() *rs.Protection { return quiet(jwtVerifier(s)) }
	asked := func(edit func(*rs.Introspection), active m) func() *rs.Protection {
		return func() *rs.Protection {
			other := optest.New(t)
			if active != nil {
				other.Active = active
			}
			i := introspection(other)
			if edit != nil {
				edit(i)
			}
			return quiet(i)
		}
	}
	mtls := func(m *rs.MTLS) func() *rs.Protection {
		return func() *rs.Protection { p := quiet(jwtVerifier(s)); p.MTLS = m; return p }
	}
	xfcc := bearer(s.AccessToken(m{"cnf": m{"x5t#S256": optest.B64(make([]byte, 32))}}, nil))
	xfcc.Set("Client-Cert", "Hash="+strings.Repeat("00", 32))
	proven := func() http.Header { return dpopHeader(bound, h.proof(bound, base+"/", nil)) }
	aged := func(seconds int64) http.Header {
		return dpopHeader(bound, h.proof(bound, base+"/", m{"iat": now + seconds}))
	}
	named := map[string]bool{}
	for _, test := range []struct {
		fields string
		build  func() *rs.Protection
		header http.Header
		status int
	}{
		{"Protection.Realm Protection.Scopes Protection.ResourceMetadata Protection.InsecureForm", bare, nil, 401},
		{"Protection.Deny Protection.Counter Protection.Logger Protection.Now", func() *rs.Protection { return &rs.Protection{Tokens: jwtVerifier(s)} }, free, 200},
		{"Protection.InsecureQuery", bare, http.Header{"Target": {"/?access_token=x"}}, 400},
		{"Protection.Tokens", func() *rs.Protection { return quiet(nil) }, free, 503},
		{"Protection.Optional", func() *rs.Protection { return quiet(jwtVerifier(s)) }, nil, 401},
		{"Protection.DPoP", func() *rs.Protection { return quiet(jwtVerifier(s)) }, bearer(bound), 401},
		{"Protection.MTLS", func() *rs.Protection { return quiet(jwtVerifier(s)) }, bearer(s.AccessToken(m{"cnf": m{"x5t#S256": h.thumbprint}}, nil)), 401},
		{"Protection.InsecureCookie", func() *rs.Protection { return quiet(jwtVerifier(s)) }, http.Header{"Cookie": {"=" + s.AccessToken(nil, nil)}}, 401},
		{"JWT.Issuer", edited(s, func(j *rs.JWT) { j.Issuer = "" }), bearer(s.AccessToken(m{"iss": ""}, nil)), 503},
		{"JWT.Audience", edited(s, func(j *rs.JWT) { j.Audience = "" }), bearer(s.AccessToken(m{"aud": ""}, nil)), 503},
		{"JWT.Keys", edited(s, func(j *rs.JWT) { j.Keys = nil }), free, 503},
		{"JWT.Algs", edited(s, func(j *rs.JWT) { j.Algs = []string{} }), bearer(s.AccessToken(nil, m{"alg": "none"})), 401},
		{"JWT.Typ", edited(s, func(j *rs.JWT) { j.Typ = "" }), bearer(s.AccessToken(nil, m{"typ": nil})), 401},
		{"JWT.DecryptionKeys JWT.InsecureRSAOAEP", edited(s, func(*rs.JWT) {}), bearer("eyJhbGciOiJkaXIifQ...."), 401},
		{"JWT.Tenants", edited(s, func(j *rs.JWT) { j.Issuer = "https://as.example/{tenantid}" }), bearer(s.AccessToken(m{"iss": "https://as.example/x"}, nil)), 503},
		{"JWT.Audiences", edited(s, func(*rs.JWT) {}), bearer(s.AccessToken(m{"aud": "another"}, nil)), 401},
		{"JWT.OtherTyps", edited(s, func(*rs.JWT) {}), bearer(s.AccessToken(nil, m{"typ": "JWT"})), 401},
		{"Introspection.Audiences", asked(nil, m{"active": true, "sub": "alice", "aud": "another"}), opaque, 401},
		{"Protection.Revocation", bare, free, 200},
		{"Protection.TokenHeader", bare, http.Header{"X-Token": {s.AccessToken(nil, nil)}}, 401},
		{"IDToken.Issuer IDToken.ClientIDs IDToken.Keys", func() *rs.Protection { return quiet(&rs.IDToken{}) }, free, 503},
		{"IDToken.IssuerAlias IDToken.TrustedAudiences IDToken.AuthorizedParties IDToken.Algs IDToken.Claims IDToken.IssuedWithin IDToken.Skew IDToken.MaxSize IDToken.Now", func() *rs.Protection {
			return quiet(&rs.IDToken{Issuer: s.URL, ClientIDs: []string{optest.ClientID}, Keys: static(t, s.Keys[0], nil)})
		}, free, 401},
		{"JWT.AudienceClients", edited(s, func(*rs.JWT) {}), bearer(s.AccessToken(m{"aud": nil}, nil)), 401},
		{"JWT.KeyIssuer JWT.Now", bare, free, 200},
		{"JWT.InsecureMissingIssuer", bare, bearer(s.AccessToken(m{"iss": nil}, nil)), 401},
		{"JWT.Claims", edited(s, func(j *rs.JWT) { j.AudienceClients, j.Audience, j.Typ = []string{"rp"}, "", rs.NoTyp }), bearer(s.AccessToken(m{"aud": nil}, m{"typ": nil})), 503},
		{"JWT.ClientIDClaim", bare, bearer(s.AccessToken(m{"client_id": nil, "azp": "rp"}, nil)), 401},
		{"JWT.ScopeClaim", bare, bearer(s.AccessToken(m{"scope": nil, "scp": "photos.read"}, nil)), 403},
		{"JWT.InsecureMissingSubject", bare, bearer(s.AccessToken(m{"sub": nil}, nil)), 401},
		{"JWT.InsecureNonce", edited(s, func(j *rs.JWT) { j.Typ, j.Claims = "JWT", map[string]string{"typ": "Bearer"} }), bearer(s.AccessToken(m{"nonce": "n", "typ": "Bearer"}, m{"typ": "JWT"})), 401},
		{"JWT.Skew", bare, bearer(s.AccessToken(m{"exp": now - 31}, nil)), 401},
		{"JWT.MaxSize", bare, bearer(s.AccessToken(m{"x": strings.Repeat("x", 20<<10)}, nil)), 401},
		{"Introspection.URL Introspection.Server", asked(func(i *rs.Introspection) { i.URL = "" }, nil), opaque, 503},
		{"Introspection.Issuer", asked(func(i *rs.Introspection) { i.Issuer = "" }, nil), opaque, 503},
		{"Introspection.Auth", asked(func(i *rs.Introspection) { i.Auth = nil }, nil), opaque, 503},
		{"Introspection.Signed Introspection.Counter Introspection.HTTP Introspection.Now", asked(nil, nil), opaque, 200},
		{"Introspection.Limit Introspection.MaxCalls Introspection.InsecureHTTP", asked(nil, nil), opaque, 200},
		{"Introspection.Audience", asked(func(i *rs.Introspection) { i.Audience = "" }, nil), opaque, 401},
		{"Introspection.InsecureMissingTokenType", asked(func(i *rs.Introspection) { i.Audience = "" }, m{"active": true, "sub": "alice"}), opaque, 401},
		{"Introspection.SubjectClaim", asked(nil, m{"active": true, "username": "alice", "aud": optest.Audience}), opaque, 401},
		{"Introspection.Skew", asked(nil, m{"active": true, "sub": "alice", "aud": optest.Audience, "exp": now - 31}), opaque, 401},
		{"SignedAnswers.Algs SignedAnswers.DecryptionKeys SignedAnswers.InsecureRSAOAEP", asked(func(i *rs.Introspection) {
			i.Signed = &rs.SignedAnswers{Recipient: "x", Keys: static(t, s.Keys[0], nil)}
		}, nil), opaque, 503},
		{"Cache.Size Cache.MaxAge Cache.Shared Cache.Counter Cache.Now", func() *rs.Protection { return quiet(&rs.Cache{Tokens: jwtVerifier(s)}) }, free, 200},
		{"Cache.SharedKey", func() *rs.Protection { return quiet(&rs.Cache{Tokens: introspection(s), Shared: newStore()}) }, opaque, 503},
		{"PingValidateBearer.URL PingValidateBearer.Issuer PingValidateBearer.Clients PingValidateBearer.Auth", func() *rs.Protection { return quiet(&rs.PingValidateBearer{}) }, opaque, 503},
		{"PingValidateBearer.SubjectClaim PingValidateBearer.Limit PingValidateBearer.InsecureHTTP PingValidateBearer.MaxCalls PingValidateBearer.HTTP PingValidateBearer.Now", func() *rs.Protection {
			return quiet(&rs.PingValidateBearer{URL: s.URL + "/none", Issuer: s.URL, Clients: []string{"rp"}, Auth: noAuth{}})
		}, opaque, 503},
		{"DPoP.Required", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, free, 200},
		{"DPoP.MaxAge", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, aged(-61), 401},
		{"DPoP.MaxAhead", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, aged(15), 401},
		{"DPoP.Now", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, proven(), 200},
		{"MTLS.Required", mtls(&rs.MTLS{}), free, 200},
		{"MTLS.XFCC", mtls(&rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}), xfcc, 401},
		{"DPoP.BaseURL", func() *rs.Protection { p := quiet(jwtVerifier(s)); p.DPoP = &rs.DPoP{}; return p }, proven(), 503},
		{"DPoP.Replay", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, proven(), 200},
		{"DPoP.NonceKey", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, proven(), 200},
		{"DPoP.Algs", func() *rs.Protection { return withDPoP(jwtVerifier(s), &rs.DPoP{}) }, proven(), 200},
		{"MTLS.Proxies", func() *rs.Protection {
			p := quiet(jwtVerifier(s))
			p.MTLS = &rs.MTLS{Header: "Client-Cert"}
			return p
		}, bearer(s.AccessToken(m{"cnf": m{"x5t#S256": h.thumbprint}}, nil)), 503},
		{"MTLS.Header", func() *rs.Protection {
			p := quiet(jwtVerifier(s))
			p.MTLS = &rs.MTLS{Proxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
			return p
		}, bearer(s.AccessToken(m{"cnf": m{"x5t#S256": h.thumbprint}}, nil)), 401},
		{"SignedAnswers.Keys", func() *rs.Protection {
			i := introspection(s)
			i.Signed = &rs.SignedAnswers{Recipient: "x"}
			return quiet(i)
		}, bearer("canary-opaque"), 503},
		{"SignedAnswers.Recipient", func() *rs.Protection {
			i := introspection(s)
			i.Signed = &rs.SignedAnswers{Keys: static(t, s.Keys[0], nil)}
			return quiet(i)
		}, bearer("canary-opaque"), 503},
		{"DynamicIssuers.Find DynamicIssuers.Size DynamicIssuers.MaxAge DynamicIssuers.Limit DynamicIssuers.MaxCalls DynamicIssuers.Now", func() *rs.Protection { return quiet(&rs.DynamicIssuers{}) }, free, 503},
		{"AWSLoadBalancer.Signers AWSLoadBalancer.Issuer AWSLoadBalancer.ClientID AWSLoadBalancer.KeysURL AWSLoadBalancer.Skew AWSLoadBalancer.HTTP AWSLoadBalancer.Now", func() *rs.Protection { return quiet(&rs.AWSLoadBalancer{}) }, free, 503},
		{"Cache.Tokens", func() *rs.Protection { return quiet(&rs.Cache{}) }, free, 503},
		{"JWTOrOpaque.JWT", func() *rs.Protection { return quiet(&rs.JWTOrOpaque{Opaque: introspection(s)}) }, free, 503},
		{"JWTOrOpaque.Opaque", func() *rs.Protection { return quiet(&rs.JWTOrOpaque{JWT: jwtVerifier(s)}) }, free, 503},
	} {
		target := "/"
		if len(test.header["Target"]) > 0 {
			target = test.header["Target"][0]
		}
		if w := ask(test.build(), test.header, target); w.Code != test.status {
			t.Errorf("%s: %d %s", test.fields, w.Code, w.Body)
		}
		for _, field := range strings.Fields(test.fields) {
			named[field] = true
		}
	}
	for _, v := range []any{rs.Protection{}, rs.JWT{}, rs.IDToken{}, rs.Introspection{}, rs.SignedAnswers{}, rs.JWTOrOpaque{}, rs.MTLS{}, &rs.AWSLoadBalancer{}, &rs.DynamicIssuers{}, rs.PingValidateBearer{}, &rs.DPoP{}, &rs.Cache{}} {
		typ := reflect.Indirect(reflect.ValueOf(v)).Type()
		for _, f := range reflect.VisibleFields(typ) {
			if name := typ.Name() + "." + f.Name; f.IsExported() && !named[name] {
				t.Errorf("%s is not in the table", name)
			}
		}
	}
}
