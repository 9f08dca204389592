package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

var allProfiles = []client.Profile{
	client.OIDCBasic, client.OAuth21, client.FAPI1Advanced, client.FAPI2Security, client.FAPI2MessageSigning,
}

// profiles asks the library: a client that has everything that the profile wants of a
// client is made, and its first use says what the server lacks.
func (x *examination) profiles() {
	for _, p := range allProfiles {
		if x.Profile != client.NoProfile && p != x.Profile {
			continue
		}
		x.report.Profiles = append(x.report.Profiles, Verdict{string(p), x.lacks(p)})
	}
}

// lacks gives what the server lacks for a profile.
func (x *examination) lacks(p client.Profile) []string {
	c, err := client.New(x.fitting(p))
	if err != nil {
		return []string{err.Error()} // a fault of this program: the configuration is made for the profile
	}
	_, _, err = c.Begin(context.Background(), client.Request{})
	var e *client.Error
	if !errors.As(err, &e) || e.Step != client.StepDiscovery {
		return nil // the metadata was accepted; nothing is sent, so a push fails
	}
	if _, list, found := strings.Cut(err.Error(), "requires a server whose metadata has "); found {
		return strings.Split(list, ", ")
	}
	return []string{err.Error()}
}

// fitting gives a configuration that has what a profile wants of a client.
func (x *examination) fitting(p client.Profile) client.Config {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	signing := auth.SigningKey{Key: key}
	c := client.Config{
		Issuer: x.Issuer, ClientID: "doctor", Auth: auth.PrivateKeyJWT(signing, auth.Assertion{}), RedirectURL: "https://app.example/callback",
		Metadata: x.metadata, Profile: p, IDTokenAlgs: []string{"ES256"}, HTTP: offline(),
	}
	switch p {
	case client.FAPI1Advanced:
		c.RequestObject, c.ResponseMode, c.ResponseAlgs, c.CertificateBound = &client.RequestObject{Keys: signing}, "jwt", []string{"ES256"}, true
	case client.FAPI2MessageSigning:
		c.RequestObject, c.ResponseMode, c.ResponseAlgs = &client.RequestObject{Keys: signing}, "jwt", []string{"ES256"}
	}
	if p == client.FAPI2Security || p == client.FAPI2MessageSigning {
		if c.CertificateBound = x.bindsCertificates(); !c.CertificateBound {
			c.DPoP = &client.DPoP{}
		}
	}
	return c
}

// bindsCertificates: without DPoP, the server has to bind tokens to certificates.
func (x *examination) bindsCertificates() bool {
	return len(x.metadata.DPoPSigningAlgValuesSupported) == 0
}

// offline gives an HTTP client that presents a certificate and sends nothing.
func offline() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nothing is sent") },
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}},
	}}
}
