// Command keys generates the keys and certificates of the tests in a new directory:
//
//	go run ./keys DIRECTORY
//
// ca.crt is the CA of server.crt and client.crt. self.crt is self-signed. clients.jwks
// contains the public keys of the clients that the servers need: one for signatures
// (sign.key) and one for encryption (decrypt.key).
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: keys DIRECTORY")
	}
	dir := directory(os.Args[1])
	check(os.MkdirAll(string(dir), 0o700))
	dir.certificates()
	dir.clientKeys()
}

// check ends the program if err is not nil.
func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// directory is the output directory.
type directory string

func (d directory) write(name, kind string, der []byte) {
	d.writeFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (d directory) writeFile(name string, content []byte) {
	check(os.WriteFile(filepath.Join(string(d), name), content, 0o600))
}

func (d directory) writeKey(name string, key crypto.Signer) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	d.write(name, "PRIVATE KEY", der)
}

// certificates writes NAME.crt and NAME.key for each name.
func (d directory) certificates() {
	authority := newCertificate(1, "authority")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	ca := d.certificate("ca", authority, nil, nil)

	server := newCertificate(2, "server")
	server.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	server.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	d.certificate("server", server, authority, ca)

	for i, name := range []string{"client", "other"} {
		client := newCertificate(int64(3+i), name)
		client.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		d.certificate(name, client, authority, ca)
	}
	d.certificate("self", newCertificate(5, "self"), nil, nil)
}

func newCertificate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name, Organization: []string{"interop"}},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(10, 0, 0),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
}

// certificate writes a certificate that is signed by issuer or self-signed, and returns its
// key.
func (d directory) certificate(name string, template, issuer *x509.Certificate, issuerKey crypto.Signer) crypto.Signer {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	if issuer == nil {
		issuer, issuerKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	check(err)
	d.write(name+".crt", "CERTIFICATE", der)
	d.writeKey(name+".key", key)
	return key
}

// jwk is a public RSA key, RFC 7517.
type jwk struct {
	Type     string `json:"kty"`
	ID       string `json:"kid"`
	Use      string `json:"use"`
	Alg      string `json:"alg"`
	Modulus  string `json:"n"`
	Exponent string `json:"e"`
}

func (d directory) clientKeys() {
	set := map[string][]jwk{"keys": {
		d.clientKey("sign", "sig", "PS256"),
		d.clientKey("decrypt", "enc", "RSA-OAEP-256"),
	}}
	content, err := json.Marshal(set)
	check(err)
	d.writeFile("clients.jwks", content)
}

// clientKey writes the private key and returns the public key.
func (d directory) clientKey(name, use, alg string) jwk {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	check(err)
	d.writeKey(name+".key", key)
	return jwk{
		Type: "RSA", ID: name, Use: use, Alg: alg,
		Modulus:  base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		Exponent: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}
