package rs_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

type noAuth struct{}

func (noAuth) Authenticate(*http.Request, url.Values) error { return nil }

// answers is a transport that answers everything with body.
type answers struct{ body *string }

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(*a.body))}, nil
}

type log struct{ events []string }

func (l *log) Count(_ context.Context, event rs.Event, reason string) {
	l.events = append(l.events, strings.TrimSuffix(string(event)+" "+reason, " "))
}

// TestCounter: what happens is counted, by constants alone. LOG-01.
func TestCounter(t *testing.T) {
	s := optest.New(t)
	var l log
	i := introspection(s)
	i.Counter = &l
	p := quiet(&rs.Cache{Tokens: i, Counter: &l})
	p.Counter = &l
	for _, token := range []string{"canary-opaque", "canary-opaque", "unknown", "unknown"} {
		ask(p, bearer(token), "/")
	}
	ask(p, nil, "/")
	s.Replace("/introspect", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	ask(p, bearer("another"), "/")
	want := []string{
		"cache_miss", "asked", "accepted", "cache_hit", "accepted", "cache_miss", "asked", "refused invalid_token", "cache_hit", "refused invalid_token",
		"refused none", "cache_miss", "asked", "failed", "refused unavailable",
	}
	if !slices.Equal(l.events, want) {
		t.Errorf("%q", l.events)
	}
}

// TestReady: an API is ready when its servers are known, and recovers by itself.
func TestReady(t *testing.T) {
	s, down := optest.New(t), optest.New(t)
	down.Close()
	full := func(s *optest.Server) *rs.Protection {
		p := quiet(&rs.Cache{Tokens: &rs.Either{JWT: rs.Issuers{jwtVerifier(s)}, Opaque: introspection(s)}})
		p.DPoP = &rs.DPoP{BaseURL: base}
		return p
	}
	if err := full(s).Ready(t.Context()); err != nil {
		t.Error(err)
	}
	noProxies, noBase := full(s), full(s)
	noProxies.MTLS = &rs.MTLS{Header: "Client-Cert"}
	noBase.DPoP = &rs.DPoP{}
	for name, p := range map[string]*rs.Protection{
		"nothing": {}, "a server that is down": full(down), "an empty JWT": quiet(&rs.JWT{}), "an empty Introspection": quiet(&rs.Introspection{}),
		"an empty Either": quiet(&rs.Either{}), "an empty Cache": quiet(&rs.Cache{}), "no issuers": quiet(rs.Issuers{}), "an empty PingValidateBearer": quiet(&rs.PingValidateBearer{}),
		"no proxies": noProxies, "no base URL": noBase,
	} {
		if err := p.Ready(t.Context()); err == nil {
			t.Errorf("%s: ready", name)
		}
	}
}

// TestEmptyFields: what is left empty is refused or safe, field by field.
func TestEmptyFields(t *testing.T) {
	s := optest.New(t)
	h := newHolder(t)
	free, bound := bearer(s.AccessToken(nil, nil)), s.AccessToken(m{"cnf": m{"jkt": h.thumbprint}}, nil)
	proven := func() http.Header { return dpopHeader(bound, h.proof(bound, base+"/", nil)) }
	for _, test := range []struct {
		field  string
		build  func() *rs.Protection
		header http.Header
		status int
	}{
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
		{"JWT.DecryptionKeys", edited(s, func(*rs.JWT) {}), bearer("eyJhbGciOiJkaXIifQ...."), 401},
		{"JWT.Tenants", edited(s, func(j *rs.JWT) { j.Issuer = "https://as.example/{tenantid}" }), bearer(s.AccessToken(m{"iss": "https://as.example/x"}, nil)), 503},
		{"JWT.AudienceClients", edited(s, func(*rs.JWT) {}), bearer(s.AccessToken(m{"aud": nil}, nil)), 401},
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
		{"Introspection.Signed.Keys", func() *rs.Protection {
			i := introspection(s)
			i.Signed = &rs.SignedAnswers{Recipient: "x"}
			return quiet(i)
		}, bearer("canary-opaque"), 503},
		{"Introspection.Signed.Recipient", func() *rs.Protection {
			i := introspection(s)
			i.Signed = &rs.SignedAnswers{Keys: static(t, s.Keys[0], nil)}
			return quiet(i)
		}, bearer("canary-opaque"), 503},
		{"Cache.Tokens", func() *rs.Protection { return quiet(&rs.Cache{}) }, free, 503},
		{"Either.JWT", func() *rs.Protection { return quiet(&rs.Either{Opaque: introspection(s)}) }, free, 503},
		{"Either.Opaque", func() *rs.Protection { return quiet(&rs.Either{JWT: jwtVerifier(s)}) }, free, 503},
	} {
		if w := ask(test.build(), test.header, "/"); w.Code != test.status {
			t.Errorf("%s: %d %s", test.field, w.Code, w.Body)
		}
	}
}

func edited(s *optest.Server, edit func(*rs.JWT)) func() *rs.Protection {
	return func() *rs.Protection {
		j := jwtVerifier(s)
		edit(j)
		return quiet(j)
	}
}

func httpOf(body *string) *http.Client { return &http.Client{Transport: answers{body}} }
