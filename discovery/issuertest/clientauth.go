package issuertest

import (
	"bytes"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// authenticate finds the client of a request and checks how it authenticates. The caller
// holds i.mu.
func (i *Issuer) authenticate(r *http.Request) (*Client, *refusal) {
	if err := r.ParseForm(); err != nil {
		return nil, refuse("invalid_request", "the body is not a form")
	}
	id, method, proof := presented(r)
	if method == "" {
		return nil, refuse("invalid_request", "the request authenticates the client in two ways")
	}
	if id == "" && proof != "" && strings.HasSuffix(method, "_jwt") {
		id = assertedClient(proof)
	}
	c := i.state.client(id)
	if c == nil {
		return nil, refuse("invalid_client", "no client with this client_id is registered")
	}
	method, err := i.proves(r, c, method, proof)
	switch {
	case err != "":
		return nil, refuse("invalid_client", err)
	case c.AuthMethod != "" && method != c.AuthMethod:
		return nil, refuse("invalid_client", "the client is registered for "+c.AuthMethod+", it used "+method)
	}
	return c, nil
}

// presented extracts the client's credentials from a request, RFC 6749 §2.3. The method is ""
// if the request uses two methods.
func presented(r *http.Request) (id, method, proof string) {
	form := r.PostForm
	id, method = form.Get("client_id"), "none"
	basicID, basicSecret, basic := r.BasicAuth()
	secret, assertion := form.Get("client_secret"), form.Get("client_assertion")
	switch {
	case basic && (secret != "" || assertion != "") || secret != "" && assertion != "":
		return id, "", ""
	case basic:
		id, _ = url.QueryUnescape(basicID)
		proof, _ = url.QueryUnescape(basicSecret)
		return id, "client_secret_basic", proof
	case secret != "":
		return id, "client_secret_post", secret
	case assertion != "":
		return id, "private_key_jwt", assertion
	}
	return id, method, ""
}

// proves verifies the credentials and returns the name of the method as in the metadata.
func (i *Issuer) proves(r *http.Request, c *Client, method, proof string) (named, reason string) {
	switch method {
	case "client_secret_basic", "client_secret_post":
		if c.Secret == "" || subtle.ConstantTimeCompare([]byte(c.Secret), []byte(proof)) != 1 {
			return method, "the client secret is wrong"
		}
		return method, ""
	case "private_key_jwt":
		return i.asserts(r, c, proof)
	}
	certificate := clientCertificate(r)
	switch {
	case c.Certificate != nil && certificate != nil && bytes.Equal(c.Certificate.Raw, certificate.Raw):
		return or(c.AuthMethod, "self_signed_tls_client_auth"), ""
	case c.Certificate != nil:
		return "none", "the TLS connection has no client certificate, or another one"
	case !c.public():
		return "none", "the request has no client authentication"
	}
	return "none", ""
}

func clientCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// assertion holds the claims of a client assertion and of a JWT grant, RFC 7523 §3.
type assertion struct {
	Issuer   string           `json:"iss"`
	Subject  string           `json:"sub"`
	Audience jose.Audience    `json:"aud"`
	Expiry   jose.NumericDate `json:"exp"`
	ID       string           `json:"jti"`
}

// assertedClient returns the client that an assertion names. It verifies nothing.
func assertedClient(raw string) string {
	var claims assertion
	if t, err := jose.Parse(raw, 0); err == nil && jose.Decode(t.Payload, &claims, jose.TokenLimits) == nil {
		return claims.Subject
	}
	return ""
}

func (i *Issuer) asserts(r *http.Request, c *Client, raw string) (method, reason string) {
	t, err := jose.Parse(raw, 0)
	if err != nil {
		return "private_key_jwt", "client_assertion: " + err.Error()
	}
	method = "private_key_jwt"
	if strings.HasPrefix(t.Header.Alg, "HS") {
		method = "client_secret_jwt"
	}
	claims, reason := i.signedBy(r, c, t)
	if reason == "" && (claims.Issuer != c.ID || claims.Subject != c.ID) {
		reason = "client_assertion: iss and sub must be the client_id"
	}
	return method, reason
}

// signedBy verifies the signature with the client's keys or secret, and checks the audience
// and the time.
func (i *Issuer) signedBy(r *http.Request, c *Client, t *jose.Token) (claims assertion, reason string) {
	if err := c.verify(r, t); err != nil {
		return claims, "the signature does not verify with the client's keys: " + err.Error()
	}
	if err := jose.Decode(t.Payload, &claims, jose.TokenLimits); err != nil {
		return claims, err.Error()
	}
	now := i.Now()
	allowed := []string{i.URL, i.URL + string(TokenEndpoint), i.URL + strings.TrimPrefix(r.URL.Path, i.path)}
	switch {
	case !slices.ContainsFunc(claims.Audience, func(a string) bool { return slices.Contains(allowed, a) }):
		return claims, "aud must be the issuer or the token endpoint"
	case claims.Expiry.IsZero() || !now.Before(claims.Expiry.Add(time.Minute)):
		return claims, "exp is missing or past"
	}
	if _, used := i.state.used.get("jti "+claims.ID, now); used && claims.ID != "" {
		return claims, "jti was used before"
	}
	i.state.used.put("jti "+claims.ID, true, claims.Expiry.Add(time.Minute))
	return claims, ""
}

// verify verifies a signature with the client's registered keys or its secret.
func (c *Client) verify(r *http.Request, t *jose.Token) error {
	set := jose.NewSecretSet([]byte(c.Secret))
	if !strings.HasPrefix(t.Header.Alg, "HS") {
		var err error
		if set, err = jose.ParseSet(c.jwks()); err != nil {
			return err
		}
	} else if c.Secret == "" {
		return jose.ErrUnknownKey
	}
	return set.VerifyToken(r.Context(), t)
}

func (c *Client) jwks() []byte {
	if c.Keys == nil {
		return []byte(`{"keys":[]}`)
	}
	return c.Keys
}

// unmarshal reads JSON of a client into v.
func unmarshal(r *http.Request, v any) *refusal {
	if err := json.NewDecoder(r.Body).Decode(v); err != nil {
		return refuse("invalid_client_metadata", "the body is not a JSON object")
	}
	return nil
}
