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

// The default window for iat: how old a proof may be, and how far ahead of the local clock.
// A client makes a proof for every request, so it need not live longer (RFC 9449 §11.1).
const (
	MaxAge   = 60 * time.Second
	MaxAhead = 10 * time.Second
)

// Expected is what a proof must say.
type Expected struct {
	Method      string             // of the request
	URL         string             // of the request, as [NormalizeURL] gives it
	AccessToken string             // that the request sends
	Thumbprint  string             // of the key that the token is bound to
	Algs        []string           // that are taken
	Nonce       func(string) error // checks the nonce, "" when there is none
	Now         time.Time

	MaxAge, MaxAhead time.Duration // 0 means the default
}

// Checked is what a good proof says of itself.
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
	errID     = errors.New("jti is missing, or longer than 256 bytes")
	errMethod = errors.New("htm is not the request's method")
	errURL    = errors.New("htu is not the request's URL")
	errHash   = errors.New("ath is not the access token's hash")
	errKey    = errors.New("the proof is made with another key than the token is bound to")
)

// ErrKey tells a proof by a wrong key from one that is bad in itself.
func ErrKey(err error) bool { return errors.Is(err, errKey) }

// Check applies RFC 9449 §4.3, from its second point on, to one proof: the first is
// that there is one, and is the caller's, as is the replay of jti. The signature comes
// last, being what costs most.
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

// check holds the claims against the request.
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

// checkAge says by how much the clocks differ, and in which direction.
func (e Expected) checkAge(iat jose.NumericDate) error {
	back, ahead := cmp.Or(e.MaxAge, MaxAge), cmp.Or(e.MaxAhead, MaxAhead)
	switch age := e.Now.Sub(iat.Time); {
	case iat.IsZero():
		return errors.New("iat is missing")
	case age > back:
		return fmt.Errorf("the proof is %v old, and DPoP.MaxAge is %v: the proof was kept, or the client's clock is behind", age.Truncate(time.Second), back)
	case age < -ahead:
		return fmt.Errorf("the proof's iat is %v ahead of the local clock, and DPoP.MaxAhead is %v: the client's clock is ahead, or the local one is behind", (-age).Truncate(time.Second), ahead)
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
