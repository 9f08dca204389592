package idtoken

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// LogoutToken is a logout token that passed every check. It ends the session SessionID. If
// SessionID is empty, it ends every session of Subject at Issuer.
type LogoutToken struct {
	Issuer    string    // iss
	Subject   string    // sub; "" if absent, then SessionID is set
	SessionID string    // sid; "" if absent, then Subject is set
	ID        string    // jti
	IssuedAt  time.Time // iat
	Expiry    time.Time // zero if the token has none, see Verifier.InsecureDraftLogout
}

// Replay records which values were used, so that each is accepted only once.
type Replay interface {
	// Once returns true for the first call with this key until the given time, and false for
	// later calls. It returns an error if it cannot determine the answer.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// logoutWithin is the maximum age of a logout token.
const logoutWithin = 10 * time.Minute

// replayMargin is added to the time for which a jti is stored, because the clock of another
// replica may be behind.
const replayMargin = 5 * time.Minute

// VerifyLogout validates a logout token, OpenID Connect Back-Channel Logout 1.0 §2.6. It runs the
// steps for ID tokens that apply.
//
// Each token is accepted once. If the application fails to end the sessions after this call, it
// must retry by itself. When the server sends the same token again, VerifyLogout returns
// [ErrReplayed]. If the replay store failed, the error has a method Temporary() bool that returns
// true. Every other error is an [*Error].
func (v *Verifier) VerifyLogout(ctx context.Context, raw string) (*LogoutToken, error) {
	kind := jose.LogoutToken
	if v.InsecureDraftLogout {
		kind = jose.DraftLogout
	}
	c := v.newCheck(ctx, raw, kind, Expected{})
	c.report.token = "logout token"
	c.runLogout()
	if err := c.report.Err(); err != nil {
		return nil, err
	}
	if err := c.once(); err != nil {
		return nil, fmt.Errorf("logout token: %w", err)
	}
	return &LogoutToken{
		Issuer: c.claims.Issuer, Subject: c.claims.Subject, SessionID: c.claims.SessionID.value, ID: c.claims.ID,
		IssuedAt: c.claims.IssuedAt.Time, Expiry: c.claims.Expiry.Time,
	}, nil
}

// runLogout omits the steps that compare a token with a request: a logout token does not
// answer a request.
func (c *check) runLogout() {
	for _, n := range []int{stepParties, stepParty, stepACR, stepAuthTime, stepHashes} {
		c.report.inapplicable(n, "a logout token answers no request")
	}
	if err := c.v.configured(); err != nil {
		c.report.fail(stepRead, err)
		return
	}
	if !c.read() {
		return
	}
	c.issuer()
	c.audience()
	c.alg()
	c.logoutExpiry()
	c.issued()
	c.logoutClaims()
	c.signature()
}

func (c *check) logoutExpiry() {
	switch missing := c.claims.Expiry.IsZero(); {
	case missing && c.v.InsecureDraftLogout:
		c.report.skip(stepExpiry, "the token has no exp, and InsecureDraftLogout is set")
	case missing:
		c.report.fail(stepExpiry, errors.New("exp is missing: for servers that implement a draft set InsecureDraftLogout"))
	default:
		c.expiry()
	}
}

// logoutClaims applies the additional rules of Back-Channel Logout §2.4 and §2.6.
func (c *check) logoutClaims() {
	c.report.inapplicable(stepNonce, "a logout token has no nonce")
	switch {
	case c.hasNonce():
		c.report.fail(stepNonce, errors.New("the logout token has a nonce, expected none (Back-Channel Logout §2.4)"))
	case c.claims.Events.Logout.Kind() != '{':
		c.report.fail(stepRead, errors.New("events is missing or does not contain the logout event"))
	case c.claims.Subject == "" && c.claims.SessionID.value == "":
		c.report.fail(stepRead, errors.New("sub and sid are missing, expected at least one of them"))
	case c.claims.ID == "":
		c.report.fail(stepRead, errors.New("jti is missing"))
	case c.now.Sub(c.claims.IssuedAt.Time) > logoutWithin+c.v.skew():
		c.report.fail(stepIssued, c.tooOld(logoutWithin, ""))
	}
}

// once rejects a token that was used before. It also rejects every token if the replay store
// fails.
func (c *check) once() error {
	var store Replay = inMemory{&c.v.seen, c.now}
	if c.v.Replay != nil {
		store = c.v.Replay
	}
	until := c.claims.IssuedAt.Add(logoutWithin + 2*c.v.skew() + replayMargin)
	first, err := store.Once(c.ctx, c.replayKey(), until)
	switch {
	case err != nil:
		return &storeError{err}
	case !first:
		return ErrReplayed
	}
	return nil
}

// replayKey has a fixed length, whatever the length of jti.
func (c *check) replayKey() string {
	sum := sha256.Sum256([]byte(c.claims.Issuer + "\x00" + c.v.ClientID + "\x00" + c.claims.ID))
	return "logout:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// ErrReplayed reports that a logout token was used before.
var ErrReplayed = errors.New("the logout token was used before")

// storeError reports that the replay store failed, so that it is unknown whether the token
// was used.
type storeError struct{ err error }

func (e *storeError) Error() string { return "the replay store failed: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// Temporary reports whether the same call may succeed later.
func (e *storeError) Temporary() bool { return true }

const maxSeen = 100_000

// memoryReplay records the tokens that one process has seen. The zero value is ready to use.
type memoryReplay struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// inMemory implements Replay with a memoryReplay and the clock of the check.
type inMemory struct {
	*memoryReplay
	now time.Time
}

var errSeenFull = errors.New("the memory for used logout tokens is full: set Verifier.Replay to a shared store")

// Once implements Replay. If the memory is full of entries that must be kept, it forgets none
// and rejects new tokens.
func (m inMemory) Once(_ context.Context, key string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.until[key].After(m.now) {
		return false, nil
	}
	if len(m.until) >= maxSeen {
		m.forget()
	}
	if len(m.until) >= maxSeen {
		return false, errSeenFull
	}
	if m.memoryReplay.until == nil {
		m.memoryReplay.until = map[string]time.Time{}
	}
	m.until[key] = until
	return true, nil
}

func (m inMemory) forget() {
	for key, until := range m.until {
		if !until.After(m.now) {
			delete(m.until, key)
		}
	}
}

// hasNonce reports whether the token has a nonce member, including null.
func (c *check) hasNonce() bool {
	var claims struct {
		Nonce jsontext.Value `json:"nonce"`
	}
	return jose.Decode(c.jws.Payload, &claims, jose.TokenLimits) != nil || claims.Nonce != nil
}
