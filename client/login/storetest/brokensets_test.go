package storetest_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client/login"
)

type firstLinks struct {
	*login.Memory
	most int
}

func (s firstLinks) Linked(ctx context.Context, index string) ([]string, error) {
	all, err := s.Memory.Linked(ctx, index)
	slices.Sort(all)
	return all[:min(s.most, len(all))], err
}

// joined names a link by its set and its key, with a mark in between.
type joined struct {
	*login.Memory
	mark string
}

func (s joined) Link(ctx context.Context, index, key string, until time.Time) error {
	return s.Memory.Link(ctx, "all", index+s.mark+key, until)
}

func (s joined) Linked(ctx context.Context, index string) (keys []string, err error) {
	all, err := s.Memory.Linked(ctx, "all")
	for _, name := range all {
		if key, ok := strings.CutPrefix(name, index+s.mark); ok {
			keys = append(keys, key)
		}
	}
	return keys, err
}

func (s joined) Unlink(ctx context.Context, index, key string) error {
	return s.Memory.Unlink(ctx, "all", index+s.mark+key)
}

// unswept rejects a link while the row of an expired one is there.
type unswept struct {
	*login.Memory
	rows sync.Map
}

func (s *unswept) Link(ctx context.Context, index, key string, until time.Time) error {
	if row, there := s.rows.LoadOrStore(index+key, until); there && time.Now().After(row.(time.Time)) {
		return nil
	}
	s.rows.Store(index+key, until)
	return s.Memory.Link(ctx, index, key, until)
}

func (s *unswept) Unlink(ctx context.Context, index, key string) error {
	s.rows.Delete(index + key)
	return s.Memory.Unlink(ctx, index, key)
}

// toggled removes a link that is added a second time.
type toggled struct{ *login.Memory }

func (s toggled) Link(ctx context.Context, index, key string, until time.Time) error {
	if all, _ := s.Linked(ctx, index); slices.Contains(all, key) {
		return s.Unlink(ctx, index, key)
	}
	return s.Memory.Link(ctx, index, key, until)
}

// tombstone never adds a link again that was removed.
type tombstone struct {
	*login.Memory
	removed sync.Map
}

func (s *tombstone) Unlink(ctx context.Context, index, key string) error {
	s.removed.Store(index+key, true)
	return s.Memory.Unlink(ctx, index, key)
}

func (s *tombstone) Link(ctx context.Context, index, key string, until time.Time) error {
	if _, removed := s.removed.Load(index + key); removed {
		return nil
	}
	return s.Memory.Link(ctx, index, key, until)
}

type lastLink struct{ *login.Memory }

func (s lastLink) Link(ctx context.Context, index, key string, until time.Time) error {
	if err := s.Unlink(ctx, index, key); err != nil {
		return err
	}
	return s.Memory.Link(ctx, index, key, until)
}

type alwaysFirst struct{ *login.Memory }

func (alwaysFirst) Once(_ context.Context, _ string, until time.Time) (bool, error) {
	if time.Now().After(until) {
		return false, os.ErrDeadlineExceeded
	}
	return true, nil
}

type pastOnce struct{ *login.Memory }

func (s pastOnce) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	if time.Now().After(until) {
		return true, nil
	}
	return s.Memory.Once(ctx, key, until)
}

// twoSteps reads and then writes, not atomically.
type twoSteps struct{ *login.Memory }

func (s twoSteps) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	used, err := s.Load(ctx, key)
	if used != nil || err != nil {
		return false, err
	}
	time.Sleep(time.Millisecond)
	return true, s.Save(ctx, key, nil, until)
}

// lastOnce remembers a key until the time of its last use.
type lastOnce struct {
	*login.Memory
	mu    sync.Mutex
	until map[string]time.Time
}

func (s *lastOnce) Once(_ context.Context, key string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := time.Now().After(s.until[key])
	s.until[key] = until
	return first, nil
}

// lastKeys remembers a number of keys that were used.
type lastKeys struct {
	*login.Memory
	mu   sync.Mutex
	used []string
}

func (s *lastKeys) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.used, key) && len(s.used) >= 100 {
		s.used = s.used[1:]
	}
	if slices.Contains(s.used, key) {
		return s.Memory.Once(ctx, key, until)
	}
	s.used = append(s.used, key)
	return true, ctx.Err()
}

// ownKeys is a process that remembers what it has seen itself.
type ownKeys struct{ *login.Memory }

// neverAgain does not forget.
type neverAgain struct {
	*login.Memory
	used sync.Map
}

func (s *neverAgain) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	first, err := s.Memory.Once(ctx, key, until)
	if _, used := s.used.LoadOrStore(key, true); used {
		return false, err
	}
	return first, err
}

// ownLease knows a holder by its process.
type ownLease struct {
	*login.Memory
	mu   sync.Mutex
	mine map[string]func()
}

func (s *ownLease) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	release, held, err := s.Memory.Acquire(ctx, key, d)
	if held {
		s.mine[key] = release
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if held {
			s.mine[key]()
		}
	}, held, err
}

// waiting counts the time of a lease from its last request.
type waiting struct {
	*login.Memory
	mu    sync.Mutex
	until map[string]time.Time
}

func (s *waiting) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := time.Now().After(s.until[key])
	s.until[key] = time.Now().Add(d)
	return func() {}, held, ctx.Err()
}

// oneLease is a process that has one lease: the next one ends it.
type oneLease struct {
	*login.Memory
	mu      sync.Mutex
	release func()
	key     string
}

func (s *oneLease) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	release, held, err := s.Memory.Acquire(ctx, key, d)
	if held && s.release != nil && s.key != key {
		s.release()
	}
	if held {
		s.release, s.key = release, key
	}
	return release, held, err
}

type sharedLease struct{ *login.Memory }

func (sharedLease) Acquire(context.Context, string, time.Duration) (func(), bool, error) {
	return func() {}, true, nil
}

// anyRelease ends the lease of every holder.
type anyRelease struct {
	*login.Memory
	release func()
}

func (s *anyRelease) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	release, held, err := s.Memory.Acquire(ctx, key, d)
	if held {
		s.release = release
	}
	return func() { s.release() }, held, err
}

// requestRelease needs the context of Acquire to give the lease back.
type requestRelease struct{ *login.Memory }

func (s requestRelease) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	release, held, err := s.Memory.Acquire(ctx, key, d)
	return func() {
		if ctx.Err() == nil {
			release()
		}
	}, held, err
}

// noContext ignores the context of the caller.
type noContext struct{ *login.Memory }

func (s noContext) Load(_ context.Context, key string) ([]byte, error) {
	return s.Memory.Load(context.Background(), key)
}

func (s noContext) Once(_ context.Context, key string, until time.Time) (bool, error) {
	return s.Memory.Once(context.Background(), key, until)
}

func (s noContext) Linked(_ context.Context, index string) ([]string, error) {
	return s.Memory.Linked(context.Background(), index)
}

func (s noContext) Acquire(_ context.Context, key string, d time.Duration) (func(), bool, error) {
	return s.Memory.Acquire(context.Background(), key, d)
}
