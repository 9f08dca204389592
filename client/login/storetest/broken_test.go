package storetest_test

import (
	"bytes"
	"context"
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

// overwritten keeps the end of a longer old value.
type overwritten struct{ *login.Memory }

func (s overwritten) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	old, err := s.Memory.Load(ctx, key)
	if err == nil && len(old) > len(value) {
		value = append(bytes.Clone(value), old[len(value):]...)
	}
	return s.Memory.Save(ctx, key, value, until)
}

// readCache is a process that keeps what it has read.
type readCache struct {
	*login.Memory
	values, sets sync.Map
}

func (s *readCache) Load(ctx context.Context, key string) ([]byte, error) {
	if value, ok := s.values.Load(key); ok {
		return bytes.Clone(value.([]byte)), ctx.Err()
	}
	value, err := s.Memory.Load(ctx, key)
	if value != nil {
		s.values.Store(key, bytes.Clone(value))
	}
	return value, err
}

func (s *readCache) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	s.values.Delete(key)
	return s.Memory.Save(ctx, key, value, until)
}

func (s *readCache) Delete(ctx context.Context, key string) error {
	s.values.Delete(key)
	return s.Memory.Delete(ctx, key)
}

func (s *readCache) Linked(ctx context.Context, index string) ([]string, error) {
	if set, ok := s.sets.Load(index); ok {
		return slices.Clone(set.([]string)), ctx.Err()
	}
	set, err := s.Memory.Linked(ctx, index)
	if len(set) > 0 {
		s.sets.Store(index, slices.Clone(set))
	}
	return set, err
}

func (s *readCache) Link(ctx context.Context, index, key string, until time.Time) error {
	s.sets.Delete(index)
	return s.Memory.Link(ctx, index, key, until)
}

func (s *readCache) Unlink(ctx context.Context, index, key string) error {
	s.sets.Delete(index)
	return s.Memory.Unlink(ctx, index, key)
}

// fileNames replaces the marks in a key.
func fileNames(key string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:`, r) {
			return '_'
		}
		return r
	}, key)
}

// graves do not let a key return that was deleted.
type graves struct {
	*login.Memory
	deleted sync.Map
}

func (s *graves) Delete(ctx context.Context, key string) error {
	s.deleted.Store(key, true)
	return s.Memory.Delete(ctx, key)
}

func (s *graves) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if _, dead := s.deleted.Load(key); dead {
		return nil
	}
	return s.Memory.Save(ctx, key, value, until)
}

// tidyDelete deletes what the key begins with, as a directory is removed.
type tidyDelete struct{ *login.Memory }

func (s tidyDelete) Delete(ctx context.Context, key string) error {
	if strings.HasPrefix(lastSaved, key) {
		key = lastSaved
	}
	return s.Memory.Delete(ctx, key)
}

func (s tidyDelete) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	lastSaved = key
	return s.Memory.Save(ctx, key, value, until)
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
