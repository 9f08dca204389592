package auth

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Authenticator adds the client's authentication to a request's header, or to
// the form that is about to be posted, RFC 6749 §2.3.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Method is a client authentication method, OpenID Connect Core §9 and RFC 8705 §2. Create one with
// [Secret], [SecretBasic], [SecretBasicRaw], [SecretPost], [SecretJWT], [PrivateKeyJWT], [TLS],
// [SelfSignedTLS], [FederatedFile], [FederatedFunc], [SPIFFE], [AppleSecret], [Public] or
// [Anonymous]. The zero value is rejected. It never prints its secret, and encoders such as
// encoding/json return an error. It is safe for concurrent use.
type Method struct {
	name      string
	assertion *Assertion    // nil for methods without one
	alg       func() string // of the assertion's signature; nil without one
	err       error
	padded    bool                            // the secret begins or ends with a space
	raw       bool                            // the header contains the ID without encoding
	encoded   func(clientID string) bool      // whether encoding changes the ID or the secret; nil without a header
	choose    func(supported []string) Method // of Secret: selects by the metadata; nil for the others
	bind      func(Binding) Authenticator     // a func, so that no verb prints its secret
}

// LogValue implements slog.LogValuer. It returns the name of the method.
func (m Method) LogValue() slog.Value { return slog.StringValue(m.name) }

var errEncodeMethod = errors.New("auth: a Method is not encoded, because the secret would be lost: store the secret, and call the constructor again")

// MarshalText returns an error. Encoders of JSON, YAML and XML call it.
func (Method) MarshalText() ([]byte, error) { return nil, errEncodeMethod }

// MarshalBinary returns an error. encoding/gob calls it.
func (Method) MarshalBinary() ([]byte, error) { return nil, errEncodeMethod }

// Binding identifies the client that authenticates, and the server.
type Binding struct {
	ClientID string // the client_id

	// Issuer is the server's issuer identifier: the audience of assertions.
	Issuer string

	// CheckAlg returns an error for a signature algorithm that the client must not use. nil
	// accepts every supported algorithm.
	CheckAlg func(alg string) error

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// signer returns the signer of the current key, if the client may use its algorithm.
func (b Binding) signer(keys KeySource) (*jose.Signer, error) {
	s, err := keys.Current().signer()
	if err != nil {
		return nil, err
	}
	return s, b.checkAlg(s.Alg())
}

func (b Binding) checkAlg(alg string) error {
	if b.CheckAlg == nil {
		return nil
	}
	return b.CheckAlg(alg)
}

func (b Binding) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}

// Name returns the method's name in token_endpoint_auth_method.
func (m Method) Name() string { return m.name }

// Alg returns the algorithm that signs the assertion now. It is "" for a method without an
// assertion, and for a key that cannot sign.
func (m Method) Alg() string {
	if m.alg == nil {
		return ""
	}
	return m.alg()
}

// Assertion returns the settings of the assertion of PrivateKeyJWT or SecretJWT. It returns nil
// for the other methods.
func (m Method) Assertion() *Assertion {
	if m.assertion == nil {
		return nil
	}
	a := *m.assertion
	return &a
}

// For returns the Authenticator of a client at a server, for par.Push and rs.Introspection. If m is
// not valid, the Authenticator returns the reason. It also returns an error if the key cannot sign,
// or if the platform returned no acceptable assertion.
func (m Method) For(clientID, issuer string) Authenticator {
	return m.Bind(Binding{ClientID: clientID, Issuer: issuer})
}

// Bind is For with the client's clock and CheckAlg.
func (m Method) Bind(b Binding) Authenticator {
	if err := m.check(); err != nil {
		return authenticatorFunc(func(*http.Request, url.Values) error { return err })
	}
	return m.bind(b)
}

// Check returns an error if the client cannot authenticate with this method. The causes are the
// zero value, a missing secret, key or file, and a client ID that SecretBasicRaw cannot send. An
// Assertion or FederatedAssertion with a field out of range is an error too. The error text has no
// subject: write the name of the setting before it.
func (m Method) Check(clientID string) error {
	if err := m.check(); err != nil || !m.raw {
		return err
	}
	return checkRawID(clientID)
}

func (m Method) check() error {
	if m.bind == nil {
		return errors.New("is not set: use auth.Secret, or auth.Public for a client without a secret")
	}
	return m.err
}

// Choose returns the method that fits the server's list of methods
// (token_endpoint_auth_methods_supported). Only Secret has a choice. Every other method returns
// itself.
func (m Method) Choose(supported []string) Method {
	if m.choose == nil {
		return m
	}
	return m.choose(supported)
}

// Hint names the setting that may help if the server answers invalid_client although the
// credentials are correct. It returns "" if no setting helps. Some servers do not decode ID and
// secret. Others require assertions as they were before RFC 10070.
func (m Method) Hint(clientID string) string {
	switch {
	case isPadded(clientID):
		return "the client ID begins or ends with a space: remove it unless it belongs to the ID"
	case m.padded:
		return "the secret begins or ends with a space: remove it unless it belongs to the secret"
	case m.encoded != nil && m.encoded(clientID):
		return "if ID and secret are correct, the server may not decode them: try auth.SecretBasicRaw"
	case m.assertion != nil && m.assertion.Audience == "" && len(m.assertion.Endpoints) == 0 && m.assertion.Typ == "":
		return "if the key is correct, the server may expect another audience or typ: set Assertion.Audience, Assertion.Endpoints or Assertion.Typ"
	case m.name == "federated_jwt" || m.name == "spiffe_jwt":
		return "configure the server to trust the issuer of the platform's assertions and to map their subject to this client"
	}
	return ""
}

// UsesCertificate reports whether the client authenticates with the client certificate of its
// TLS connection.
func (m Method) UsesCertificate() bool {
	return m.name == "tls_client_auth" || m.name == "self_signed_tls_client_auth"
}

// authenticatorFunc is a function that implements Authenticator.
type authenticatorFunc func(r *http.Request, form url.Values) error

func (f authenticatorFunc) Authenticate(r *http.Request, form url.Values) error { return f(r, form) }

// idAlone sends only client_id in the form. The client authenticates in another way, or does not
// authenticate.
func idAlone(b Binding) Authenticator {
	return authenticatorFunc(func(_ *http.Request, form url.Values) error {
		form.Set("client_id", b.ClientID)
		return nil
	})
}

// Public is for clients without a secret (none). They send only their client_id.
func Public() Method { return Method{name: "none", bind: idAlone} }

// Anonymous sends neither credentials nor client_id. It is for grants whose JWT identifies
// the sender, without a registered client (RFC 7523 §3.1). The client ID of the configuration is
// not sent: set it to any name. Logins need another method.
func Anonymous() Method {
	return Method{name: "none", bind: func(Binding) Authenticator {
		return authenticatorFunc(func(*http.Request, url.Values) error { return nil })
	}}
}
