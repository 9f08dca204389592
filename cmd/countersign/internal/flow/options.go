// Package flow runs the flows of OAuth 2.0 and OpenID Connect for a person at a terminal.
package flow

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
)

// Options are what a person chooses for a flow. The zero value of a field means the default
// of the module.
type Options struct {
	Issuer, DiscoveryURL  string
	ClientID, RedirectURI string
	Auth                  string // a token_endpoint_auth_method; "" means by what there is
	Secret                string
	KeyFile, KeyID, Alg   string // a private key for assertions and request objects
	CertFile, CertKeyFile string // a client certificate
	Profile               client.Profile
	PAR, ResponseMode     string
	JAR, DPoP             bool
	IDTokenAlgs           []string
	Scopes                []string
	Resources             []string
	Audiences             []string
	ACRValues, Prompt     []string
	LoginHint             string
	MaxAge                time.Duration // negative means none
	RootCAs               *x509.CertPool
	InsecureHTTP          bool
	Open                  bool // open the browser; otherwise the address is printed

	SubjectToken, SubjectTokenType, RequestedTokenType string // of exchange
	ActorToken, ActorTokenType                         string
	Token, Hint                                        string // of introspect and revoke

	Assertion, Subject            string // of jwt-bearer
	AssertionIssuer, AssertionTyp string
	AssertionAudience             string // also of client assertions; "" means the issuer

	LoginHintToken, UserCode, BindingMessage string        // of ciba
	RequestedExpiry                          time.Duration // 0 means the server's default

	StoreDir, Name string
	Curl, JSON     bool
	Timeout        time.Duration // of the context that the flow runs with
}

// config makes the client.Config, whose requests go through rt.
func (o *Options) config(rt http.RoundTripper) (client.Config, error) {
	keys, err := o.keys()
	if err != nil {
		return client.Config{}, err
	}
	method, err := o.method(keys)
	if err != nil {
		return client.Config{}, err
	}
	c := client.Config{
		Issuer: o.Issuer, DiscoveryURL: o.DiscoveryURL, ClientID: o.ClientID, RedirectURL: o.RedirectURI, Auth: method,
		Profile: o.Profile, Scopes: o.Scopes, ResponseMode: o.ResponseMode, IDTokenAlgs: o.IDTokenAlgs,
		CertificateBound: o.CertFile != "", InsecureHTTP: o.InsecureHTTP, HTTP: &http.Client{Transport: rt},
	}
	if strings.HasSuffix(o.ResponseMode, "jwt") {
		c.ResponseAlgs = o.IDTokenAlgs
	}
	if o.DPoP {
		c.DPoP = &client.DPoP{}
	}
	if c.PAR, err = o.par(); err != nil {
		return c, err
	}
	if o.JAR && keys == nil {
		return c, usagef("-jar requires -key: pass the key that signs the request")
	}
	if o.JAR {
		c.RequestObject = &client.RequestObject{Keys: keys}
	}
	return c, nil
}

func (o *Options) par() (mode client.PARMode, err error) {
	switch o.PAR {
	case "", "auto":
	case "required":
		mode = client.PARRequired
	case "off":
		mode = client.PAROff
	default:
		err = usagef("-par is %q, expected auto, required or off", o.PAR)
	}
	return mode, err
}

// Credentials returns the client's authentication. keys and certificate are nil without -key and
// -cert.
func (o *Options) Credentials() (method auth.Method, keys auth.KeySource, certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error), err error) {
	if keys, err = o.keys(); err != nil {
		return method, nil, nil, err
	}
	if method, err = o.method(keys); err != nil {
		return method, nil, nil, err
	}
	t, err := o.transport()
	if err != nil {
		return method, nil, nil, err
	}
	return method, keys, t.TLSClientConfig.GetClientCertificate, nil
}

// keys is nil without -key.
func (o *Options) keys() (auth.KeySource, error) {
	if o.KeyFile == "" {
		return nil, nil
	}
	data, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("%s has no PEM block", o.KeyFile)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is not a PKCS #8 private key (BEGIN PRIVATE KEY): convert it with openssl pkcs8 -topk8 -nocrypt", o.KeyFile)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key in %s cannot sign", o.KeyFile)
	}
	return auth.SigningKey{KeyID: o.KeyID, Alg: o.Alg, Key: signer}, nil
}

// method is how the client authenticates: what -auth says, or what the credentials allow.
func (o *Options) method(keys auth.KeySource) (auth.Method, error) {
	name := o.Auth
	if name == "" {
		name = o.usualMethod(keys)
	}
	if err := o.checkCredential(name, keys); err != nil {
		return auth.Method{}, err
	}
	switch name {
	case "secret":
		return auth.Secret(o.Secret), nil
	case "client_secret_basic":
		return auth.SecretBasic(o.Secret), nil
	case "client_secret_post":
		return auth.SecretPost(o.Secret), nil
	case "client_secret_jwt":
		return auth.SecretJWT(o.Secret, auth.Assertion{Audience: o.AssertionAudience}), nil
	case "private_key_jwt":
		return auth.PrivateKeyJWT(keys, auth.Assertion{Audience: o.AssertionAudience}), nil
	case "tls_client_auth":
		return auth.TLS(), nil
	case "self_signed_tls_client_auth":
		return auth.SelfSignedTLS(), nil
	}
	return auth.Public(), nil
}

// checkCredential returns an error for an unknown method, or if its credential is missing.
func (o *Options) checkCredential(method string, keys auth.KeySource) error {
	needs := map[string]bool{"client_secret_basic": o.Secret != "", "client_secret_post": o.Secret != "", "client_secret_jwt": o.Secret != "",
		"secret": o.Secret != "", "private_key_jwt": keys != nil, "tls_client_auth": o.CertFile != "", "self_signed_tls_client_auth": o.CertFile != "", "none": true}
	has, known := needs[method]
	switch {
	case !known:
		return usagef("-auth is %q, expected client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none", method)
	case !has:
		return usagef("-auth %s requires a credential: pass -secret-env, -key or -cert", method)
	}
	return nil
}

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

func (o *Options) usualMethod(keys auth.KeySource) string {
	switch {
	case o.Secret != "":
		return "secret"
	case keys != nil && !o.JAR || keys != nil && o.CertFile == "":
		return "private_key_jwt"
	case o.CertFile != "":
		return "tls_client_auth"
	}
	return "none"
}

// transport presents the client certificate, if there is one.
func (o *Options) transport() (*http.Transport, error) {
	t := wire.NewTransport(&tls.Config{RootCAs: o.RootCAs})
	if o.CertFile == "" {
		return t, nil
	}
	keyFile := o.CertKeyFile
	if keyFile == "" {
		keyFile = o.CertFile
	}
	pair, err := tls.LoadX509KeyPair(o.CertFile, keyFile)
	if err != nil {
		return nil, err
	}
	// Certificates would not send one whose authority the server does not list: a self-signed one.
	t.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return t, nil
}

func (o *Options) request() client.Request {
	r := client.Request{ACRValues: o.ACRValues, Prompt: o.Prompt, LoginHint: o.LoginHint, Resources: o.Resources}
	if o.MaxAge >= 0 {
		r.MaxAge = &o.MaxAge
	}
	return r
}

func (o *Options) tokenRequest() client.TokenRequest {
	return client.TokenRequest{Scopes: o.Scopes, Resources: o.Resources}
}

func (o *Options) exchangeRequest(subject string) grant.ExchangeRequest {
	return grant.ExchangeRequest{
		TokenRequest: o.tokenRequest(), SubjectToken: subject, SubjectTokenType: tokenType(o.SubjectTokenType),
		ActorToken: o.ActorToken, ActorTokenType: tokenType(o.ActorTokenType), RequestedTokenType: tokenType(o.RequestedTokenType), Audiences: o.Audiences,
	}
}

// tokenType accepts the last part of a URN of RFC 8693 §3.
func tokenType(s string) string {
	if s == "" || strings.Contains(s, ":") {
		return s
	}
	return "urn:ietf:params:oauth:token-type:" + s
}
