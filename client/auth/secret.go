package auth

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Secret authenticates with a client secret, by the method that the server's metadata lists
// (token_endpoint_auth_methods_supported). It sends the secret in the form if the list has
// client_secret_post and not client_secret_basic. Otherwise it sends the secret in the
// Authorization header. It never tries both methods.
//
// Use Secret in client.Config, unless the client is registered for one method:
//
//   - [SecretBasic]: for client_secret_basic, and for an API that calls [Method.For], where no
//     metadata is read
//   - [SecretPost]: for client_secret_post
//   - [SecretBasicRaw]: for client_secret_basic at a server that does not decode ID and secret
//   - [SecretJWT]: for client_secret_jwt
//
// New rejects an empty secret. For a client without a secret use [Public].
func Secret(secret string) Method {
	a := SecretBasic(secret)
	a.choose = func(supported []string) Method {
		if len(supported) > 0 && !slices.Contains(supported, "client_secret_basic") && slices.Contains(supported, "client_secret_post") {
			return SecretPost(secret)
		}
		return SecretBasic(secret)
	}
	return a
}

// SecretBasicRaw is SecretBasic for servers that do not decode the encoding of RFC 6749 §2.3.1.
// ID and secret are sent in the header without that encoding.
func SecretBasicRaw(secret string) Method {
	return Method{name: "client_secret_basic", raw: true, padded: isPadded(secret), err: checkSecret(secret), bind: func(b Binding) Authenticator {
		return authenticatorFunc(func(r *http.Request, _ url.Values) error {
			if err := checkRawID(b.ClientID); err != nil {
				return err
			}
			r.SetBasicAuth(b.ClientID, secret)
			return nil
		})
	}}
}

// checkRawID rejects an ID with a colon: the server would read the part after it as the start of
// the secret (RFC 7617 §2).
func checkRawID(clientID string) error {
	if strings.Contains(clientID, ":") {
		return errors.New("is SecretBasicRaw, which cannot send a ClientID with a colon: use another method")
	}
	return nil
}

// SecretBasic sends the secret in the Authorization header (client_secret_basic). Client ID and
// secret are form-urlencoded first, as RFC 6749 §2.3.1 requires. [Secret] selects between
// SecretBasic and [SecretPost] by the server's metadata.
func SecretBasic(secret string) Method {
	a := Method{name: "client_secret_basic", padded: isPadded(secret), err: checkSecret(secret), bind: func(b Binding) Authenticator {
		return authenticatorFunc(func(r *http.Request, _ url.Values) error {
			r.SetBasicAuth(url.QueryEscape(b.ClientID), url.QueryEscape(secret))
			return nil
		})
	}}
	a.encoded = func(clientID string) bool { return url.QueryEscape(clientID+secret) != clientID+secret }
	return a
}

// SecretPost sends client ID and secret in the form (client_secret_post, RFC 6749 §2.3.1). Use it
// if the client is registered for that method: where the server's metadata lists both methods,
// [Secret] sends the header.
func SecretPost(secret string) Method {
	return Method{name: "client_secret_post", padded: isPadded(secret), err: checkSecret(secret), bind: func(b Binding) Authenticator {
		return authenticatorFunc(func(_ *http.Request, form url.Values) error {
			form.Set("client_id", b.ClientID)
			form.Set("client_secret", secret)
			return nil
		})
	}}
}

func checkSecret(secret string) error {
	if secret == "" {
		return errors.New("has an empty secret: set it, or use auth.Public for a client without a secret")
	}
	if strings.ContainsFunc(secret, unicode.IsControl) { // RFC 6749 §A.2
		return errors.New("has a secret with a line end or another control character: remove it, for example with strings.TrimSpace")
	}
	return nil
}

// isPadded reports whether a secret or a client ID begins or ends with a space. That is valid, and rarely meant.
func isPadded(s string) bool { return strings.TrimSpace(s) != s }
