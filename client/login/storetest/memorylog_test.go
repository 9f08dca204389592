package storetest_test

import (
	"bytes"
	"context"
	"sync"
	"time"
)

// memoryLog is a log in memory. Each field that is set causes a fault.
type memoryLog struct {
	onlyNew bool                // followers do not get the earlier values
	early   bool                // current is called before the values
	skip    int                 // each follower misses every value of that number
	name    func(string) string // changes the names of logs
	alias   bool                // keeps the slices of callers without a copy
	endless bool                // Follow does not end with its context
	rarely  bool                // current is called every two minutes
	most    int                 // of the values that were there, that many come
	whole   bool                // all values of a log expire together, at the time of the last one

	mu    sync.Mutex
	logs  map[string][][]byte
	until map[string]time.Time
}

func (l *memoryLog) Append(ctx context.Context, log string, value []byte, until time.Time) error {
	if err := ctx.Err(); err != nil || time.Now().After(until) {
		return err
	}
	if !l.alias {
		value = bytes.Clone(value)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.logs == nil {
		l.logs, l.until = map[string][][]byte{}, map[string]time.Time{}
	}
	if end, known := l.until[log]; l.whole && known && time.Now().After(end) {
		l.logs[l.named(log)] = nil
	}
	l.until[log] = until
	l.logs[l.named(log)] = append(l.logs[l.named(log)], value)
	return nil
}

func (l *memoryLog) named(log string) string {
	if l.name == nil {
		return log
	}
	return l.name(log)
}

func (l *memoryLog) from(log string, n int) [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs[l.named(log)][n:]
}

func (l *memoryLog) Follow(ctx context.Context, log string, heard func([]byte), current func()) error {
	n := 0
	if l.onlyNew {
		n = len(l.from(log, 0))
	}
	if all := l.from(log, 0); l.most > 0 && len(all) > l.most {
		n = len(all) - l.most
	}
	if l.endless {
		ctx = context.Background()
	}
	pause := 20 * time.Millisecond
	if l.rarely {
		pause = 2 * time.Minute
	}
	for {
		values := l.from(log, n)
		if l.early {
			current()
		}
		for _, value := range values {
			if n++; l.skip == 0 || n%l.skip != 0 {
				heard(value)
			}
		}
		current()
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pause):
		}
	}
}
