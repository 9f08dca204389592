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

// LogoutToken is a logout token that passed every check: it ends the session
// SessionID, or every session of Subject at Issuer when it names none.
type LogoutToken struct {
	Issuer    string
	Subject   string // sub, "" when absent; then there is a SessionID
	SessionID string // sid, "" when absent; then there is a Subject
	ID        string // jti
	IssuedAt  time.Time
	Expiry    time.Time // zero: the token has none, see Verifier.InsecureDraftLogout
}

// Replay remembers what may be used once.
type Replay interface {
	// Once is true for the first call with this key until the time given, and false
	// for the others. An error means that it cannot be told.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// logoutWithin is how long ago a logout token may have been issued.
const logoutWithin = 10 * time.Minute

// replayMargin is how much longer its jti is remembered than this machine accepts the token:
// another replica's clock may be behind.
const replayMargin = 5 * time.Minute

// VerifyLogout validates a logout token, OpenID Connect Back-Channel Logout 1.0
// §2.6, by the steps for ID tokens as far as they apply. A token is taken once: what
// cannot end the sessions after this call must end them by itself, for the server's next
// try with the same token gets [ErrReplayed]. Any other error is an [*Error], or says that
// the replay store could not be asked; then it has a method Temporary() bool, true.
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

// runLogout leaves out the steps that hold a token against a request: nobody
// asked for a logout token.
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
		c.report.fail(stepExpiry, errors.New("exp is missing (see InsecureDraftLogout)"))
	default:
		c.expiry()
	}
}

// logoutClaims applies what Back-Channel Logout §2.4 and §2.6 have beyond the steps.
func (c *check) logoutClaims() {
	c.report.inapplicable(stepNonce, "a logout token has no nonce")
	switch {
	case c.hasNonce():
		c.report.fail(stepNonce, errors.New("a logout token with a nonce"))
	case c.claims.Events.Logout.Kind() != '{':
		c.report.fail(stepRead, errors.New("events is missing, or has no logout event"))
	case c.claims.Subject == "" && c.claims.SessionID.value == "":
		c.report.fail(stepRead, errors.New("sub and sid are missing; one of them must name what to end"))
	case c.claims.ID == "":
		c.report.fail(stepRead, errors.New("jti is missing"))
	case c.now.Sub(c.claims.IssuedAt.Time) > logoutWithin+c.v.skew():
		c.report.fail(stepIssued, c.tooOld(logoutWithin, ""))
	}
}

// once refuses a token that was seen before, and every token while it cannot be told.
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

// replayKey is of one length, whatever the server writes into jti.
func (c *check) replayKey() string {
	sum := sha256.Sum256([]byte(c.claims.Issuer + "\x00" + c.v.ClientID + "\x00" + c.claims.ID))
	return "logout:" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// ErrReplayed says that a logout token was used before.
var ErrReplayed = errors.New("this token was used before")

// storeError says that nothing is known about a token.
type storeError struct{ err error }

func (e *storeError) Error() string { return "the replay store cannot be asked: " + e.err.Error() }
func (e *storeError) Unwrap() error { return e.err }

// Temporary tells that the same call may succeed later.
func (e *storeError) Temporary() bool { return true }

const maxSeen = 100_000

// memoryReplay is what one process has seen. The zero value is ready.
type memoryReplay struct {
	mu    sync.Mutex
	until map[string]time.Time
}

// inMemory is the Replay over a memoryReplay, by the clock of the check.
type inMemory struct {
	*memoryReplay
	now time.Time
}

var errSeenFull = errors.New("too many tokens in too short a time")

// Once implements Replay. When the memory is full of what must be remembered,
// nothing is forgotten and nothing more is taken.
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

// hasNonce tells whether a nonce is there at all, null too.
func (c *check) hasNonce() bool {
	var claims struct {
		Nonce jsontext.Value `json:"nonce"`
	}
	return jose.Decode(c.jws.Payload, &claims, jose.TokenLimits) != nil || claims.Nonce != nil
}
