package endpoint

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
)

// TestIsPrivate: DISC-03. Some clouds have their metadata at 100.100.100.200 or 192.0.0.192.
func TestIsPrivate(t *testing.T) {
	for _, address := range []string{
		"127.0.0.1", "127.255.255.255", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "0.0.0.0", "0.1.2.3",
		"100.64.0.1", "100.100.100.200", "100.127.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.255.255",
		"198.51.100.7", "203.0.113.7", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
		"::", "::1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::ffff:0:127.0.0.1", "::ffff:0:10.0.0.1",
		"64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1", "64:ff9b:1:a00:0:100::",
		"2002:a00:1::", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:101::",
		"2001:0:a00:1::f5ff:fffe", "2001:0:808:808::80ff:fffe", "2001:0:808:808::5601:5601",
		"2001:2::1", "2001:10::1", "2001:db8::1", "2001:100::1", "3fff::1", "5f00::1", "100::1", "100:0:0:1::1",
		"fe80::1", "fe80::1%eth0", "fec0::1", "fd00::1", "fd00::1%eth0", "fc00::1", "ff02::1",
		"2a00:1450::5efe:10.0.0.1", "2a00:1450::200:5efe:127.0.0.1", "fd00:ec2::254",
	} {
		if !isPrivate(netip.MustParseAddr(address)) {
			t.Errorf("%s is public", address)
		}
	}
	for _, address := range []string{
		"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.255.255", "172.32.0.1", "192.0.1.1", "198.17.255.255", "198.20.0.1",
		"169.253.255.255", "223.255.255.255", "11.0.0.1", "192.31.196.1", "::ffff:8.8.8.8",
		"2606:4700::1111", "2a00:1450:4001:80b::200e", "64:ff9b::808:808", "2002:808:808::1", "2001:0:808:808::f7f7:f7f7", "2001:200::1",
		"2001:4860:4860::8888", "2001:4:112::1", "2001:20::1", "2a00:1450::5efe:8.8.8.8", "2620:4f:8000::1",
	} {
		if isPrivate(netip.MustParseAddr(address)) {
			t.Errorf("%s is private", address)
		}
	}
	if !isPrivate(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// TestIsPrivateName: hosts in their written form, before a proxy is used. DISC-03.
func TestIsPrivateName(t *testing.T) {
	for _, host := range []string{
		"127.0.0.1", "::1", "fe80::1%eth0", "localhost", "LOCALHOST", "localhost.", "a.localhost", "keycloak.LocalHost.",
		"127.1", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "10.1.", "0xA.0.0.0x1", "169.254.169.254",
	} {
		if !isPrivateName(host) {
			t.Errorf("%s is public", host)
		}
	}
	for _, host := range []string{"as.example", "8.8.8.8", "localhost.example", "notlocalhost", "1.example", "as.0example", "2606:4700::1111", "xn--0x7f.example"} {
		if isPrivateName(host) {
			t.Errorf("%s is private", host)
		}
	}
}

// TestLoopback: the hosts to which http is accepted without a setting. RFC 6761 §6.3.
func TestLoopback(t *testing.T) {
	for u, want := range map[string]bool{
		"http://localhost:8080": true, "http://LOCALHOST:8080": true, "http://keycloak.localhost:8080/realms/main": true, "http://a.b.localhost./": true,
		"http://127.0.0.1": true, "http://127.9.9.9": true, "http://[::1]:80": true, "http://[::ffff:127.0.0.1]": true,
		"http://keycloak:8080": false, "http://localhost.example": false, "http://evillocalhost": false, "http://.": false, "http://10.0.0.1": false,
		"http://127.0.0.1.example": false, "http://locaLhoſt": false, "ftp://localhost": false,
	} {
		if err := CheckURL(u); (err == nil) != want {
			t.Errorf("%s: %v", u, err)
		}
	}
	if err := (Policy{InsecureHTTP: true}).CheckURL("http://keycloak:8080/realms/main"); err != nil {
		t.Error(err)
	}
	for _, u := range []string{"ftp://keycloak", "keycloak:8080", "http://u@keycloak", "http://keycloak#x", ""} {
		if (Policy{InsecureHTTP: true}).CheckURL(u) == nil {
			t.Errorf("InsecureHTTP accepts %q", u)
		}
	}
	if err := CheckURL("http://keycloak:8080"); err == nil || !strings.Contains(err.Error(), "InsecureHTTP") {
		t.Errorf("the error names no setting: %v", err)
	}
}

// resolved counts the connections of the resolver. The resolver is set before the tests, because
// connections of earlier tests may still use it.
var resolved atomic.Int64

func init() {
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		resolved.Add(1)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

// TestLocalhostNames: a name under localhost is loopback, without a resolver.
func TestLocalhostNames(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) }))
	defer s.Close()
	before := resolved.Load()
	for _, name := range []string{"keycloak.localhost", "Localhost", "localhost."} {
		u := strings.Replace(s.URL, "127.0.0.1", name, 1)
		if _, err := (Client{}).Get(For(t.Context(), u), u, "*/*", nil, 10); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := resolved.Load() - before; n != 0 {
		t.Errorf("%d connections to a name server", n)
	}
}

// TestOwnHost: the guard exempts only the host of the issuer, at any address. DISC-03.
func TestOwnHost(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) }))
	defer s.Close()
	other := strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
	for _, test := range []struct {
		policy Policy
		url    string
		ok     bool
	}{
		{Policy{}, s.URL, true},
		{Policy{Guarded: true, Own: []string{s.URL}}, s.URL, true},
		{Policy{Guarded: true, Own: []string{"http://127.0.0.1:1/x"}}, s.URL, true}, // another port of the same host
		{Policy{Guarded: true, Own: []string{"HTTP://LOCALHOST"}}, other, true},
		{Policy{Guarded: true, Own: []string{"https://as.example", s.URL}}, s.URL, true},
		{Policy{Guarded: true, Own: []string{s.URL}}, other, false},
		{Policy{Guarded: true, Own: []string{other}}, s.URL, false},
		{Policy{Guarded: true, Own: []string{"http://127.0.0.2"}}, s.URL, false},
		{Policy{Guarded: true, Own: []string{"", "%"}}, s.URL, false},
		{Policy{Guarded: true}, s.URL, false},
	} {
		// The first request leaves an idle connection, which a guarded request must not reuse.
		if _, err := (Client{}).Get(t.Context(), test.url, "*/*", nil, 10); err != nil {
			t.Fatal(err)
		}
		_, err := Client{}.Get(With(t.Context(), test.policy), test.url, "*/*", nil, 10)
		if (err == nil) != test.ok || err != nil && !strings.Contains(err.Error(), "private address") {
			t.Errorf("%+v to %s: %v", test.policy, test.url, err)
		}
	}
}

// TestDialer: the dialer for an application's own Transport has the same guard. DISC-03.
func TestDialer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("{}")) }))
	defer s.Close()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	guarded := Policy{Guarded: true, Own: []string{"https://as.example"}}
	for name, test := range map[string]struct {
		dialer Dialer
		policy Policy
		ok     bool
	}{
		"a URL of the operator":  {Dialer{}, Policy{}, true},
		"the issuer's own host":  {Dialer{}, Policy{Guarded: true, Own: []string{s.URL}}, true},
		"another host":           {Dialer{}, guarded, false},
		"another host, allowed":  {Dialer{Allow: []netip.Prefix{loopback}}, guarded, true},
		"another one is allowed": {Dialer{Allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, guarded, false},
	} {
		c := Client{HTTP: &http.Client{Transport: &http.Transport{DialContext: test.dialer.DialContext}}}
		if _, err := c.Get(With(t.Context(), test.policy), s.URL, "*/*", nil, 10); (err == nil) != test.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (Dialer{}).DialContext(t.Context(), "tcp", s.Listener.Addr().String()); err == nil {
		t.Error("a request of the application's own reaches a private address")
	}
	c, err := Dialer{Allow: []netip.Prefix{loopback}}.DialContext(t.Context(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestRedirectNamed: the error contains the target of a redirect, without its query and without
// the request.
func TestRedirectNamed(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example/canary-code-123/token?code=canary-query", http.StatusTemporaryRedirect)
	}))
	defer s.Close()
	_, err := Client{}.PostForm(t.Context(), s.URL, nil, map[string][]string{"code": {"canary-code-123"}}, "*/*")
	if err == nil || !strings.Contains(err.Error(), "https://elsewhere.example/[redacted]/token") || strings.Contains(err.Error(), "canary") {
		t.Errorf("%v", err)
	}
}
