package grpcrs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

func newCertificate(t *testing.T) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func boundTo(s *optest.Server, c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return "Bearer " + s.AccessToken(m{"cnf": m{"x5t#S256": optest.B64(sum[:])}}, nil)
}

// TestMTLS: a token is compared with the certificate of the call's connection. RS-08.
func TestMTLS(t *testing.T) {
	s := optest.New(t)
	own, mine, other := newCertificate(t), newCertificate(t), newCertificate(t)
	roots := x509.NewCertPool()
	roots.AddCert(own.Leaf)
	server := credentials.NewTLS(&tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequestClientCert})
	for _, test := range []struct {
		name  string
		certs []tls.Certificate
		want  codes.Code
	}{
		{"its certificate", []tls.Certificate{mine}, codes.OK},
		{"another", []tls.Certificate{other}, codes.Unauthenticated},
		{"none", nil, codes.Unauthenticated},
	} {
		conn := serve(t, config(s), server, credentials.NewTLS(&tls.Config{RootCAs: roots, Certificates: test.certs}))
		if got := unary(withTokens(t, boundTo(s, mine)), conn, emptyCall); got.code != test.want {
			t.Errorf("%s: unary: %+v", test.name, got)
		}
		if got := streaming(withTokens(t, boundTo(s, mine)), conn, duplex); got.code != test.want {
			t.Errorf("%s: stream: %+v", test.name, got)
		}
		if got := unary(withTokens(t, "Bearer "+s.AccessToken(nil, nil)), conn, emptyCall); got.code != codes.OK {
			t.Errorf("%s: an unbound token: %+v", test.name, got)
		}
	}
}

// TestForwarded: a proxy's certificate field is accepted in metadata, only from a trusted
// address.
func TestForwarded(t *testing.T) {
	s := optest.New(t)
	mine := newCertificate(t)
	field := ":" + base64.StdEncoding.EncodeToString(mine.Certificate[0]) + ":"
	for network, want := range map[string]codes.Code{"127.0.0.0/8": codes.OK, "192.0.2.0/24": codes.Unauthenticated} {
		c := config(s)
		c.Protection.MTLS = &rs.MTLS{Header: "Client-Cert", Proxies: []netip.Prefix{netip.MustParsePrefix(network)}}
		conn := serve(t, c, insecure.NewCredentials(), insecure.NewCredentials())
		ctx := metadata.AppendToOutgoingContext(withTokens(t, boundTo(s, mine)), "client-cert", field)
		if got := unary(ctx, conn, emptyCall); got.code != want {
			t.Errorf("%s: %+v", network, got)
		}
		if got := unary(metadata.AppendToOutgoingContext(ctx, "client-cert", field), conn, emptyCall); got.code != codes.Unauthenticated {
			t.Errorf("%s: two: %+v", network, got)
		}
	}
}
