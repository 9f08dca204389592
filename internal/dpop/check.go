package dpop

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// The default limits for iat: the maximum age of a proof, and how far it may be ahead of the
// local clock. A client makes a proof for every request, so short limits are sufficient (RFC
// 9449 §11.1).
const (
	MaxAge   = 60 * time.Second
	MaxAhead = 10 * time.Second
)

// Expected is what a proof must contain.
type Expected struct {
	Method      string             // of the request
	URL         string             // of the request, in the form of [NormalizeURL]
	AccessToken string             // of the request
	Thumbprint  string             // of the key that the token is bound to
	Algs        []string           // the accepted algorithms
	Nonce       func(string) error // checks the nonce; "" if the proof has none
	Now         time.Time

	MaxAge, MaxAhead time.Duration // 0 means the default
}

// Checked is the content of a valid proof.
type Checked struct {
	ID       string // jti
	Nonce    string
	IssuedAt time.Time
}

// checkKind is the typ of a proof, RFC 9449 §4.2.
var checkKind = jose.Kind{"dpop+jwt"}

type proofClaims struct {
	ID       string           `json:"jti"`
	Method   string           `json:"htm"`
	URL      string           `json:"htu"`
	IssuedAt jose.NumericDate `json:"iat"`
	Hash     string           `json:"ath"`
	Nonce    string           `json:"nonce"`
}

const maxProof = 8 << 10

var (
	errID     = errors.New("jti of the proof is missing or longer than 256 bytes")
	errMethod = errors.New("htm of the proof does not match the method of the request")
	errURL    = errors.New("htu of the proof does not match the URL of the request: behind a proxy set DPoP.BaseURL")
	errHash   = errors.New("ath of the proof does not match the hash of the access token")
	errKey    = errors.New("the key of the proof does not match the key that the token is bound to")
)

// ErrKey reports whether err means that the proof is valid but made with another key.
func ErrKey(err error) bool { return errors.Is(err, errKey) }

// Check applies RFC 9449 §4.3 from its second point to one proof. The caller checks that there
// is only one proof, and that jti was not used before. The signature is checked last, because
// it costs most.
func Check(raw string, want Expected) (*Checked, error) {
	t, err := jose.Parse(raw, maxProof)
	if err != nil {
		return nil, err
	}
	if err := t.Header.CheckTyp(checkKind); err != nil {
		return nil, err
	}
	if err := t.Header.CheckAlg(want.Algs); err != nil {
		return nil, err
	}
	var c proofClaims
	if err := jose.Decode(t.Payload, &c, jose.TokenLimits); err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	if err := c.check(want); err != nil {
		return nil, err
	}
	thumbprint, err := jose.VerifyEmbedded(t)
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(thumbprint), []byte(want.Thumbprint)) != 1 {
		return nil, errKey
	}
	return &Checked{ID: c.ID, Nonce: c.Nonce, IssuedAt: c.IssuedAt.Time}, nil
}

// check compares the claims with the request.
func (c *proofClaims) check(want Expected) error {
	switch {
	case c.ID == "" || len(c.ID) > 256:
		return errID
	case c.Method != want.Method:
		return errMethod
	case c.URL != want.URL && !sameURL(c.URL, want.URL):
		return errURL
	case !sameHash(c.Hash, want.AccessToken):
		return errHash
	}
	if err := want.checkAge(c.IssuedAt); err != nil {
		return err
	}
	return want.Nonce(c.Nonce)
}

// checkAge reports by how much the clocks differ, and in which direction.
func (e Expected) checkAge(iat jose.NumericDate) error {
	back, ahead := cmp.Or(e.MaxAge, MaxAge), cmp.Or(e.MaxAhead, MaxAhead)
	switch age := e.Now.Sub(iat.Time); {
	case iat.IsZero():
		return errors.New("iat of the proof is missing")
	case age > back:
		return fmt.Errorf("the proof is %s old, expected at most %s (DPoP.MaxAge): the client reused it, or its clock is behind", jose.Duration(age.Truncate(time.Second)), jose.Duration(back))
	case age < -ahead:
		return fmt.Errorf("iat of the proof is %s ahead of the local clock, expected at most %s (DPoP.MaxAhead). The client's clock is ahead, or the local clock is behind", jose.Duration((-age).Truncate(time.Second)), jose.Duration(ahead))
	}
	return nil
}

// sameHash compares ath, RFC 9449 §4.2.
func sameHash(ath, token string) bool {
	sum := sha256.Sum256([]byte(token))
	var want [43]byte
	base64.RawURLEncoding.Encode(want[:], sum[:])
	return subtle.ConstantTimeCompare([]byte(ath), want[:]) == 1
}

func sameURL(htu, want string) bool {
	normal, err := NormalizeURL(htu)
	return err == nil && normal == want
}
