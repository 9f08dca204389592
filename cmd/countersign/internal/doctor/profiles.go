package doctor

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
)

var allProfiles = []client.Profile{
	client.OIDCBasic, client.OAuth21, client.FAPI1Advanced, client.FAPI2Security, client.FAPI2MessageSigning, client.FAPICIBA,
}

// profiles uses the library: it makes a client that has everything that the profile requires of
// clients. The first use of the client reports what the server lacks.
func (x *examination) profiles() {
	for _, p := range allProfiles {
		if x.Profile != client.NoProfile && p != x.Profile {
			continue
		}
		x.report.Profiles = append(x.report.Profiles, Verdict{string(p), allPrintable(x.lacks(p)), allPrintable(x.excluded(p))})
	}
}

// excluded returns what the metadata lists that the profile does not allow, where nothing else is
// listed.
func (x *examination) excluded(p client.Profile) (all []string) {
	for _, l := range limitsOf(p) {
		listed := x.list(l.member)
		if len(listed) > 0 && !slices.ContainsFunc(l.allowed, func(a string) bool { return slices.Contains(listed, a) }) {
			all = append(all, fmt.Sprintf("%s has only %s, expected %s", l.member, strings.Join(listed, ", "), strings.Join(l.allowed, " or ")))
		}
	}
	if p == client.FAPICIBA && x.text("backchannel_authentication_endpoint") == "" {
		all = append(all, "there is no backchannel_authentication_endpoint")
	}
	return all
}

// limit is a list of the metadata, and the values that a profile allows.
type limit struct {
	member  string
	allowed []string
}

func limitsOf(p client.Profile) (all []limit) {
	add := func(member string, allowed ...string) { all = append(all, limit{member, allowed}) }
	if p != client.FAPICIBA {
		add("response_types_supported", "code", "code id_token")
	}
	if p == client.OAuth21 || isFAPI(p) && p != client.FAPICIBA {
		add("code_challenge_methods_supported", "S256")
	}
	if !isFAPI(p) {
		return all
	}
	add("token_endpoint_auth_methods_supported", strongMethods...)
	algs := []string{"PS256", "ES256", "EdDSA", "Ed25519"}
	if p == client.FAPI1Advanced {
		algs = fapiAlgs
	}
	add("id_token_signing_alg_values_supported", algs...)
	if signsRequests(p) {
		add("request_object_signing_alg_values_supported", algs...)
		add("authorization_signing_alg_values_supported", algs...)
		add("response_modes_supported", "jwt", "query.jwt", "form_post.jwt", "fragment.jwt")
	}
	if p == client.FAPICIBA {
		add("backchannel_token_delivery_modes_supported", "poll", "ping")
	}
	return all
}

// lacks returns what the server lacks for a profile.
func (x *examination) lacks(p client.Profile) []string {
	if (p == client.OIDCBasic || p == client.FAPICIBA) && !x.openID() {
		return []string{"the metadata of an OpenID provider"}
	}
	c, err := client.New(x.fitting(p))
	if err != nil && x.metadata.JWKSURI == "" {
		return []string{"jwks_uri"}
	}
	if err != nil {
		return []string{err.Error()} // a fault of this program: the configuration is made for the profile
	}
	if p == client.FAPICIBA {
		_, err = grant.BeginBackchannel(context.Background(), c, grant.BackchannelRequest{LoginHint: "doctor", BindingMessage: "doctor"})
	} else {
		_, _, err = c.Begin(context.Background(), client.Request{})
	}
	var e *client.Error
	if !errors.As(err, &e) || e.Step != client.StepDiscovery {
		return nil // the metadata was accepted; nothing is sent, so a push fails
	}
	if _, list, found := strings.Cut(err.Error(), "requires a server whose metadata has "); found {
		return strings.Split(list, ", ")
	}
	return []string{err.Error()}
}

// fitting returns a configuration that has what a profile requires of clients.
func (x *examination) fitting(p client.Profile) client.Config {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	signing := auth.SigningKey{Key: key}
	c := client.Config{
		Issuer: x.Issuer, ClientID: "doctor", Auth: auth.PrivateKeyJWT(signing, auth.Assertion{}), RedirectURL: "https://app.example/callback",
		Metadata: x.metadata, Profile: p, IDTokenAlgs: []string{"ES256"}, HTTP: offline(),
	}
	if !x.openID() {
		c.Scopes = []string{}
	}
	switch p {
	case client.FAPICIBA:
		c.RedirectURL = ""
	case client.FAPI1Advanced:
		c.RequestObject, c.ResponseMode, c.ResponseAlgs, c.CertificateBound = &client.RequestObject{Keys: signing}, "jwt", []string{"ES256"}, true
	case client.FAPI2MessageSigning:
		c.RequestObject, c.ResponseMode, c.ResponseAlgs = &client.RequestObject{Keys: signing}, "jwt", []string{"ES256"}
	}
	if p == client.FAPI2Security || p == client.FAPI2MessageSigning || p == client.FAPICIBA {
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

// offline returns an HTTP client that presents a certificate and sends nothing.
func offline() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("nothing is sent") },
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}},
	}}
}
