// Package dpop makes and checks DPoP proofs, RFC 9449. A proof shows with every request that
// the sender has the key that the access token is bound to.
package dpop

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	proofTyp    = "dpop+jwt" // RFC 9449 §4.2
	nonceHeader = "DPoP-Nonce"
	maxNonce    = 512
	maxOrigins  = 100
)

// Prover makes proofs with one key. Many goroutines may use it at once.
type Prover struct {
	signer     *jose.Signer
	jwk        json.RawMessage
	thumbprint string
	nonces     *Nonces
	now        func() time.Time
}

// Nonces remembers the nonces of servers. The nonces of an authorization server and of a
// resource server are separate, even at the same origin. The zero value is ready.
type Nonces struct {
	mu    sync.Mutex
	known map[string]string // by role and origin
}

// The roles of a server.
const (
	Authorization = "as"
	Resource      = "rs"
)

// NewProver returns a Prover. Several Provers may share nonces.
func NewProver(signer *jose.Signer, nonces *Nonces, now func() time.Time) (*Prover, error) {
	jwk, thumbprint, err := signer.PublicJWK()
	if err != nil {
		return nil, err
	}
	return &Prover{signer: signer, jwk: jwk, thumbprint: thumbprint, nonces: nonces, now: now}, nil
}

// Thumbprint returns the key's thumbprint, RFC 7638: the value of dpop_jkt and of cnf.jkt.
func (p *Prover) Thumbprint() string { return p.thumbprint }

// Proof returns the proof for one request (RFC 9449 §4.2). accessToken is "" if the request has
// none.
func (p *Prover) Proof(role, method string, u *url.URL, accessToken string) (string, error) {
	id := make([]byte, 16)
	rand.Read(id)
	claims := map[string]any{
		"jti": base64.RawURLEncoding.EncodeToString(id), "htm": method, "htu": target(u), "iat": p.now().Unix(),
	}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if nonce := p.nonces.get(role, u); nonce != "" {
		claims["nonce"] = nonce
	}
	return p.signer.SignEmbedded(map[string]any{"typ": proofTyp, "jwk": p.jwk}, claims)
}

// target returns htu: the request's URI without query and fragment.
func target(u *url.URL) string {
	out := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if out.Path == "" {
		out.Path = "/"
	}
	return out.String()
}

func origin(role string, u *url.URL) string { return role + " " + u.Scheme + "://" + u.Host }

func (n *Nonces) get(role string, u *url.URL) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.known[origin(role, u)]
}

var errNonce = errors.New("the response has several DPoP-Nonce fields or a malformed one, expected one")

// Learn keeps the nonce of a response for the next request, whatever its status (RFC 9449
// §8.2). It reports whether there was one. Several nonces are an error.
func (n *Nonces) Learn(role string, u *url.URL, h http.Header) (bool, error) {
	values := h.Values(nonceHeader)
	if len(values) == 0 {
		return false, nil
	}
	if len(values) > 1 || !isNonce(values[0]) {
		return false, errNonce
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil || len(n.known) >= maxOrigins {
		n.known = map[string]string{}
	}
	n.known[origin(role, u)] = values[0]
	return true, nil
}

// isNonce reports whether s has the syntax of RFC 9449 §8.1.
func isNonce(s string) bool {
	if s == "" || len(s) > maxNonce {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 0x21 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
