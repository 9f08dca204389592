package client

import (
	"errors"
	"net/http"
	"net/url"
)

// Authenticator adds the client's authentication to a request's header, or to
// the form that is about to be posted, RFC 6749 §2.3.
type Authenticator interface {
	Authenticate(r *http.Request, form url.Values) error
}

// Auth is a client authentication method, OpenID Connect Core §9. Make one with
// SecretBasic, SecretPost or Public; the zero value is refused by New. It
// never prints its secret.
type Auth struct {
	method string
	err    error
	bind   func(clientID, issuer string) Authenticator // a func: nothing in it can be printed
}

// Method gives the method's name, as in token_endpoint_auth_method.
func (a Auth) Method() string { return a.method }

// For gives the method for a client at a server: what par.Push and rs.Introspection take.
func (a Auth) For(clientID, issuer string) Authenticator { return a.bind(clientID, issuer) }

func (a Auth) check() error {
	if a.bind == nil {
		return errors.New("is missing; for a client without a secret say Public()")
	}
	return a.err
}

// authenticatorFunc is an Authenticator that is one function.
type authenticatorFunc func(r *http.Request, form url.Values) error

func (f authenticatorFunc) Authenticate(r *http.Request, form url.Values) error { return f(r, form) }

// Public is for clients without a secret (none): they send their client_id alone.
func Public() Auth {
	return Auth{method: "none", bind: func(clientID, _ string) Authenticator {
		return authenticatorFunc(func(_ *http.Request, form url.Values) error {
			form.Set("client_id", clientID)
			return nil
		})
	}}
}

// SecretBasic sends the secret in the Authorization header (client_secret_basic).
// Client ID and secret are form-urlencoded first, as RFC 6749 §2.3.1 wants it.
func SecretBasic(secret string) Auth {
	return Auth{method: "client_secret_basic", err: checkSecret(secret), bind: func(clientID, _ string) Authenticator {
		return authenticatorFunc(func(r *http.Request, _ url.Values) error {
			r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
			return nil
		})
	}}
}

// SecretPost sends client ID and secret in the form (client_secret_post).
func SecretPost(secret string) Auth {
	return Auth{method: "client_secret_post", err: checkSecret(secret), bind: func(clientID, _ string) Authenticator {
		return authenticatorFunc(func(_ *http.Request, form url.Values) error {
			form.Set("client_id", clientID)
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
