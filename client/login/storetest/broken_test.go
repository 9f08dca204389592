package storetest_test

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/client/login"
)

type forever struct{ *login.Memory }

func (s forever) Save(ctx context.Context, key string, value []byte, _ time.Time) error {
	return s.Memory.Save(ctx, key, value, time.Now().Add(time.Hour))
}

// A store that rounds times to seconds.
func down(t time.Time) time.Time    { return t.Truncate(time.Second) }
func up(t time.Time) time.Time      { return down(t).Add(time.Second) }
func nearest(t time.Time) time.Time { return t.Round(time.Second) }

type wholeSeconds struct {
	*login.Memory
	round func(time.Time) time.Time
}

func (s wholeSeconds) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, key, value, s.round(until))
}

func (s wholeSeconds) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	return s.Memory.Once(ctx, key, s.round(until))
}

func (s wholeSeconds) Link(ctx context.Context, index, key string, until time.Time) error {
	return s.Memory.Link(ctx, index, key, s.round(until))
}

func (s wholeSeconds) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	return s.Memory.Acquire(ctx, key, d.Truncate(time.Second))
}

// firstTime keeps the first time of a value and of a link.
type firstTime struct {
	*login.Memory
	times sync.Map
}

func (s *firstTime) first(key string, until time.Time) time.Time {
	known, _ := s.times.LoadOrStore(key, until)
	return known.(time.Time)
}

func (s *firstTime) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, key, value, s.first(key, until))
}

func (s *firstTime) Link(ctx context.Context, index, key string, until time.Time) error {
	return s.Memory.Link(ctx, index, key, s.first(index+key, until))
}

type emptyIsNil struct{ *login.Memory }

func (s emptyIsNil) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Memory.Load(ctx, key)
	return append([]byte(nil), value...), err
}

type cut struct {
	*login.Memory
	most int
}

func (s cut) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, key, value[:min(len(value), s.most)], until)
}

type trimmed struct{ *login.Memory }

func (s trimmed) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, key, bytes.TrimRight(value, " \n"), until)
}

type zeroEnds struct{ *login.Memory }

func (s zeroEnds) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	before, _, _ := bytes.Cut(value, []byte{0})
	return s.Memory.Save(ctx, key, before, until)
}

// oneSlice reads every value into the same slice.
type oneSlice struct {
	*login.Memory
	buffer [64 << 10]byte
}

func (s *oneSlice) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Memory.Load(ctx, key)
	if value == nil {
		return nil, err
	}
	return s.buffer[:copy(s.buffer[:], value)], err
}

// aliased keeps the slices of callers.
type aliased struct{ values sync.Map }

func (s *aliased) Load(_ context.Context, key string) ([]byte, error) {
	value, _ := s.values.Load(key)
	slice, _ := value.([]byte)
	return slice, nil
}

func (s *aliased) Save(_ context.Context, key string, value []byte, _ time.Time) error {
	s.values.Store(key, value)
	return nil
}

// keys changes keys before they are used.
type keys struct {
	*login.Memory
	change func(string) string
}

func (s keys) Load(ctx context.Context, key string) ([]byte, error) {
	return s.Memory.Load(ctx, s.change(key))
}

func (s keys) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, s.change(key), value, until)
}

func (s keys) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	return s.Memory.Once(ctx, s.change(key), until)
}

func (s keys) Linked(ctx context.Context, index string) ([]string, error) {
	return s.Memory.Linked(ctx, s.change(index))
}

func (s keys) Link(ctx context.Context, index, key string, until time.Time) error {
	return s.Memory.Link(ctx, s.change(index), key, until)
}

func (s keys) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	return s.Memory.Acquire(ctx, s.change(key), d)
}

type noDelete struct{ *login.Memory }

func (noDelete) Delete(context.Context, string) error { return nil }

// patternDelete treats "%" at the end as a wildcard, as LIKE does.
type patternDelete struct{ *login.Memory }

func (s patternDelete) Delete(ctx context.Context, key string) error {
	if begin, ok := strings.CutSuffix(key, "%"); ok && strings.Contains(begin, "Exact") {
		key = lastSaved
		if !strings.HasPrefix(key, begin) {
			return nil
		}
	}
	return s.Memory.Delete(ctx, key)
}

func (s patternDelete) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	lastSaved = key
	return s.Memory.Save(ctx, key, value, until)
}

var lastSaved string

// oneSpace keeps leases among the values.
type oneSpace struct{ *login.Memory }

func (s oneSpace) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	if value, err := s.Load(ctx, key); value != nil || err != nil {
		return func() {}, false, err
	}
	err := s.Save(ctx, key, nil, time.Now().Add(d))
	return func() { s.Delete(context.WithoutCancel(ctx), key) }, err == nil, err
}

type firstLinks struct {
	*login.Memory
	most int
}

func (s firstLinks) Linked(ctx context.Context, index string) ([]string, error) {
	all, err := s.Memory.Linked(ctx, index)
	slices.Sort(all)
	return all[:min(s.most, len(all))], err
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
