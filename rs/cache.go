package rs

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
	"github.com/countersign/countersign/internal/jose"
)

// Defaults of a Cache.
const (
	defaultCacheSize = 10_000
	defaultMaxAge    = 30 * time.Second
	inactiveAge      = 10 * time.Second
	maxMaxAge        = time.Hour
)

// Cache remembers verified tokens by a keyed hash. Tokens must be set; otherwise every token is
// answered with 503. A Cache is safe for concurrent use after the fields are set, and must not be
// copied after its first use.
//
// A JWT is remembered until its exp, while the key that signed it is in the issuer's key set. A
// server's response is remembered for MaxAge at most. During this time a revocation has no
// effect, unless [Cache.Invalidate] is called (RFC 7662 §4). Concurrent requests with one token
// cause one call to the server.
//
// The [Protection] checks the token's binding on every request. A JWT is not remembered if its
// Keys are not of package discovery, because nothing reports that a key was removed.
type Cache struct {
	// Tokens verifies the tokens that are not in the cache.
	Tokens Verifier

	// Size is the maximum number of remembered tokens, at about 1 KiB each, separately for active
	// and inactive tokens. 0 means 10,000.
	Size int

	// MaxAge is how long a server's response is used. 0 means 30 seconds; at most 1 hour. The
	// response that a token is inactive is used for 10 seconds, or MaxAge if it is shorter.
	MaxAge time.Duration

	// Shared is a store in which the processes of an API share the responses that an
	// [Introspection] got, also one inside a [JWTOrOpaque]. They are used until MaxAge and
	// never after exp. Each process reads the store again after 5 seconds, so that Invalidate
	// reaches all of them. If the store fails, the server is asked instead. nil means that
	// nothing is shared.
	Shared SharedStore

	// SharedKey encrypts the shared responses: 32 random bytes or more, the same in all
	// processes of this API. Do not use it in another API: the server may respond differently
	// about its tokens (RFC 7662 §2.2). It must be set if Shared is.
	SharedKey []byte `json:"-"`

	// Counter counts hits and misses. nil means that nothing is counted.
	Counter Counter

	// Now is the clock. nil means time.Now.
	Now func() time.Time

	good, inactive memory
	flights        flights
	forgotten      atomic.Int64 // when InvalidateIf was last called: older shared responses are not used
}

// Format implements fmt.Formatter. It does not print what is remembered.
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
		return errors.New("the *Cache is nil")
	case c.Tokens == nil:
		return errors.New("Cache.Tokens is nil: set it to the Verifier whose results to cache")
	case hasLoadBalancer(c.Tokens):
		return errors.New("Cache.Tokens is an AWSLoadBalancer, which a Cache does not accept: use it without a Cache")
	case c.Size < 0:
		return errors.New("Cache.Size is negative, expected 0 or more")
	case c.MaxAge < 0 || c.MaxAge > maxMaxAge:
		return fmt.Errorf("Cache.MaxAge is %s, expected 0 to %s", jose.Duration(c.MaxAge), jose.Duration(maxMaxAge))
	case c.Shared != nil && len(c.SharedKey) < minSharedKey:
		return fmt.Errorf("Cache.SharedKey is too short, expected at least %d bytes", minSharedKey)
	case c.Shared != nil && introspectionOf(c.Tokens, "") == nil:
		return errors.New("Cache.Shared is for the responses of an Introspection, but Cache.Tokens has none: remove Cache.Shared")
	}
	return nil
}

// VerifyToken implements [Verifier]. It returns the errors of Tokens: 401 invalid_token for a token
// that is rejected, and 503 if the token cannot be verified now. It is 429 if the client must wait
// (see Limit), and 503 if a setting of the Cache is wrong.
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
	return p.copy(), nil // other callers share it
}

// ask is miss for a token that causes a call to the server. It looks into the cache again, because
// another call may have ended since.
func (c *Cache) ask(ctx context.Context, key tokenKey, token string, at time.Time) (*Principal, error) {
	if p, err := c.hit(ctx, key, at); p != nil || err != nil {
		return p, err
	}
	if i := c.shares(token); i != nil {
		return c.missShared(ctx, key, token, at, i)
	}
	return c.miss(ctx, key, token, at)
}

var errForm = errors.New("the access token has characters outside of b64token (RFC 6750 §2.1)")

// hit returns what is remembered and still valid, or neither a Principal nor an error.
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

// miss verifies the token and remembers the result. If something was invalidated during the call,
// it does not: it may have been this token.
func (c *Cache) miss(ctx context.Context, key tokenKey, token string, at time.Time) (*Principal, error) {
	good, inactive := c.good.removals.Load(), c.inactive.removals.Load()
	p, err := verify(ctx, c.Tokens, token)
	switch {
	case errors.Is(err, errInactive):
		c.inactive.put(key, entry{since: at, until: at.Add(min(inactiveAge, c.maxAge()))}, c.size(), inactive)
	case err == nil && p.origin.forwarded: // DynamicIssuers may return an AWSLoadBalancer
	case err == nil && p.origin.key == nil:
		c.good.put(key, entry{principal: p.copy(), since: at, until: c.localUntil(at, at)}, c.size(), good)
	case err == nil && p.origin.keys != nil:
		c.good.put(key, entry{principal: p.copy(), since: at, until: p.Expiry}, c.size(), good)
	}
	return p, err
}

// Invalidate removes a token from the cache. A request that starts after Invalidate returned asks
// the server again, also while an earlier call about the token is running. With Shared, the other
// processes do the same after 5 seconds at most. An error comes from the store: then other
// processes may accept the token until MaxAge.
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

// InvalidateIf removes every token for whose Principal match returns true, for example all
// tokens of one user. Like [Cache.Invalidate] it also affects running calls. It affects this
// process only, which then uses no older response from Shared. Call it in every process.
func (c *Cache) InvalidateIf(match func(*Principal) bool) {
	c.forgotten.Store(now(c.Now).UnixNano())
	c.good.removals.Add(1)
	c.good.removeIf(match)
	c.flights.detachAll()
}

// asks reports whether verifying the token calls a server. Only then concurrent requests with one
// token share a call.
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

// flights are the running calls, one per token.
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

// detach keeps other requests from joining the running call about a token, because its response
// may be too old.
func (f *flights) detach(key tokenKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.calls, key)
}

// detachAll is detach for every call, because their users are not known yet.
func (f *flights) detachAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.calls)
}
