package rs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"
)

// SharedStore is a store that the processes of an API share. redisstore.Store and
// sqlstore.Store implement it. It sees neither tokens nor responses: its keys are hashes and its
// values are encrypted.
type SharedStore interface {
	// Load returns the value of key, or nil if nothing is stored.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save stores value under key until the given time, and replaces an earlier value.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete removes key. A missing key is not an error.
	Delete(ctx context.Context, key string) error
}

const (
	storeTimeout = 2 * time.Second  // for one call of a shared store
	localAge     = 5 * time.Second  // how long a process uses its own copy
	maxShared    = 64 << 10         // bytes of one response
	unsettled    = 30 * time.Second // maximum clock difference of the processes
	minSharedKey = 32
)

// record is a response in Cache.Shared, or the mark that Invalidate stores there. A mark has a
// separate name in the store, so an older response that is saved late does not replace it.
type record struct {
	asked  time.Time // when the server was asked; in a mark, the time up to which responses are not used
	answer []byte    // nil for a mark
}

// shares returns the Introspection whose response about the token is shared. Only responses are
// shared, because every process can check them again.
func (c *Cache) shares(token string) *Introspection {
	if c.Shared == nil {
		return nil
	}
	return introspectionOf(c.Tokens, token)
}

func introspectionOf(v Verifier, token string) *Introspection {
	switch v := v.(type) {
	case *Introspection:
		return v
	case *JWTOrOpaque:
		if v.isJWT(token) {
			return introspectionOf(v.JWT, token)
		}
		return introspectionOf(v.Opaque, token)
	}
	return nil
}

// missShared is miss for a token whose response may be in the store. If the store fails, the
// server is asked.
func (c *Cache) missShared(ctx context.Context, key tokenKey, token string, at time.Time, i *Introspection) (*Principal, error) {
	removals := c.good.removals.Load()
	slot := c.slot(i, token)
	r, err := c.load(ctx, slot)
	if p := c.usable(r, i, at); p != nil && !c.invalidated(ctx, slot, r.asked) {
		count(ctx, c.Counter, SharedHit)
		c.good.put(key, entry{principal: p.copy(), since: at, until: c.localUntil(r.asked, at)}, c.size(), removals)
		return p, nil
	}
	p, verr := c.miss(ctx, key, token, at)
	switch {
	case err != nil: // do not wait for a failing store twice
	case verr == nil && c.good.removals.Load() == removals:
		c.save(ctx, slot, at, p)
	case errors.Is(verr, errInactive) && r.answer != nil:
		c.note(ctx, c.call(ctx, func(ctx context.Context) error { return c.Shared.Delete(ctx, slot.name) }))
	}
	return p, verr
}

// usable checks a response again with this process's configuration. It returns nil if there is
// no response, if it is too old, or if this process has invalidated it.
func (c *Cache) usable(r record, i *Introspection, at time.Time) *Principal {
	forgotten := time.Unix(0, c.forgotten.Load()).Add(unsettled)
	if r.answer == nil || !at.Before(r.asked.Add(c.maxAge())) || r.asked.After(at.Add(unsettled)) || !r.asked.After(forgotten) {
		return nil
	}
	p, err := i.read(r.answer)
	if err != nil || !p.Expiry.IsZero() && !at.Before(p.Expiry) {
		return nil
	}
	return p
}

// localUntil returns how long the memory of this process uses a response.
func (c *Cache) localUntil(asked, at time.Time) time.Time {
	until := asked.Add(c.maxAge())
	if soon := at.Add(localAge); c.Shared != nil && soon.Before(until) {
		return soon
	}
	return until
}

// save shares a response, unless the store already has a younger one.
func (c *Cache) save(ctx context.Context, s slot, at time.Time, p *Principal) {
	until := at.Add(c.maxAge())
	if !p.Expiry.IsZero() && p.Expiry.Before(until) {
		until = p.Expiry
	}
	if len(p.payload) > maxShared || !at.Before(until) {
		return
	}
	if have, err := c.load(ctx, s); err == nil && !have.asked.After(at) {
		c.note(ctx, c.put(ctx, s, record{at, p.payload}, until))
	}
}

// invalidated reports whether a process called Invalidate after the server was asked. It is
// read after the response, so that no call of Invalidate is missed. If the store fails, the
// response is not used.
func (c *Cache) invalidated(ctx context.Context, s slot, asked time.Time) bool {
	mark, err := c.load(ctx, s.mark())
	return err != nil || !asked.After(mark.asked)
}

// invalidateShared stores a mark: responses from before now are not used. The mark lasts as
// long as such a response may be used, including the clock difference.
func (c *Cache) invalidateShared(ctx context.Context, token string) error {
	if err := c.configured(); err != nil {
		return err
	}
	i := c.shares(token)
	if i == nil {
		return nil
	}
	asked := now(c.Now).Add(unsettled)
	return c.put(ctx, c.slot(i, token).mark(), record{asked: asked}, asked.Add(c.maxAge()+unsettled))
}

func (c *Cache) put(ctx context.Context, s slot, r record, until time.Time) error {
	return c.call(ctx, func(ctx context.Context) error { return c.Shared.Save(ctx, s.name, s.seal(r), until) })
}

// load returns a record without a response if nothing is stored or it cannot be decrypted.
func (c *Cache) load(ctx context.Context, s slot) (r record, err error) {
	var sealed []byte
	err = c.call(ctx, func(ctx context.Context) (err error) {
		sealed, err = c.Shared.Load(ctx, s.name)
		return err
	})
	c.note(ctx, err)
	if err == nil && len(sealed) > 0 && len(sealed) <= 2*maxShared {
		r = s.open(sealed)
	}
	return r, err
}

// call limits the time of one call of the store.
func (c *Cache) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return f(ctx)
}

// note counts a failure that is not reported otherwise.
func (c *Cache) note(ctx context.Context, err error) {
	if err != nil {
		count(ctx, c.Counter, StoreFailed)
	}
}

// slot returns a token's name in the store, and a key for only this token. The store and SharedKey
// are not enough to read the response about a token: the token is needed too.
type slot struct {
	name string
	aead cipher.AEAD
}

func (c *Cache) slot(i *Introspection, token string) slot {
	hash := sha256.Sum256([]byte(token))
	derive := func(purpose string) []byte {
		mac := hmac.New(sha256.New, c.SharedKey)
		for _, part := range append([]string{purpose, i.Issuer, i.URL, i.Audience, string(hash[:])}, i.Audiences...) {
			mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			mac.Write([]byte(part))
		}
		return mac.Sum(nil)
	}
	block, err := aes.NewCipher(derive("countersign rs shared answer: key"))
	if err != nil {
		panic(err) // impossible with 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return slot{"rs:" + base64.RawURLEncoding.EncodeToString(derive("countersign rs shared answer: name")), aead}
}

// mark returns the slot of the mark that Invalidate stores.
func (s slot) mark() slot { return slot{s.name + ":mark", s.aead} }

func (s slot) seal(r record) []byte {
	plain := binary.BigEndian.AppendUint64(nil, uint64(r.asked.UnixNano()))
	return s.aead.Seal(nil, nil, append(plain, r.answer...), []byte(s.name))
}

// open returns an empty record for a value that cannot be decrypted.
func (s slot) open(sealed []byte) record {
	plain, err := s.aead.Open(nil, nil, sealed, []byte(s.name))
	if err != nil || len(plain) < 8 {
		return record{}
	}
	r := record{asked: time.Unix(0, int64(binary.BigEndian.Uint64(plain)))}
	if len(plain) > 8 {
		r.answer = plain[8:]
	}
	return r
}
