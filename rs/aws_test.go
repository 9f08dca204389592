package rs_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

const albARN = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/50dc6c495c0c9188"

// albToken is the user claims as a load balancer writes them: with padding.
func albToken(k optest.Key, encoding *base64.Encoding, header, claims m) string {
	h := m{"typ": "JWT", "alg": "ES256", "kid": "e1-b2", "iss": "https://as.example", "client": "web", "signer": albARN, "exp": time.Now().Unix() + 120}
	c := m{"sub": "alice", "email": "alice@example.com", "exp": time.Now().Unix() + 120, "iss": "https://as.example"}
	for name, value := range header {
		h[name] = value
	}
	for name, value := range claims {
		c[name] = value
	}
	part := func(v m) string { b, _ := json.Marshal(v); return encoding.EncodeToString(b) }
	signed := part(h) + "." + part(c)
	return signed + "." + encoding.EncodeToString(k.Signature(signed))
}

// TestAWSLoadBalancer: the user claims of X-Amzn-Oidc-Data, with configured signers. RS-25.
func TestAWSLoadBalancer(t *testing.T) {
	k, other := optest.NewKey("e1-b2", "ES256"), optest.NewKey("e1-b2", "ES256")
	var fetched atomic.Int32
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched.Add(1)
		if r.URL.Path != "/keys/e1-b2" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		der, _ := x509.MarshalPKIXPublicKey(k.Private.Public())
		pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}))
	defer keys.Close()
	padded := base64.URLEncoding
	for _, test := range []struct {
		name   string
		token  string
		edit   func(*rs.AWSLoadBalancer)
		status int
	}{
		{"good", albToken(k, padded, nil, nil), nil, 200},
		{"without padding", albToken(k, base64.RawURLEncoding, nil, nil), nil, 200},
		{"without exp in the claims", albToken(k, padded, nil, m{"exp": time.Now().Unix() + 60}), nil, 200},
		{"a second load balancer", albToken(k, padded, m{"signer": albARN + "2"}, nil), func(a *rs.AWSLoadBalancer) { a.Signers = append(a.Signers, albARN+"2") }, 200},
		{"another signer", albToken(k, padded, m{"signer": albARN + "2"}, nil), nil, 401},
		{"no signer", albToken(k, padded, m{"signer": ""}, nil), nil, 401},
		{"another issuer", albToken(k, padded, m{"iss": "https://evil.example"}, nil), nil, 401},
		{"another issuer in the claims", albToken(k, padded, nil, m{"iss": "https://evil.example"}), nil, 401},
		{"another client", albToken(k, padded, m{"client": "evil"}, nil), nil, 401},
		{"expired", albToken(k, padded, m{"exp": time.Now().Unix() - 60}, nil), nil, 401},
		{"expired in the claims", albToken(k, padded, nil, m{"exp": time.Now().Unix() - 60}), nil, 401},
		{"no exp", albToken(k, padded, m{"exp": nil}, nil), nil, 401},
		{"no sub", albToken(k, padded, nil, m{"sub": ""}), nil, 401},
		{"another alg", albToken(k, padded, m{"alg": "none"}, nil), nil, 401},
		{"crit", albToken(k, padded, m{"crit": []string{"x"}}, nil), nil, 401},
		{"another key", albToken(other, padded, nil, nil), nil, 401},
		{"an unknown key", albToken(k, padded, m{"kid": "e9"}, nil), nil, 401},
		{"a kid that leads elsewhere", albToken(k, padded, m{"kid": "../e1-b2"}, nil), nil, 401},
		{"no kid", albToken(k, padded, m{"kid": ""}, nil), nil, 401},
		{"two parts", "a.b", nil, 401},
		{"bad padding", strings.TrimRight(albToken(k, padded, nil, nil), "=") + "=", nil, 401},
		{"a line break", strings.Replace(albToken(k, padded, nil, nil), ".", "\n.", 1), nil, 401},
		{"no signers", albToken(k, padded, nil, nil), func(a *rs.AWSLoadBalancer) { a.Signers = nil }, 503},
		{"an empty signer", albToken(k, padded, m{"signer": ""}, nil), func(a *rs.AWSLoadBalancer) { a.Signers = []string{""} }, 503},
		{"no issuer", albToken(k, padded, m{"iss": ""}, nil), func(a *rs.AWSLoadBalancer) { a.Issuer = "" }, 503},
		{"no client", albToken(k, padded, m{"client": ""}, nil), func(a *rs.AWSLoadBalancer) { a.ClientID = "" }, 503},
		{"no region", albToken(k, padded, nil, nil), func(a *rs.AWSLoadBalancer) {
			a.KeysURL, a.Signers = "", []string{"arn:aws-cn:elasticloadbalancing:cn-north-1:1:loadbalancer/x"}
		}, 503},
		{"keys by http elsewhere", albToken(k, padded, nil, nil), func(a *rs.AWSLoadBalancer) { a.KeysURL = "http://keys.example" }, 503},
	} {
		a := &rs.AWSLoadBalancer{Signers: []string{albARN}, Issuer: "https://as.example", ClientID: "web", KeysURL: keys.URL + "/keys"}
		if test.edit != nil {
			test.edit(a)
		}
		p := quiet(a)
		p.TokenHeader = "X-Amzn-Oidc-Data"
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("X-Amzn-Oidc-Data", test.token)
		who, err := p.Check(r)
		status := 200
		if e, ok := err.(*rs.Error); ok {
			status = e.Status
		}
		if status != test.status {
			t.Errorf("%s: %v", test.name, err)
		}
		var claims struct {
			Email string `json:"email"`
		}
		if status == 200 && (who.Subject != "alice" || who.Issuer != "https://as.example" || who.ClientID != "web" || len(who.Scopes) != 0 || who.Claims(&claims) != nil || claims.Email != "alice@example.com") {
			t.Errorf("%s: %+v", test.name, who)
		}
	}
	clock := time.Now()
	a := &rs.AWSLoadBalancer{Signers: []string{albARN}, Issuer: "https://as.example", ClientID: "web", KeysURL: keys.URL + "/keys/", Now: func() time.Time { return clock }}
	fetched.Store(0)
	for n := range 100 {
		a.VerifyToken(t.Context(), albToken(k, padded, nil, nil))
		a.VerifyToken(t.Context(), albToken(k, padded, m{"kid": fmt.Sprint("x", n)}, nil))
	}
	if n := fetched.Load(); n != 3 {
		t.Errorf("%d fetches in a flood", n)
	}
	if err := (&rs.Cache{Tokens: a}).Ready(t.Context()); err == nil {
		t.Error("a Cache takes it")
	}
}

// albFixture is a load balancer whose keys are served for any kid that begins with "k".
type albFixture struct {
	*rs.AWSLoadBalancer
	key     optest.Key
	clock   time.Time
	fetched atomic.Int32
	slow    chan struct{} // if set, keys are served when it is closed
}

func newALB(t *testing.T) *albFixture {
	f := &albFixture{key: optest.NewKey("k0", "ES256"), clock: time.Now()}
	der, _ := x509.MarshalPKIXPublicKey(f.key.Private.Public())
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.fetched.Add(1)
		if f.slow != nil {
			<-f.slow
		}
		pem.Encode(w, &pem.Block{Type: "PUBLIC KEY", Bytes: der})
	}))
	t.Cleanup(keys.Close)
	f.AWSLoadBalancer = &rs.AWSLoadBalancer{Signers: []string{albARN}, Issuer: "https://as.example", ClientID: "web", KeysURL: keys.URL, Now: func() time.Time { return f.clock }}
	return f
}

// check verifies a token with a kid.
func (f *albFixture) check(t *testing.T, kid string) error {
	exp := f.clock.Unix() + 60
	_, err := f.VerifyToken(t.Context(), albToken(f.key, base64.URLEncoding, m{"kid": kid, "exp": exp}, m{"exp": exp}))
	return err
}

// TestAWSLoadBalancerKeys: three fetches at once and one more every 30 seconds; at most 16 keys,
// each for 24 hours. RS-25.
func TestAWSLoadBalancerKeys(t *testing.T) {
	f := newALB(t)
	for kid := range 16 {
		if err := f.check(t, fmt.Sprint("k", kid)); err != nil {
			t.Errorf("k%d: %v", kid, err)
		}
		f.clock = f.clock.Add(30 * time.Second)
	}
	f.expect(t, "k0", 16) // all keys are cached
	f.expect(t, "k16", 17)
	f.expect(t, "k0", 18) // the 17th key removed the others
	f.clock = f.clock.Add(24*time.Hour - time.Second)
	f.expect(t, "k0", 18)
	f.clock = f.clock.Add(time.Second)
	f.expect(t, "k0", 19)
	for range 5 { // the budget does not exceed three
		f.check(t, fmt.Sprint("k", f.fetched.Load()+100))
	}
	f.clock = f.clock.Add(29 * time.Second)
	if err := f.check(t, "k500"); err == nil || f.fetched.Load() != 21 {
		t.Errorf("before 30 seconds: %v after %d fetches", err, f.fetched.Load())
	}
	f.clock = f.clock.Add(time.Second)
	f.expect(t, "k500", 22)
}

func (f *albFixture) expect(t *testing.T, kid string, fetches int32) {
	t.Helper()
	if err := f.check(t, kid); err != nil || f.fetched.Load() != fetches {
		t.Errorf("%s: %v after %d fetches, expected %d", kid, err, f.fetched.Load(), fetches)
	}
}

// TestAWSLoadBalancerSlow: while one key is fetched, tokens of a known key are accepted. Many
// tokens with the new key cause one fetch. RS-25.
func TestAWSLoadBalancerSlow(t *testing.T) {
	f := newALB(t)
	f.expect(t, "k0", 1)
	f.slow = make(chan struct{})
	var crowd sync.WaitGroup
	for range 20 {
		crowd.Go(func() {
			if err := f.check(t, "k1"); err != nil {
				t.Error(err)
			}
		})
	}
	for f.fetched.Load() < 2 {
		time.Sleep(time.Millisecond)
	}
	f.expect(t, "k0", 2)
	close(f.slow)
	crowd.Wait()
	f.expect(t, "k1", 2)
}
