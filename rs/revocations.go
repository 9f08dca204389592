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

	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/redact"
)

// RevocationCheck rejects tokens that were revoked after they were issued. [Revocations],
// [StatusLists] and [PingSessions] implement it. A [Protection] calls it on every request after
// the token was verified, also if a [Cache] had the token.
type RevocationCheck interface {
	// CheckRevocation returns an error if the token is revoked. An error with a method
	// Temporary() bool that returns true means that it could not find out; the request is
	// answered with 503.
	CheckRevocation(ctx context.Context, token string, p *Principal) error
}

// The events of revocation that a [Counter] counts. The reason of Revoked is "token",
// "session", "user", "client", "issuer" or "status". The reason of Stale is "rejected" or
// "continued".
const (
	Revoked      Event = "revoked"           // a request with a revoked token
	Revocation   Event = "revocation"        // a revocation was added, by this or another process
	Stale        Event = "revocations_stale" // a request while the shared list cannot be read
	LogFailed    Event = "revocation_log_failed"
	StatusFailed Event = "status_failed" // a status list or the status of a session could not be fetched
)

const (
	defaultRevocations = 1 << 20
	defaultTokenLife   = 24 * time.Hour
	maxTokenLife       = 366 * 24 * time.Hour
	freshFor           = 2 * time.Second // how long a shared list is current without news from the store
)

type output[T any] = redact.Output[T]

// RevokedAccess is what [Revocations.Revoke] revokes. Exactly one of Token, TokenID, SessionID,
// Subject, ClientID and All must be set. Issuer must be set with all of them except Token.
type RevokedAccess struct {
	output[RevokedAccess]

	Issuer string // iss of the tokens

	Token     string // an access token, as the client sends it
	TokenID   string // jti
	SessionID string // sid: every token of a session at the server, and tokens whose sid is not a string
	Subject   string // sub: every token of a user that was issued at Before or earlier
	ClientID  string // client_id: every token of a client that was issued at Before or earlier
	All       bool   // every token of Issuer that was issued at Before or earlier

	// Before is the latest time of issue for Subject, ClientID and All. Tokens of the same second
	// and tokens without iat are rejected too.
	Before time.Time

	// Expiry is when the token of Token or TokenID expires. Zero means unknown.
	Expiry time.Time
}

// Revocations is a list of access that was revoked before its tokens expire. Add it to
// Protection.Revocation. With Shared, all processes have the same list. The zero value is ready for
// one process. It is safe for concurrent use after the fields are set, and must not be copied after
// its first use.
type Revocations struct {
	// Size is the maximum number of entries, at most 128 bytes each, and twice that for a
	// moment while the list grows. If it is full of entries that have not expired, Revoke
	// returns an error. 0 means 1,048,576.
	Size int

	// TokenLife is the longest lifetime of an access token, from iat to exp. An entry is dropped
	// after every token that it can match has expired. A token with a longer lifetime, or a JWT
	// without iat, is rejected, because it could outlive its revocation. 0 means 24 hours; at most
	// 366 days.
	TokenLife time.Duration

	// Shared is the list of all processes: a redisstore.Store or a sqlstore.Store. Run must run
	// in every process. nil means that this is the only process.
	Shared SharedLog

	// SharedKey encrypts the entries in Shared: 32 random bytes or more, the same in all
	// processes. It must be set if Shared is.
	SharedKey []byte `json:"-"`

	// StaleFor is how long requests are checked with the known entries while Shared cannot be
	// read. 0 means that every request is answered with 503 after two seconds without news from
	// Shared. Until the list was read for the first time, every request is answered with 503.
	StaleFor time.Duration

	// Counter counts revocations and failures. nil means that nothing is counted.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	once    sync.Once
	table   revocationTable
	kinds   atomic.Uint32 // which kinds of entries exist
	current atomic.Int64  // when the shared list was last complete, as a duration since started
	started time.Time
	loaded  atomic.Bool
	running atomic.Bool
}

// revocationKind says what an entry revokes.
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
		return errors.New("the *Revocations is nil")
	case v.Size < 0:
		return fmt.Errorf("Revocations.Size is %d, expected 0 or more", v.Size)
	case v.TokenLife < 0 || v.TokenLife > maxTokenLife:
		return fmt.Errorf("Revocations.TokenLife is %s, expected 0 to %s", jose.Duration(v.TokenLife), jose.Duration(maxTokenLife))
	case v.StaleFor < 0:
		return fmt.Errorf("Revocations.StaleFor is %s, expected 0 or more", jose.Duration(v.StaleFor))
	case v.Shared != nil && len(v.SharedKey) < minSharedKey:
		return fmt.Errorf("Revocations.SharedKey is too short, expected at least %d bytes", minSharedKey)
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

// Revoke revokes access: in this process at once, and with Shared in all others within a
// second. An error means that other processes may not have the entry, or that the list is full.
// Then call Revoke again. The error is Temporary if Shared failed. Otherwise it names the field
// of a or the setting that is wrong.
func (v *Revocations) Revoke(ctx context.Context, a RevokedAccess) error {
	if err := v.configured(); err != nil {
		return fmt.Errorf("rs: %w", err)
	}
	e, err := v.entry(a)
	if err != nil {
		return fmt.Errorf("rs: %w", err)
	}
	if !now(v.Now).Before(e.until()) {
		return nil // every token that it can match has expired
	}
	return errors.Join(v.add(ctx, e), v.share(ctx, e))
}

// EndAccess revokes the tokens of session sid at issuer iss. Tokens without a sid are not revoked
// by it. If sid is "", EndAccess revokes the tokens of the user sub that were issued at before or
// earlier. It implements the Effect of rs/ssf and of client/login. It returns the errors of
// [Revocations.Revoke]. The error is Temporary if Shared failed.
func (v *Revocations) EndAccess(ctx context.Context, iss, sub, sid string, before time.Time) error {
	if sid != "" {
		return v.Revoke(ctx, RevokedAccess{Issuer: iss, SessionID: sid})
	}
	return v.Revoke(ctx, RevokedAccess{Issuer: iss, Subject: sub, Before: before})
}

// EndToken revokes the token of issuer iss whose jti is id. It returns the errors of
// [Revocations.Revoke]. The error is Temporary if Shared failed.
func (v *Revocations) EndToken(ctx context.Context, iss, id string) error {
	return v.Revoke(ctx, RevokedAccess{Issuer: iss, TokenID: id})
}

// revocationEntry is an entry in the form that processes share. Name is bytes, because a hash
// is not text.
type revocationEntry struct {
	Kind   revocationKind `json:"k"`
	Issuer string         `json:"i,omitempty"`
	Name   []byte         `json:"n,omitempty"`
	Before int64          `json:"b,omitempty"` // Unix time in nanoseconds, for kinds with an instant
	Until  int64          `json:"u"`           // Unix time in nanoseconds
}

func (e *revocationEntry) until() time.Time { return time.Unix(0, e.Until) }

// entry checks the arguments of Revoke.
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

// setTimes sets the time at which the entry is dropped.
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

// tokenHash leaves out the signature of a JWT, because an ECDSA signature can be written in a
// second way.
func tokenHash(token string) string {
	if strings.Count(token, ".") == 2 {
		token = token[:strings.LastIndexByte(token, '.')]
	}
	sum := sha256.Sum256([]byte(token))
	return string(sum[:])
}

var errRevocationsFull = errors.New("rs: the list of revocations is full: set Revocations.Size to a larger value")

// add adds an entry to the table of this process.
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

// CheckRevocation implements [RevocationCheck]. A [Protection] answers 401 invalid_token if the
// token is revoked, or if it is a JWT without iat. It answers 503 if a setting is wrong, the
// token lives longer than TokenLife, or the shared list cannot be read (see StaleFor).
func (v *Revocations) CheckRevocation(ctx context.Context, token string, p *Principal) error {
	if err := v.configured(); err != nil {
		return &unavailable{err}
	}
	if v.Shared != nil {
		if err := v.checkStale(ctx); err != nil {
			return &unavailable{err}
		}
	}
	if p.unreadable&claimSID != 0 && v.kinds.Load()&(1<<revokedSession) != 0 {
		return errUnreadableSID
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

var errNoIAT = errors.New("the token has no iat, so it could outlive its revocation: configure the server to write iat")

var errUnreadableSID = errors.New("sid in the token is not a string, and sessions were revoked: configure the server to write sid as a string")

var revokedErrors = [...]error{
	errors.New("the token is revoked"), errors.New("the token is revoked (by its jti)"), errors.New("the session of the token has ended (sid)"),
	errors.New("the user's tokens up to the time of the revocation are revoked (sub)"), errors.New("the client's tokens up to the time of the revocation are revoked"),
	errors.New("all tokens of the issuer up to the time of the revocation are revoked"),
}

// checkLife rejects a token that could outlive its revocation.
func (v *Revocations) checkLife(p *Principal) error {
	if p.Expiry.IsZero() {
		return nil // an introspection response: the server is asked again after Cache.MaxAge at most
	}
	from := p.IssuedAt
	switch {
	case !from.IsZero():
	case p.origin.asked || p.origin.forwarded:
		from = now(v.Now)
	default:
		return errNoIAT // its lifetime is unknown
	}
	if life := p.Expiry.Sub(from); life > v.tokenLife() {
		return &unavailable{fmt.Errorf("the token lives for %s, expected at most %s: set Revocations.TokenLife", jose.Duration(life), jose.Duration(v.tokenLife()))}
	}
	return nil
}

// find looks for an entry that matches the token.
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
	return until != 0 && now(v.Now).UnixNano() < until && (p.IssuedAt.IsZero() || p.IssuedAt.Truncate(time.Second).UnixNano() <= before)
}

// named returns the name by which entries of a kind match, besides the issuer.
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

// Format implements fmt.Formatter. It prints neither the key nor the list.
func (r *Revocations) Format(f fmt.State, _ rune) { io.WriteString(f, "[revocations]") }
