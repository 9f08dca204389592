package storetest_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/login/storetest"
)

// The store in memory is one process: all handles are the same.
func TestMemory(t *testing.T) {
	memory := &login.Memory{}
	storetest.Run(t, func(*testing.T) any { return memory })
}

// fault names the broken store that a child process tests.
const fault = "STORETEST_FAULT"

// TestBroken runs the suite for one broken store, in a child process of TestFaults.
func TestBroken(t *testing.T) {
	name := os.Getenv(fault)
	if name == "" {
		t.Skip("TestFaults runs it")
	}
	memory := &login.Memory{}
	storetest.Run(t, func(*testing.T) any { return broken[name](memory) })
}

// TestFaults: the suite fails for each of these stores.
func TestFaults(t *testing.T) {
	for name := range broken {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			child := exec.Command(os.Args[0], "-test.run=^TestBroken$")
			child.Env = append(os.Environ(), fault+"="+name)
			out, err := child.CombinedOutput()
			if err == nil || !bytes.Contains(out, []byte("--- FAIL: TestBroken")) {
				t.Errorf("the suite accepts it:\n%s", out)
			}
		})
	}
}

var broken = map[string]func(*login.Memory) any{
	"none of the interfaces": func(*login.Memory) any { return struct{}{} },
	"values never expire":    func(m *login.Memory) any { return forever{m} },
	"values are empty":       func(m *login.Memory) any { return emptyIsNil{m} },
	"keys ignore case":       func(m *login.Memory) any { return anyCase{m} },
	"delete does nothing":    func(m *login.Memory) any { return noDelete{m} },
	"links are forgotten":    func(m *login.Memory) any { return oneLink{m} },
	"once is always true":    func(m *login.Memory) any { return alwaysFirst{m} },
	"once accepts the past":  func(m *login.Memory) any { return pastOnce{m} },
	"leases are shared":      func(m *login.Memory) any { return sharedLease{m} },
	"release ends any lease": func(m *login.Memory) any { return anyRelease{m, &current{}} },
}

type forever struct{ *login.Memory }

func (s forever) Save(ctx context.Context, key string, value []byte, _ time.Time) error {
	return s.Memory.Save(ctx, key, value, time.Now().Add(time.Hour))
}

type emptyIsNil struct{ *login.Memory }

func (s emptyIsNil) Load(ctx context.Context, key string) ([]byte, error) {
	value, err := s.Memory.Load(ctx, key)
	return append([]byte(nil), value...), err
}

type anyCase struct{ *login.Memory }

func (s anyCase) Load(ctx context.Context, key string) ([]byte, error) {
	return s.Memory.Load(ctx, strings.ToLower(key))
}

func (s anyCase) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	return s.Memory.Save(ctx, strings.ToLower(key), value, until)
}

type noDelete struct{ *login.Memory }

func (noDelete) Delete(context.Context, string) error { return nil }

type oneLink struct{ *login.Memory }

func (s oneLink) Linked(ctx context.Context, index string) ([]string, error) {
	all, err := s.Memory.Linked(ctx, index)
	slices.Sort(all)
	return all[:min(1, len(all))], err
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

type sharedLease struct{ *login.Memory }

func (sharedLease) Acquire(context.Context, string, time.Duration) (func(), bool, error) {
	return func() {}, true, nil
}

type current struct{ release func() }

type anyRelease struct {
	*login.Memory
	last *current
}

func (s anyRelease) Acquire(ctx context.Context, key string, d time.Duration) (func(), bool, error) {
	release, held, err := s.Memory.Acquire(ctx, key, d)
	if held {
		s.last.release = release
	}
	return func() { s.last.release() }, held, err
}
