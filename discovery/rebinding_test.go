package discovery_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/discovery"
)

// nameServer is the address of the DNS server of everyName, and "" at other times. The resolver is
// set before the tests, because connections of earlier tests may still use it.
var nameServer atomic.Value

func init() {
	nameServer.Store("")
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if at := nameServer.Load().(string); at != "" {
			network, address = "udp", at
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

// everyName starts a DNS server that resolves every name to 127.0.0.1, as the owner of a name can.
func everyName(t *testing.T) {
	t.Helper()
	names, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nameServer.Store(names.LocalAddr().String())
	t.Cleanup(func() { nameServer.Store(""); names.Close() })
	go func() {
		query := make([]byte, 1500)
		for {
			n, from, err := names.ReadFrom(query)
			if err != nil {
				return
			}
			names.WriteTo(addressAnswer(query[:n]), from)
		}
	}()
}

// addressAnswer answers a query for an IPv4 address (RFC 1035), and no other.
func addressAnswer(query []byte) []byte {
	end := 12 + bytes.IndexByte(query[12:], 0) + 5
	out := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, query[12:end]...)
	if binary.BigEndian.Uint16(query[end-4:]) == 1 {
		out[7] = 1
		out = append(out, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1)
	}
	return out
}

// TestResourceRebinding: after the metadata of a public resource was read, its name may resolve
// to a private address. That address is rejected (RFC 9728 §7.7).
func TestResourceRebinding(t *testing.T) {
	var asked atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	everyName(t)
	r := &discovery.Resource{Resource: "https://api.evil.example/mcp", AuthorizationServers: []string{inside.URL}}
	_, err := r.Server(t.Context(), nil, func(string) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "private address") || asked.Load() != 0 {
		t.Errorf("%d requests to a private address, %v", asked.Load(), err)
	}
}

// TestResourceInside: metadata that was read at a private address may contain private addresses.
func TestResourceInside(t *testing.T) {
	var as *httptest.Server
	as = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"issuer":"` + as.URL + `","authorization_endpoint":"` + as.URL + `/a","token_endpoint":"` + as.URL + `/t","jwks_uri":"` + as.URL + `/j","response_types_supported":["code"]}`))
	}))
	defer as.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"resource":"http://` + r.Host + `/mcp","authorization_servers":["` + as.URL + `"]}`))
	}))
	defer api.Close()
	r, err := discovery.FetchResource(t.Context(), nil, strings.Replace(api.URL, "127.0.0.1", "localhost", 1)+"/mcp")
	if err != nil {
		t.Fatal(err)
	}
	r.Resource = "https://api.internal.example/mcp" // a name: the address from which it was read decides
	if _, err := r.Server(t.Context(), nil, func(string) bool { return true }); err != nil {
		t.Error(err)
	}
}
