package rs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/redact"
)

// RevocationCheck rejects tokens that were good when they were issued. [Revocations], [StatusLists] and
// [PingSessions] are RevocationChecks. A [Protection] asks on every request, after the token was verified and
// also when a [Cache] had it.
type RevocationCheck interface {
	// CheckRevocation reports an error if the token is revoked. An error with a method Temporary() bool that
	// is true means that it is not known now; the request is answered 503.
	CheckRevocation(ctx context.Context, token string, p *Principal) error
}

// What a [Counter] counts of revocation. The reason of Revoked is "token", "session", "user", "client",
// "issuer" or "status"; that of Stale is "rejected" or "continued".
const (
	Revoked      Event = "revoked"           // a request whose token is revoked
	Revocation   Event = "revocation"        // a revocation that was added, here or by another process
	Stale        Event = "revocations_stale" // a request while the shared list cannot be read
	LogFailed    Event = "revocation_log_failed"
	StatusFailed Event = "status_failed" // a status list or a session's status could not be fetched
)

// Defaults of Revocations.
const (
	defaultRevocations = 1 << 20
	defaultTokenLife   = 24 * time.Hour
	maxTokenLife       = 366 * 24 * time.Hour
	freshFor           = 2 * time.Second // how long a shared list is current without a word from the store
)

type output[T any] = redact.Output[T]

// RevokedAccess is what [Revocations.Revoke] rejects from now on. Exactly one of Token, TokenID, SessionID,
// Subject, ClientID and All must be set, and Issuer with all but Token.
type RevokedAccess struct {
	output[RevokedAccess]

	Issuer string

	Token     string // an access token, as it was sent
	TokenID   string // jti
	SessionID string // sid: every token of a session at the server
	Subject   string // sub: every token of a user that was issued at Before or earlier
	ClientID  string // every token of a client that was issued at Before or earlier
	All       bool   // every token of Issuer that was issued at Before or earlier

	// Before is the instant for Subject, ClientID and All. Tokens that were issued in the same second are
	// rejected too, and tokens that do not say when they were issued.
	Before time.Time

	// Expiry is when the token of Token or TokenID expires. Zero means that it is not known.
	Expiry time.Time
}

// Revocations is a list of access that has ended before its tokens expire. Add it to Protection.Revocation.
// With Shared all processes have the same list. The zero value is ready for one process. It must not be copied
// after its first use.
type Revocations struct {
	// Size is how many entries the list holds, at some 70 bytes each, and as much again for a moment while it
	// grows. When it is full of entries that still matter, Revoke fails. 0 means 1,048,576.
	Size int

	// TokenLife is the longest life of an access token, from iat to exp. An entry expires when every token that
	// it can concern has expired. A token that lives longer is rejected, because it could outlive its
	// revocation. 0 means 24 hours; at most 366 days.
	TokenLife time.Duration

	// Shared is the list of all processes; redisstore.Store is one. Run must be running with it. nil means that
	// this process is the only one.
	Shared SharedLog

	// SharedKey seals the entries in Shared: 32 random bytes or more, the same in all processes. It must be set
	// with Shared.
	SharedKey []byte `json:"-"`

	// StaleFor is how long requests are judged by what is known while Shared cannot be read. 0 means that every
	// request is rejected with 503 when nothing was heard for two seconds. Before the list was read for the
	// first time every request is rejected.
	StaleFor time.Duration

	// Counter counts revocations and failures. nil means that nothing is counted.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	once    sync.Once
	table   revocationTable
	kinds   atomic.Uint32 // which kinds of entries there are
	current atomic.Int64  // when the shared list was known to be complete, since started
	started time.Time
	loaded  atomic.Bool
	running atomic.Bool
}

// revocationKind is what an entry rejects.
type revocationKind byte

const (
	revokedToken revocationKind = iota
	revokedTokenID
	revokedSession
	revokedUser
	revokedClient
	revokedIssuer
)

var revocationLabels = [...]string{"token", "token", "session", "user", "client", "issuer"}

func (v *Revocations) configured() error {
	switch {
	case v == nil:
		return errors.New("a *Revocations that is nil")
	case v.Size < 0:
		return fmt.Errorf("Revocations.Size is %d, expected 0 or more", v.Size)
	case v.TokenLife < 0 || v.TokenLife > maxTokenLife:
		return fmt.Errorf("Revocations.TokenLife is %v, expected 0 to %v", v.TokenLife, maxTokenLife)
	case v.StaleFor < 0:
		return fmt.Errorf("Revocations.StaleFor is %v, expected 0 or more", v.StaleFor)
	case v.Shared != nil && len(v.SharedKey) < minSharedKey:
		return fmt.Errorf("Revocations.SharedKey is shorter than %d bytes", minSharedKey)
	}
	return nil
}

func (v *Revocations) size() int {
	if v.Size == 0 {
		return defaultRevocations
	}
	return v.Size
}

func (v *Revocations) tokenLife() time.Duration {
	if v.TokenLife == 0 {
		return defaultTokenLife
	}
	return v.TokenLife
}

func (v *Revocations) init() { v.once.Do(func() { v.started = now(v.Now) }) }

// Revoke rejects access from now on: in this process at once, and with Shared in all others, within a second.
// An error means that other processes may not know it, or that the list is full; call Revoke again then.
func (v *Revocations) Revoke(ctx context.Context, a RevokedAccess) error {
	if err := v.configured(); err != nil {
		return fmt.Errorf("rs: %w", err)
	}
	e, err := v.entry(a)
	if err != nil {
		return fmt.Errorf("rs: %w", err)
	}
	if !now(v.Now).Before(e.until()) {
		return nil // every token that it can concern has expired
	}
	return errors.Join(v.add(ctx, e), v.share(ctx, e))
}

// EndAccess ends a session at issuer iss. If sid is "" it ends what the user sub was issued at or before the
// time given. It makes Revocations an effect of rs/ssf and of client/login.
func (v *Revocations) EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error {
	if sid != "" {
		return v.Revoke(ctx, RevokedAccess{Issuer: iss, SessionID: sid})
	}
	return v.Revoke(ctx, RevokedAccess{Issuer: iss, Subject: sub, Before: before})
}

// EndToken ends the token of issuer iss whose jti is id.
func (v *Revocations) EndToken(ctx context.Context, iss, id string) error {
	return v.Revoke(ctx, RevokedAccess{Issuer: iss, TokenID: id})
}

// revocationEntry is an entry as processes share it. Name is in bytes: a hash is no text.
type revocationEntry struct {
	Kind   revocationKind `json:"k"`
	Issuer string         `json:"i,omitempty"`
	Name   []byte         `json:"n,omitempty"`
	Before int64          `json:"b,omitempty"` // Unix time in nanoseconds, for kinds with an instant
	Until  int64          `json:"u"`           // Unix time in nanoseconds
}

func (e *revocationEntry) until() time.Time { return time.Unix(0, e.Until) }

// entry checks what Revoke was given.
func (v *Revocations) entry(a RevokedAccess) (*revocationEntry, error) {
	e := &revocationEntry{Issuer: a.Issuer}
	set := 0
	for kind, name := range []string{a.Token, a.TokenID, a.SessionID, a.Subject, a.ClientID} {
		if name != "" {
			e.Kind, e.Name = revocationKind(kind), []byte(name)
			set++
		}
	}
	if a.All {
		e.Kind = revokedIssuer
		set++
	}
	switch {
	case set != 1:
		return nil, fmt.Errorf("RevokedAccess sets %d of Token, TokenID, SessionID, Subject, ClientID and All, expected exactly one", set)
	case e.Kind == revokedToken:
		e.Issuer, e.Name = "", []byte(tokenHash(a.Token))
	case a.Issuer == "":
		return nil, errors.New("RevokedAccess.Issuer is empty")
	}
	return e, v.setTimes(e, a)
}

// setTimes says until when the entry matters.
func (v *Revocations) setTimes(e *revocationEntry, a RevokedAccess) error {
	at, last := now(v.Now), v.tokenLife()+maxSkew
	switch e.Kind {
	case revokedUser, revokedClient, revokedIssuer:
		if a.Before.IsZero() || a.Before.After(at.Add(maxSkew)) {
			return errors.New("RevokedAccess.Before is missing or in the future")
		}
		e.Before, e.Until = a.Before.UnixNano(), a.Before.Add(last).UnixNano()
	case revokedToken, revokedTokenID:
		e.Until = at.Add(last).UnixNano()
		if !a.Expiry.IsZero() {
			e.Until = a.Expiry.Add(maxSkew).UnixNano()
		}
	default:
		e.Until = at.Add(last).UnixNano()
	}
	return nil
}

// tokenHash leaves out the signature of a JWT: with ECDSA anybody can write it in a second way.
func tokenHash(token string) string {
	if strings.Count(token, ".") == 2 {
		token = token[:strings.LastIndexByte(token, '.')]
	}
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

var errRevocationsFull = errors.New("rs: the list of revocations is full (see Revocations.Size)")

// add puts an entry into the table of this process.
func (v *Revocations) add(ctx context.Context, e *revocationEntry) error {
	before := e.Before
	if before == 0 {
		before = always
	}
	news, ok := v.table.put(v.table.key(e.Kind, v.table.hash(e.Issuer), string(e.Name)), before, e.Until, v.size(), now(v.Now).UnixNano())
	if !ok {
		return errRevocationsFull
	}
	v.kinds.Or(1 << e.Kind)
	if news && v.Counter != nil {
		v.Counter.Count(ctx, Revocation, revocationLabels[e.Kind])
	}
	return nil
}

// CheckRevocation implements [RevocationCheck].
func (v *Revocations) CheckRevocation(ctx context.Context, token string, p *Principal) error {
	if err := v.configured(); err != nil {
		return &unavailable{err}
	}
	if v.Shared != nil {
		if err := v.checkStale(ctx); err != nil {
			return &unavailable{err}
		}
	}
	kind, ok := v.find(token, p)
	if ok {
		if v.Counter != nil {
			v.Counter.Count(ctx, Revoked, revocationLabels[kind])
		}
		return revokedErrors[kind]
	}
	return v.checkLife(p)
}

var revokedErrors = [...]error{
	errors.New("the token is revoked"), errors.New("the token is revoked (jti)"), errors.New("the session of the token has ended (sid)"),
	errors.New("the user's access that was issued before has ended (sub)"), errors.New("the client's access that was issued before has ended"),
	errors.New("everything that the issuer has issued before is revoked"),
}

// checkLife rejects a token that could outlive its revocation.
func (v *Revocations) checkLife(p *Principal) error {
	if p.Expiry.IsZero() {
		return nil // the server says on each request, or each Cache.MaxAge, that it is active
	}
	from := p.IssuedAt
	if from.IsZero() {
		from = now(v.Now)
	}
	if life := p.Expiry.Sub(from); life > v.tokenLife() {
		return &unavailable{fmt.Errorf("the token lives for %v, expected at most %v: set Revocations.TokenLife", life, v.tokenLife())}
	}
	return nil
}

// find looks for an entry that concerns the token.
func (v *Revocations) find(token string, p *Principal) (revocationKind, bool) {
	kinds := v.kinds.Load()
	if kinds == 0 {
		return 0, false
	}
	issuer := v.table.hash(p.Issuer)
	for kind := revokedToken; kind <= revokedIssuer; kind++ {
		if kinds&(1<<kind) != 0 && v.rejects(kind, issuer, token, p) {
			return kind, true
		}
	}
	return 0, false
}

func (v *Revocations) rejects(kind revocationKind, issuer uint64, token string, p *Principal) bool {
	name := p.named(kind, token)
	switch {
	case kind == revokedToken:
		issuer = v.table.hash("")
	case kind != revokedIssuer && name == "":
		return false
	}
	before, until := v.table.get(v.table.key(kind, issuer, name))
	return until != 0 && now(v.Now).UnixNano() < until && (p.IssuedAt.IsZero() || p.IssuedAt.UnixNano() <= before)
}

// named gives what entries of a kind go by, beside the issuer.
func (p *Principal) named(kind revocationKind, token string) string {
	switch kind {
	case revokedToken:
		return tokenHash(token)
	case revokedTokenID:
		return p.ID
	case revokedSession:
		return p.SessionID
	case revokedUser:
		return p.Subject
	case revokedClient:
		return p.ClientID
	}
	return ""
}

// Format implements fmt.Formatter: the key and the list are not printed.
func (r *Revocations) Format(f fmt.State, _ rune) { io.WriteString(f, "[revocations]") }
