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

// SharedStore is what the processes of an API have in common; redisstore.Store is one. It
// sees neither tokens nor answers: its keys are hashes, its values sealed.
type SharedStore interface {
	// Load gives what was saved under key, or nil if there is nothing.
	Load(ctx context.Context, key string) ([]byte, error)

	// Save keeps value until then, in place of what was there.
	Save(ctx context.Context, key string, value []byte, until time.Time) error

	// Delete forgets key. That there is none is no error.
	Delete(ctx context.Context, key string) error
}

const (
	storeTimeout = 2 * time.Second  // for one call of a shared store
	localAge     = 5 * time.Second  // how long a process does not look there again
	maxShared    = 64 << 10         // for one answer
	unsettled    = 30 * time.Second // by how much the processes' clocks may differ
	minSharedKey = 32
)

// record is an answer in a Cache.Shared, or the mark that Invalidate leaves there. A mark
// has its own name in the store: an older answer that is saved late does not replace it.
type record struct {
	asked  time.Time // when the server was asked; of a mark, up to when answers are not used
	answer []byte    // nil for a mark
}

// shares gives the verifier whose answer about the token is shared. Only what can be
// read again, and so is checked again by everybody who takes it from the store, is.
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

// missShared is miss for a token whose answer may be in the store. A store that fails is
// done without: the server knows best, and is asked.
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
	case err != nil: // a second try would cost as much time again
	case verr == nil && c.good.removals.Load() == removals:
		c.save(ctx, slot, at, p)
	case errors.Is(verr, errInactive) && r.answer != nil:
		c.note(ctx, c.call(ctx, func(ctx context.Context) error { return c.Shared.Delete(ctx, slot.name) }))
	}
	return p, verr
}

// usable reads an answer anew, by this process's configuration; nil if it is none, too
// old, or from before this process was told to forget.
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

// localUntil is for how long this process's own memory has an answer.
func (c *Cache) localUntil(asked, at time.Time) time.Time {
	until := asked.Add(c.maxAge())
	if soon := at.Add(localAge); c.Shared != nil && soon.Before(until) {
		return soon
	}
	return until
}

// save shares an answer, unless a younger one or an Invalidate was there first.
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

// invalidated tells whether Invalidate was called in some process after the answer was
// asked for. It is looked up after the answer, so that no Invalidate falls between the two.
// If the store fails, the answer is not used.
func (c *Cache) invalidated(ctx context.Context, s slot, asked time.Time) bool {
	mark, err := c.load(ctx, s.mark())
	return err != nil || !asked.After(mark.asked)
}

// invalidateShared leaves a mark in the store: answers from before now are not used. It is
// there for as long as such an answer may be, by clocks that differ.
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

// load gives a record without an answer when there is none that can be opened.
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

// call bounds one call of the store.
func (c *Cache) call(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return f(ctx)
}

// note counts a failure that nobody else hears of.
func (c *Cache) note(ctx context.Context, err error) {
	if err != nil {
		count(ctx, c.Counter, StoreFailed)
	}
}

// slot is a token's place in the store: a name, and a key of its own, so that who has the
// store and SharedKey can read nothing about a token that they have not.
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
		panic(err) // not with 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return slot{"rs:" + base64.RawURLEncoding.EncodeToString(derive("countersign rs shared answer: name")), aead}
}

// mark is the slot of the mark that Invalidate leaves.
func (s slot) mark() slot { return slot{s.name + ":mark", s.aead} }

func (s slot) seal(r record) []byte {
	plain := binary.BigEndian.AppendUint64(nil, uint64(r.asked.UnixNano()))
	return s.aead.Seal(nil, nil, append(plain, r.answer...), []byte(s.name))
}

// open gives an empty record for what cannot be opened.
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
