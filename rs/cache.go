package rs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

// Defaults of a Cache.
const (
	defaultCacheSize = 10_000
	defaultMaxAge    = 30 * time.Second
	inactiveAge      = 10 * time.Second
	maxMaxAge        = time.Hour
)

// Cache remembers what Tokens said of tokens seen before, by a keyed hash. A JWT is
// taken from it until its exp, while the key that signed it is in the issuer's set; what
// a server answered, for MaxAge at most, during which a revocation goes unnoticed unless
// [Cache.Invalidate] is told of it (RFC 7662 §4). Many requests at once with one token
// ask the server once. Tokens must be set; without it every token is refused. A Cache
// must not be copied after its first use.
//
// What a token is bound to is checked for every request, by the [Protection]. JWTs whose
// Keys are not of package discovery are not remembered: nothing tells when a key goes.
type Cache struct {
	// Tokens verifies the tokens that are not in the cache.
	Tokens Verifier

	// Size is how many tokens are remembered, at about 1 KiB each. 0 means 10,000.
	Size int

	// MaxAge is how long an answer of a server is used. 0 means 30 seconds; at most an
	// hour. That a token is not active is remembered for 10 seconds, or MaxAge.
	MaxAge time.Duration

	// Shared is where the processes of an API share what an [Introspection] was answered,
	// itself or in an [JWTOrOpaque], until MaxAge and never past exp. Each looks there again
	// after 5 seconds, so that Invalidate reaches all of them. A store that fails is done
	// without, and the server is asked. nil means that nothing is shared.
	Shared SharedStore

	// SharedKey seals what is shared: 32 random bytes or more, the same in all processes
	// of this API, and in no other's, about whose tokens the server may say something
	// else (RFC 7662 §2.2). It must be set with Shared.
	SharedKey []byte `json:"-"`

	// Counter hears of hits and misses. nil means nobody.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	good, inactive memory
	flights        flights
	forgotten      atomic.Int64 // when InvalidateIf was called last: nothing shared before is taken
}

// Format implements fmt.Formatter: what is remembered is nobody's to print.
func (c *Cache) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "[cache of %d tokens]", c.size()) }

func (c *Cache) size() int {
	if c.Size == 0 {
		return defaultCacheSize
	}
	return c.Size
}

func (c *Cache) maxAge() time.Duration {
	if c.MaxAge == 0 {
		return defaultMaxAge
	}
	return c.MaxAge
}

func (c *Cache) configured() error {
	switch {
	case c == nil:
		return errors.New("a *Cache that is nil")
	case c.Tokens == nil:
		return errors.New("Cache.Tokens is nil")
	case isLoadBalancer(c.Tokens):
		return errors.New("Cache.Tokens is an AWSLoadBalancer: use it without a Cache")
	case c.Size < 0:
		return errors.New("Cache.Size is below 0")
	case c.MaxAge < 0 || c.MaxAge > maxMaxAge:
		return fmt.Errorf("Cache.MaxAge is %v; it goes from 0 to %v", c.MaxAge, maxMaxAge)
	case c.Shared != nil && len(c.SharedKey) < minSharedKey:
		return fmt.Errorf("Cache.SharedKey is shorter than %d bytes", minSharedKey)
	case c.Shared != nil && introspectionOf(c.Tokens, "") == nil:
		return errors.New("Cache.Shared is for the answers of an Introspection, and Cache.Tokens has none")
	}
	return nil
}

// VerifyToken implements [Verifier].
func (c *Cache) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(c.verify(ctx, token))
}

func (c *Cache) verify(ctx context.Context, token string) (*Principal, error) {
	if err := c.configured(); err != nil {
		return nil, &unavailable{err}
	}
	key, at := keyOf(token), now(c.Now)
	if p, err := c.hit(ctx, key, at); p != nil || err != nil {
		count(ctx, c.Counter, CacheHit)
		return p, err
	}
	count(ctx, c.Counter, CacheMiss)
	if !isB64Token(token) {
		return nil, errForm
	}
	if !asks(c.Tokens, token) {
		return c.miss(ctx, key, token, at)
	}
	p, err := c.flights.do(ctx, key, func(ctx context.Context) (*Principal, error) { return c.ask(ctx, key, token, at) })
	if err != nil {
		return nil, err
	}
	return p.copy(), nil // others have it too
}

// ask is miss for a token that a server is asked about, unless the answer came while
// this caller was on its way.
func (c *Cache) ask(ctx context.Context, key tokenKey, token string, at time.Time) (*Principal, error) {
	if p, err := c.hit(ctx, key, at); p != nil || err != nil {
		return p, err
	}
	if i := c.shares(token); i != nil {
		return c.missShared(ctx, key, token, at, i)
	}
	return c.miss(ctx, key, token, at)
}

var errForm = errors.New("not a token: characters outside b64token (RFC 6750 §2.1)")

// hit gives what is remembered and good still; neither of both for nothing.
func (c *Cache) hit(ctx context.Context, key tokenKey, at time.Time) (*Principal, error) {
	if e, ok := c.good.get(key, c.size()); ok {
		good, err := e.isGood(ctx, at)
		if err != nil {
			return nil, err
		}
		if good {
			return e.principal.copy(), nil
		}
		c.good.remove(key)
	}
	if e, ok := c.inactive.get(key, c.size()); ok && e.isYoung(at) {
		return nil, errInactive
	}
	return nil, nil
}

// miss verifies the token and remembers the outcome, unless something was made invalid
// meanwhile: it may have been this token.
func (c *Cache) miss(ctx context.Context, key tokenKey, token string, at time.Time) (*Principal, error) {
	good, inactive := c.good.removals.Load(), c.inactive.removals.Load()
	p, err := verify(ctx, c.Tokens, token)
	switch {
	case errors.Is(err, errInactive):
		c.inactive.put(key, entry{since: at, until: at.Add(min(inactiveAge, c.maxAge()))}, c.size(), inactive)
	case err == nil && p.origin.key == nil:
		c.good.put(key, entry{principal: p.copy(), since: at, until: c.localUntil(at, at)}, c.size(), good)
	case err == nil && p.origin.keys != nil:
		c.good.put(key, entry{principal: p.copy(), since: at, until: p.Expiry}, c.size(), good)
	}
	return p, err
}

// Invalidate forgets what is known of a token. A request that begins after Invalidate
// returned asks the server again, also while an earlier call about the token is under way.
// With Shared, other processes do the same after 5 seconds at most. An error is the
// store's: then the other processes may accept the token until MaxAge.
func (c *Cache) Invalidate(ctx context.Context, token string) error {
	key := keyOf(token)
	c.good.removals.Add(1)
	c.inactive.removals.Add(1)
	c.good.remove(key)
	c.inactive.remove(key)
	c.flights.detach(key)
	if c.Shared == nil {
		return nil
	}
	return c.invalidateShared(ctx, token)
}

// InvalidateIf forgets every token whose principal match accepts, for example all tokens of
// one user. Like [Cache.Invalidate] it also reaches the calls under way. It works in this
// process alone, which then uses no older answer from Shared: call it in every process.
func (c *Cache) InvalidateIf(match func(*Principal) bool) {
	c.forgotten.Store(now(c.Now).UnixNano())
	c.good.removals.Add(1)
	c.good.removeIf(match)
	c.flights.detachAll()
}

// asks tells whether verifying the token means to ask a server, so that to ask once for
// many is worth a detour.
func asks(v Verifier, token string) bool {
	switch v := v.(type) {
	case *JWT, *IDToken, *DynamicIssuers, Issuers:
		return false
	case *JWTOrOpaque:
		if v.isJWT(token) {
			return asks(v.JWT, token)
		}
	}
	return true
}

// flights are the calls under way, one for a token.
type flights struct {
	mu    sync.Mutex
	calls map[tokenKey]*flight
}

type flight struct {
	endpoint.Flight[*Principal]
	users int
}

func (f *flights) do(ctx context.Context, key tokenKey, verify func(context.Context) (*Principal, error)) (*Principal, error) {
	call := f.join(key)
	defer f.leave(key, call)
	return call.Do(ctx, verify)
}

func (f *flights) join(key tokenKey) *flight {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil {
		f.calls = map[tokenKey]*flight{}
	}
	call := f.calls[key]
	if call == nil {
		call = &flight{}
		f.calls[key] = call
	}
	call.users++
	return call
}

func (f *flights) leave(key tokenKey, call *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if call.users--; call.users == 0 && f.calls[key] == call {
		delete(f.calls, key)
	}
}

// detach lets nobody else join the call about a token: its answer is from before now.
func (f *flights) detach(key tokenKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, key)
}

// detachAll is detach for every call: which user it is about is not known yet.
func (f *flights) detachAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.calls)
}
