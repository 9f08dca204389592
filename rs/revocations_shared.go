package rs

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// SharedLog is a list that all processes append to and follow. redisstore.Store and sqlstore.Store
// implement it. Its values are encrypted.
type SharedLog interface {
	// Append adds value to the log until the given time. All followers of the log get it.
	Append(ctx context.Context, log string, value []byte, until time.Time) error

	// Follow calls heard for every value in the log and for every value that is added later, in
	// any order and perhaps more than once. It calls current each time it knows that no value
	// is missing, at least once per second while the log can be read. It continues after
	// failures and returns when ctx ends.
	Follow(ctx context.Context, log string, heard func(value []byte), current func()) error
}

// Run follows Shared until ctx ends and returns the cause of the end. It must run in every
// process. Failures of Shared are counted and retried. Every other error names the setting that
// is wrong.
func (v *Revocations) Run(ctx context.Context) error {
	if err := v.configured(); err != nil {
		return fmt.Errorf("rs: %w", err)
	}
	if v.Shared == nil {
		return errors.New("rs: Revocations.Shared is nil: set it or do not call Run")
	}
	v.init()
	v.running.Store(true)
	defer v.running.Store(false)
	name, aead := v.sealed()
	heard := func(value []byte) { v.heard(ctx, name, aead, value) }
	for {
		err := v.Shared.Follow(ctx, name, heard, v.isCurrent)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		v.failed(ctx, err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (v *Revocations) failed(ctx context.Context, err error) {
	if err != nil {
		count(ctx, v.Counter, LogFailed)
	}
}

// isCurrent notes that no entry is missing.
func (v *Revocations) isCurrent() {
	v.current.Store(int64(now(v.Now).Sub(v.started)))
	v.loaded.Store(true)
}

// heard adds a revocation of another process. A value that cannot be decrypted was encrypted
// with another key. It is only counted, because nothing else can be done.
func (v *Revocations) heard(ctx context.Context, name string, aead cipher.AEAD, value []byte) {
	plain, err := aead.Open(nil, nil, value, []byte(name))
	var e revocationEntry
	if err == nil {
		err = json.Unmarshal(plain, &e)
	}
	if err == nil && e.Kind > revokedIssuer {
		err = errors.New("an entry of the shared list has an unknown kind")
	}
	if err == nil && now(v.Now).Before(e.until()) {
		err = v.add(ctx, &e)
	}
	v.failed(ctx, err)
}

// share appends the entry to the log of all processes.
func (v *Revocations) share(ctx context.Context, e *revocationEntry) error {
	if v.Shared == nil {
		return nil
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name, aead := v.sealed()
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := v.Shared.Append(ctx, name, aead.Seal(nil, nil, plain, []byte(name)), e.until()); err != nil {
		v.failed(ctx, err)
		return &unavailable{fmt.Errorf("rs: Revocations.Shared: %w", err)}
	}
	return nil
}

// sealed returns the name of the log and the key of its values, both derived from SharedKey.
func (v *Revocations) sealed() (name string, aead cipher.AEAD) {
	derive := func(purpose string) []byte {
		mac := hmac.New(sha256.New, v.SharedKey)
		mac.Write([]byte(purpose))
		return mac.Sum(nil)
	}
	block, err := aes.NewCipher(derive("countersign rs revocations: key"))
	if err != nil {
		panic(err) // impossible with 32 bytes
	}
	aead, err = cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return "rs:" + base64.RawURLEncoding.EncodeToString(derive("countersign rs revocations: name")), aead
}

// checkStale applies StaleFor.
func (v *Revocations) checkStale(ctx context.Context) error {
	err := v.stale()
	if err == nil {
		return nil
	}
	reason := "rejected"
	if v.loaded.Load() && v.age() < freshFor+v.StaleFor {
		reason = "continued"
	}
	if v.Counter != nil {
		v.Counter.Count(ctx, Stale, reason)
	}
	if reason == "continued" {
		return nil
	}
	return err
}

// stale returns an error if the shared list may be incomplete.
func (v *Revocations) stale() error {
	switch {
	case v.Shared == nil:
		return nil
	case !v.loaded.Load() && !v.running.Load():
		return errors.New("no goroutine reads the shared list of revocations: call Revocations.Run")
	case !v.loaded.Load():
		return errors.New("the shared list of revocations has not been read yet")
	case v.age() >= freshFor:
		return fmt.Errorf("the shared list of revocations could not be read for %s: check the store, or increase Revocations.StaleFor", jose.Duration(v.age().Round(time.Second)))
	}
	return nil
}

// age is the time since the list was last complete.
func (v *Revocations) age() time.Duration {
	return now(v.Now).Sub(v.started) - time.Duration(v.current.Load())
}

// Ready is [Protection.Ready] for this part only. It returns an error while the shared list cannot
// be read, also if StaleFor accepts requests.
func (v *Revocations) Ready(context.Context) error {
	if err := v.configured(); err != nil {
		return err
	}
	return v.stale()
}
