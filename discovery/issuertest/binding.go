package issuertest

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// proofClaims are the claims of a DPoP proof, RFC 9449 §4.2.
type proofClaims struct {
	ID       string           `json:"jti"`
	Method   string           `json:"htm"`
	URL      string           `json:"htu"`
	IssuedAt jose.NumericDate `json:"iat"`
	Hash     string           `json:"ath"`
	Nonce    string           `json:"nonce"`
}

// proof verifies the DPoP proof of a request and returns the thumbprint of its key. It
// returns "" for a request without a proof. accessToken is "" at the token endpoint. The
// caller holds i.mu.
func (i *Issuer) proof(w http.ResponseWriter, r *http.Request, accessToken string) (thumbprint string, e *refusal) {
	sent := r.Header.Values("DPoP")
	if len(sent) == 0 {
		return "", nil
	}
	if len(sent) > 1 {
		return "", refuse("invalid_dpop_proof", "there is more than one DPoP header field")
	}
	t, err := jose.Parse(sent[0], 0)
	if err == nil {
		err = t.Header.CheckTyp(jose.Kind{"dpop+jwt"})
	}
	var c proofClaims
	if err == nil {
		err = jose.Decode(t.Payload, &c, jose.TokenLimits)
	}
	if err == nil {
		thumbprint, err = jose.VerifyEmbedded(t)
	}
	if err != nil {
		return "", refuse("invalid_dpop_proof", err.Error())
	}
	return thumbprint, i.checkProof(w, r, c, accessToken)
}

func (i *Issuer) checkProof(w http.ResponseWriter, r *http.Request, c proofClaims, accessToken string) *refusal {
	now := i.Now()
	sum := sha256.Sum256([]byte(accessToken))
	_, used := i.state.used.get("dpop "+c.ID, now)
	switch age := now.Sub(c.IssuedAt.Time); {
	case c.Method != r.Method:
		return refuse("invalid_dpop_proof", "htm is not the request's method")
	case c.URL != i.URL+strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, i.path), moved):
		return refuse("invalid_dpop_proof", "htu is not the request's URL")
	case age > 5*time.Minute || age < -time.Minute:
		return refuse("invalid_dpop_proof", "iat is too old or in the future")
	case accessToken != "" && c.Hash != encode(sum[:]):
		return refuse("invalid_dpop_proof", "ath is not the access token's hash")
	case c.ID == "" || used:
		return refuse("invalid_dpop_proof", "jti is missing or was used before")
	}
	i.state.used.put("dpop "+c.ID, true, now.Add(10*time.Minute))
	if i.faults.has(DPoPNonceRequired) && (i.state.dpopNonce == "" || c.Nonce != i.state.dpopNonce) {
		if i.state.dpopNonce == "" {
			i.state.dpopNonce = rand.Text()
		}
		w.Header().Set("DPoP-Nonce", i.state.dpopNonce)
		return refuse("use_dpop_nonce", "the proof needs the nonce of the header field DPoP-Nonce")
	}
	return nil
}

// confirmation returns the cnf for the tokens of a request. It is nil for bearer tokens.
func (i *Issuer) confirmation(w http.ResponseWriter, r *http.Request, c *Client) (map[string]any, *refusal) {
	thumbprint, e := i.proof(w, r, "")
	switch certificate := clientCertificate(r); {
	case e != nil:
		return nil, e
	case thumbprint != "":
		return map[string]any{"jkt": thumbprint}, nil
	case c.RequireDPoP:
		return nil, refuse("invalid_dpop_proof", "this client must send a DPoP proof")
	case certificate != nil:
		sum := sha256.Sum256(certificate.Raw)
		return map[string]any{"x5t#S256": encode(sum[:])}, nil // RFC 8705 §3.1
	}
	return nil, nil
}

// holds reports whether the sender of a request with an access token has the key in cnf.
func (i *Issuer) holds(w http.ResponseWriter, r *http.Request, raw string, cnf map[string]any) *refusal {
	if jkt, ok := cnf["jkt"]; ok {
		thumbprint, e := i.proof(w, r, raw)
		if e == nil && thumbprint != jkt {
			e = refuse("invalid_token", "the token is bound to another key")
		}
		return e
	}
	if x5t, ok := cnf["x5t#S256"]; ok {
		certificate := clientCertificate(r)
		if certificate == nil {
			return refuse("invalid_token", "the token is bound to a certificate, and the connection has none")
		}
		if sum := sha256.Sum256(certificate.Raw); encode(sum[:]) != x5t {
			return refuse("invalid_token", "the token is bound to another certificate")
		}
	}
	return nil
}
