package client_test

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/pkce"
)

// fapi2 is a configuration that follows FAPI 2.0 Message Signing.
func fapi2() client.Config {
	key := auth.SigningKey{KeyID: "k", Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}
	return client.Config{
		Profile: client.FAPI2MessageSigning, Issuer: "https://as.example", ClientID: "rp", RedirectURL: "https://rp.example/cb",
		Auth: auth.PrivateKeyJWT(key, auth.Assertion{}), DPoP: &client.DPoP{}, RequestObject: &client.RequestObject{Keys: key},
		ResponseMode: "jwt", ResponseAlgs: []string{"PS256"}, IDTokenAlgs: []string{"PS256"},
	}
}

// TestProfile: New rejects every weaker option. The error contains its name. FAPI-01, FAPI-03,
// RP-02.
func TestProfile(t *testing.T) {
	rs := auth.SigningKey{KeyID: "k", Alg: "RS256", Key: optest.NewKey("k", "RS256").Private}
	ps := auth.SigningKey{KeyID: "k", Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}
	for _, profile := range []client.Profile{client.FAPI2Security, client.FAPI2MessageSigning} {
		cfg := fapi2()
		cfg.Profile = profile
		if _, err := client.New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		says string
		edit func(*client.Config)
	}{
		{"Auth to be PrivateKeyJWT", func(c *client.Config) { c.Auth = auth.SecretBasic("s") }},
		{"Auth to be PrivateKeyJWT", func(c *client.Config) { c.Auth = auth.Public() }},
		{"Auth to be PrivateKeyJWT", func(c *client.Config) {
			c.Auth = auth.SecretJWT("a secret that is long enough for HS256", auth.Assertion{})
		}},
		{"an Assertion without Audience and Endpoints", func(c *client.Config) {
			c.Auth = auth.PrivateKeyJWT(ps, auth.Assertion{Audience: "https://as.example/token"})
		}},
		{"an Assertion signed with one of PS256", func(c *client.Config) { c.Auth = auth.PrivateKeyJWT(rs, auth.Assertion{}) }},
		{"bound access tokens", func(c *client.Config) { c.DPoP = nil }},
		{"bound access tokens", func(c *client.Config) { c.DPoP = &client.DPoP{InsecureAllowBearer: true} }},
		{"IDTokenAlgs", func(c *client.Config) { c.IDTokenAlgs = nil }},
		{"IDTokenAlgs", func(c *client.Config) { c.IDTokenAlgs = []string{"PS256", "RS256"} }},
		{"ResponseAlgs", func(c *client.Config) { c.ResponseAlgs = nil }},
		{"UserInfoAlgs", func(c *client.Config) { c.UserInfoAlgs = []string{"RS256"} }},
		{"a RequestObject signed with one of PS256", func(c *client.Config) { c.RequestObject = &client.RequestObject{Keys: rs} }},
		{"PKCE S256", func(c *client.Config) { c.PKCE = pkce.Plain }},
		{"PKCE S256", func(c *client.Config) { c.PKCE = pkce.PlainImplicit }},
		{"ResponseType code", func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseCodeIDToken, "fragment.jwt" }},
		{"PAR", func(c *client.Config) { c.PAR = client.PAROff }},
		{"RepeatParameters", func(c *client.Config) { c.RepeatParameters = true }},
		{"RequestObject", func(c *client.Config) { c.RequestObject = nil }},
		{"a signed ResponseMode", func(c *client.Config) { c.ResponseMode = "query" }},
		{"no Insecure option", func(c *client.Config) { c.InsecureMissingTokenType = true }},
		{"no Insecure option", func(c *client.Config) { c.InsecureSkipSignature = true }},
		{"no Insecure option", func(c *client.Config) { c.InsecureUnnamedUserInfo = true }},
		{"no Insecure option", func(c *client.Config) { c.InsecureDraftLogout = true }},
		{"no Insecure option", func(c *client.Config) {
			c.CertificateBound, c.HTTP, c.DPoP = true, withCertificate, &client.DPoP{InsecureAllowBearer: true}
		}},
		{"no Insecure option", func(c *client.Config) { c.Profile, c.InsecureMissingTokenType = client.OIDCBasic, true }},
		{"no Insecure option", func(c *client.Config) { c.Profile, c.InsecureMissingTokenType = client.OAuth21, true }},
		{"DPoP.Keys that sign with one of PS256", func(c *client.Config) { c.DPoP = &client.DPoP{Keys: rs} }},
		{"a RequestObject without Audience", func(c *client.Config) {
			c.RequestObject = &client.RequestObject{Keys: ps, Audience: "https://as.example/authorize"}
		}},
		{"a Skew from 10s to 1m", func(c *client.Config) { c.Skew = 61 * time.Second }},
		{"a Skew from 10s to 1m", func(c *client.Config) { c.Skew = 9 * time.Second }},
		{"one issuer", func(c *client.Config) { c.IssuerAlias = "as.example" }},
		{"verifies the server's certificate", func(c *client.Config) { c.HTTP = withTLS(&tls.Config{InsecureSkipVerify: true}) }},
		{"TLS 1.2", func(c *client.Config) { c.HTTP = withTLS(&tls.Config{MinVersion: tls.VersionTLS11}) }},
		{"TLS 1.2", func(c *client.Config) { c.HTTP = withTLS(&tls.Config{MaxVersion: tls.VersionTLS11}) }},
		{"presents the client certificate", func(c *client.Config) { c.CertificateBound, c.HTTP = true, withTLS(&tls.Config{}) }},
		{"IDTokenAlgs from PS256, ES256", func(c *client.Config) {
			c.Profile, c.CertificateBound, c.HTTP, c.IDTokenAlgs = client.FAPI1Advanced, true, withCertificate, []string{"EdDSA"}
		}},
		{"ResponseType code id_token", func(c *client.Config) {
			c.Profile, c.CertificateBound, c.HTTP, c.ResponseType = client.FAPI1Advanced, true, withCertificate, client.ResponseIDToken
		}},
		{"expected one of the Profile constants", func(c *client.Config) { c.Profile = "FAPI 3" }},
		{"RequestObject", func(c *client.Config) {
			c.Profile, c.CertificateBound, c.HTTP, c.RequestObject = client.FAPI1Advanced, true, withCertificate, nil
		}},
		{"bound access tokens", func(c *client.Config) { c.Profile = client.FAPI1Advanced }},
		{"code id_token", func(c *client.Config) {
			c.Profile, c.CertificateBound, c.HTTP, c.ResponseMode = client.FAPI1Advanced, true, withCertificate, ""
		}},
		{"the scope openid", func(c *client.Config) { c.Profile, c.Scopes = client.OIDCBasic, []string{"x"} }},
		{"ResponseType code", func(c *client.Config) { c.Profile, c.ResponseType = client.OIDCBasic, client.ResponseIDToken }},
		{"PKCE S256", func(c *client.Config) { c.Profile, c.PKCE = client.OAuth21, pkce.Plain }},
		{"ResponseType code", func(c *client.Config) { c.Profile, c.ResponseType = client.OAuth21, client.ResponseIDToken }},
	} {
		cfg := fapi2()
		test.edit(&cfg)
		if _, err := client.New(cfg); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("want %q: %v", test.says, err)
		}
	}
	for _, profile := range []client.Profile{client.OIDCBasic, client.OAuth21, client.FAPI1Advanced} {
		cfg := fapi2()
		cfg.Profile, cfg.CertificateBound, cfg.HTTP = profile, true, withCertificate
		if _, err := client.New(cfg); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
	_, err := client.New(client.Config{Profile: client.FAPI2Security, Issuer: "https://as.example", ClientID: "rp", RedirectURL: "https://rp.example/cb", Auth: auth.Public()})
	for _, want := range []string{"Auth", "bound", "IDTokenAlgs"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in the list: %v", want, err)
		}
	}
}

var withCertificate = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}}}}

func withTLS(c *tls.Config) *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
}

// TestProfileServer: the metadata is checked at the first use, and the response when it arrives.
func TestProfileServer(t *testing.T) {
	key := auth.SigningKey{KeyID: "k", Alg: "PS256", Key: optest.NewKey("k", "PS256").Private}
	for name, edit := range map[string]func(map[string]any){
		"pushed_authorization_request_endpoint":          func(m map[string]any) { delete(m, "pushed_authorization_request_endpoint") },
		"authorization_response_iss_parameter_supported": func(m map[string]any) { delete(m, "authorization_response_iss_parameter_supported") },
	} {
		s := optest.New(t)
		s.Edit = edit
		cfg := fapi2()
		cfg.Profile, cfg.Issuer, cfg.ResponseMode, cfg.Auth = client.FAPI2Security, s.URL, "", auth.PrivateKeyJWT(key, auth.Assertion{})
		_, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{})
		var e *client.Error
		if !errors.As(err, &e) || e.Step != client.StepDiscovery || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}

	s := optest.New(t)
	s.Edit = func(m map[string]any) { m["tls_client_certificate_bound_access_tokens"] = true }
	cfg := fapi2()
	cfg.Profile, cfg.Issuer, cfg.ResponseMode = client.FAPI1Advanced, s.URL, ""
	cfg.ResponseType, cfg.CertificateBound, cfg.HTTP, cfg.DPoP, cfg.PAR = client.ResponseCodeIDToken, true, withCertificate, nil, client.PAROff
	cfg.IDTokenAlgs = []string{"PS256"}
	k := optest.NewKey("k1", "PS256")
	s.Rotate(k)
	c := newClient(t, cfg)
	_, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	claims := m{"iss": s.URL, "sub": "alice", "aud": "rp", "iat": pending.CreatedAt.Unix(), "exp": pending.CreatedAt.Unix() + 60, "nonce": pending.Nonce, "c_hash": optest.LeftHalf("PS256", "c")}
	q := url.Values{"code": {"c"}, "state": {pending.State}, "iss": {s.URL}, "id_token": {k.Sign(claims, nil)}}
	if _, err := c.Finish(t.Context(), pending, q); err == nil || !strings.Contains(err.Error(), "s_hash is missing") {
		t.Errorf("an ID token without s_hash: %v", err)
	}
}
