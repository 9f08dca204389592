package client

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Authenticator adds the client's authentication to a request's header, or to
// the form that is about to be posted, RFC 6749 §2.3.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Auth is a client authentication method, OpenID Connect Core §9 and RFC 8705 §2. Make
// one with Secret, SecretBasic, SecretPost, SecretJWT, PrivateKeyJWT, TLS, SelfSignedTLS or
// Public; the zero value is refused by New. It never prints its secret.
type Auth struct {
	method    string
	assertion *Assertion    // of the two methods that have one
	alg       func() string // of the assertion's signature; nil without one
	err       error
	raw       bool                          // the header has the ID as it is
	encoded   func(clientID string) bool    // whether the header holds others than these texts; nil without a header
	choose    func(supported []string) Auth // of Secret, once the metadata is there; nil for the others
	bind      func(binding) Authenticator   // a func: nothing in it can be printed
}

// binding is the client that authenticates, and where.
type binding struct {
	clientID, issuer string
	profile          Profile // whose algorithms a signature must have
	now              func() time.Time
}

// Method gives the method's name, as in token_endpoint_auth_method.
func (a Auth) Method() string { return a.method }

// For gives the method for a client at a server: what par.Push and rs.Introspection take.
// Of an Auth that New would refuse it gives one that fails.
func (a Auth) For(clientID, issuer string) Authenticator {
	return a.authenticator(binding{clientID, issuer, NoProfile, time.Now})
}

func (a Auth) authenticator(b binding) Authenticator {
	if err := a.check(); err != nil {
		return authenticatorFunc(func(*http.Request, url.Values) error { return err })
	}
	return a.bind(b)
}

func (a Auth) check() error {
	if a.bind == nil {
		return errors.New("is missing; for a client without a secret say Public()")
	}
	return a.err
}

// overTLS tells whether the client authenticates with a certificate.
func (a Auth) overTLS() bool {
	return a.method == "tls_client_auth" || a.method == "self_signed_tls_client_auth"
}

// authenticatorFunc is an Authenticator that is one function.
type authenticatorFunc func(r *http.Request, form url.Values) error

func (f authenticatorFunc) Authenticate(r *http.Request, form url.Values) error { return f(r, form) }

// idAlone is the form field by which a client is known that proves itself elsewhere, or
// not at all.
func idAlone(b binding) Authenticator {
	return authenticatorFunc(func(_ *http.Request, form url.Values) error {
		form.Set("client_id", b.clientID)
		return nil
	})
}

// Public is for clients without a secret (none): they send their client_id alone.
func Public() Auth { return Auth{method: "none", bind: idAlone} }

// TLS is for clients that the server knows by the certificate of their TLS connection
// (tls_client_auth, RFC 8705 §2.1). Config.HTTP presents it; the endpoints are those of
// the metadata's mtls_endpoint_aliases, where there are such (§5).
func TLS() Auth { return Auth{method: "tls_client_auth", bind: idAlone} }

// SelfSignedTLS is TLS for certificates that the client signed itself
// (self_signed_tls_client_auth, RFC 8705 §2.2).
func SelfSignedTLS() Auth { return Auth{method: "self_signed_tls_client_auth", bind: idAlone} }

// Secret sends the secret in the way that the server's metadata names
// (token_endpoint_auth_methods_supported): in the form if that is among them and the
// header is not, else in the header. Nothing is tried out.
func Secret(secret string) Auth {
	a := SecretBasic(secret)
	a.choose = func(supported []string) Auth {
		if len(supported) > 0 && !slices.Contains(supported, "client_secret_basic") && slices.Contains(supported, "client_secret_post") {
			return SecretPost(secret)
		}
		return SecretBasic(secret)
	}
	return a
}

// SecretBasicRaw is SecretBasic for servers that do not decode what RFC 6749 §2.3.1 has
// encoded: ID and secret go into the header as they are.
func SecretBasicRaw(secret string) Auth {
	return Auth{method: "client_secret_basic", raw: true, err: checkSecret(secret), bind: func(b binding) Authenticator {
		return authenticatorFunc(func(r *http.Request, _ url.Values) error {
			if err := checkRawID(b.clientID); err != nil {
				return err
			}
			r.SetBasicAuth(b.clientID, secret)
			return nil
		})
	}}
}

// checkRawID refuses an ID that the server would take for a shorter one and a part of the
// secret (RFC 7617 §2).
func checkRawID(clientID string) error {
	if strings.Contains(clientID, ":") {
		return errors.New("SecretBasicRaw cannot send a ClientID with a colon")
	}
	return nil
}

// SecretBasic sends the secret in the Authorization header (client_secret_basic).
// Client ID and secret are form-urlencoded first, as RFC 6749 §2.3.1 wants it.
func SecretBasic(secret string) Auth {
	a := Auth{method: "client_secret_basic", err: checkSecret(secret), bind: func(b binding) Authenticator {
		return authenticatorFunc(func(r *http.Request, _ url.Values) error {
			r.SetBasicAuth(url.QueryEscape(b.clientID), url.QueryEscape(secret))
			return nil
		})
	}}
	a.encoded = func(clientID string) bool { return url.QueryEscape(clientID+secret) != clientID+secret }
	return a
}

// SecretPost sends client ID and secret in the form (client_secret_post).
func SecretPost(secret string) Auth {
	return Auth{method: "client_secret_post", err: checkSecret(secret), bind: func(b binding) Authenticator {
		return authenticatorFunc(func(_ *http.Request, form url.Values) error {
			form.Set("client_id", b.clientID)
			form.Set("client_secret", secret)
			return nil
		})
	}}
}

func checkSecret(secret string) error {
	if secret == "" {
		return errors.New("has an empty secret; for a client without one say Public()")
	}
	return nil
}
