package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

const (
	// challengeLifetime is how long a challenge is accepted. The browser answers at once.
	challengeLifetime = 2 * time.Minute

	maxDeviceProof = 12 << 10 // bytes; the offer's authorization is in it
)

// deviceProofKind is the typ of a DBSC proof.
var deviceProofKind = jose.Kind{"dbsc+jwt"}

// deviceProofAlgs are the algorithms of the specification.
var deviceProofAlgs = []string{"ES256", "RS256"}

// deviceProof is a DBSC proof whose signature is not verified yet. Chromium 156 sends the claims
// jti and authorization, and the key as jwk in the header of a registration. Drafts define
// further claims, but no check needs them.
type deviceProof struct {
	token         *jose.Token
	Challenge     string `json:"jti"`
	Authorization string `json:"authorization"`
}

// proofError is why a proof is rejected. The reason is for the Counter.
type proofError struct {
	reason string
	err    error
}

func (e *proofError) Error() string { return e.err.Error() }
func (e *proofError) Unwrap() error { return e.err }

func rejected(reason string, format string, args ...any) error {
	return &proofError{reason, fmt.Errorf(format, args...)}
}

// readProof reads the proof of a request.
func readProof(h http.Header) (*deviceProof, error) {
	raw, err := onlyString(h, headerResponse)
	if err != nil {
		return nil, &proofError{ReasonProof, err}
	}
	t, err := jose.Parse(raw, maxDeviceProof)
	if err == nil {
		err = errors.Join(t.Header.CheckTyp(deviceProofKind), t.Header.CheckAlg(deviceProofAlgs))
	}
	if err != nil {
		return nil, &proofError{ReasonProof, err}
	}
	p := &deviceProof{token: t}
	if err := jose.Decode(t.Payload, p, jose.TokenLimits); err != nil {
		return nil, rejected(ReasonProof, "claims: %w", err)
	}
	return p, nil
}

// onlyString reads a header field that is one string. The specification requires quotes (RFC
// 9651 §3.3.3), but Chromium 156 omits them.
func onlyString(h http.Header, name string) (string, error) {
	values := h[name]
	if len(values) != 1 {
		return "", fmt.Errorf("%s was received %d times, expected once", name, len(values))
	}
	s := values[0]
	if unquoted, ok := strings.CutPrefix(s, `"`); ok {
		if s, _, ok = strings.Cut(unquoted, `"`); !ok {
			return "", fmt.Errorf("%s has no closing quote", name)
		}
	}
	return s, nil
}

// What a challenge is for.
const (
	forRegistration = "registration"
	forRefresh      = "refresh"
)

// challenge is sealed, so it needs no memory until it is used.
type challenge struct {
	Session string    `json:"session"` // hash of its id
	At      time.Time `json:"at"`
}

func (l *Login) newChallenge(purpose, hash string) (string, error) {
	return l.sealJSON(forChallenge, purpose, challenge{hash, l.config.Now()})
}

// openChallenge reads a challenge that is not too old.
func (l *Login) openChallenge(purpose, sealed string) (challenge, error) {
	var c challenge
	if !l.openJSON(forChallenge, purpose, sealed, &c) || len(c.Session) != len(hashed("")) {
		return c, rejected(ReasonChallenge, "the challenge was not issued here for a %s", purpose)
	}
	switch age := l.config.Now().Sub(c.At); {
	case age > challengeLifetime:
		return c, rejected(ReasonLate, "the challenge is %s old, expected at most %s", jose.Duration(age.Truncate(time.Second)), jose.Duration(challengeLifetime))
	case age < -time.Minute:
		return c, rejected(ReasonLate, "the challenge is %s ahead of the local clock: synchronize the clocks of all processes", jose.Duration(-age.Truncate(time.Second)))
	}
	return c, nil
}

// useChallenge rejects a challenge that was used before. It runs after the signature was
// verified, so only the holder of a key can use memory.
func (l *Login) useChallenge(ctx context.Context, sealed string, c challenge) error {
	first, err := l.shared.Once(ctx, "challenge:"+hashed(sealed), c.At.Add(2*challengeLifetime))
	switch {
	case err != nil:
		return storeDown(err)
	case !first:
		return rejected(ReasonUsed, "the challenge was used before")
	}
	return nil
}
