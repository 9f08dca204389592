package rs_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

type noAuth struct{}

func (noAuth) Authenticate(*http.Request, url.Values) error { return nil }

// answers is a transport that answers every request with body.
type answers struct{ body *string }

func (a answers) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(*a.body))}, nil
}

type log struct{ events []string }

func (l *log) Count(_ context.Context, event rs.Event, reason string) {
	l.events = append(l.events, strings.TrimSuffix(string(event)+" "+reason, " "))
}

// TestCounter: events are counted with constant names only. LOG-01.
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

// TestReady: Ready succeeds when the servers' documents are known. After a failure it succeeds
// again without a restart.
func TestReady(t *testing.T) {
	s, down := optest.New(t), optest.New(t)
	down.Close()
	full := func(s *optest.Server) *rs.Protection {
		p := quiet(&rs.Cache{Tokens: &rs.JWTOrOpaque{JWT: rs.Issuers{jwtVerifier(s)}, Opaque: introspection(s)}})
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
		"an empty Either": quiet(&rs.JWTOrOpaque{}), "an empty Cache": quiet(&rs.Cache{}), "no issuers": quiet(rs.Issuers{}), "an empty PingValidateBearer": quiet(&rs.PingValidateBearer{}),
		"no proxies": noProxies, "no base URL": noBase,
	} {
		if err := p.Ready(t.Context()); err == nil {
			t.Errorf("%s: ready", name)
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
