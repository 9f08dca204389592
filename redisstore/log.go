package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Limits of a log.
const (
	maxLogged   = 1 << 20
	followEvery = 400 * time.Millisecond // between two reads of the log, also if nothing was published
	pageSize    = 1000
)

// errLogFull is an error because dropping an entry would forget a revocation.
var errLogFull = errors.New("the log is full, expected at most 1,048,576 values that have not expired")

// appendTo stores a value with the next number and a random mark. It publishes the value with
// the mark of the previous one, so that followers notice a missing value. It also removes
// expired values. Keys: the last number and mark, values by number, numbers by time. Arguments:
// value, its time, now, mark, maximum number of values, channel. If publishing fails, followers
// find the value at their next read.
var appendTo = redis.NewScript(`
local over = redis.call('ZRANGE', KEYS[3], '-inf', ARGV[3], 'BYSCORE', 'LIMIT', 0, 100)
for _, n in ipairs(over) do redis.call('ZREMRANGEBYSCORE', KEYS[2], n, n) end
if #over > 0 then redis.call('ZREM', KEYS[3], unpack(over)) end
if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[5]) then return 0 end
local last = redis.call('HMGET', KEYS[1], 'n', 'mark')
local n = string.format('%.0f', tonumber(last[1] or '0') + 1)
redis.call('ZADD', KEYS[2], n, n .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
redis.call('ZADD', KEYS[3], ARGV[2], n)
redis.call('HSET', KEYS[1], 'n', n, 'mark', ARGV[4])
redis.pcall('PUBLISH', ARGV[6], (last[2] or '-') .. ' ' .. n .. ' ' .. ARGV[4] .. ' ' .. ARGV[1])
return 1`)

// logKeys returns keys that the braces put into one slot of a cluster.
func (s *Store) logKeys(log string) []string {
	name := s.prefix + "g:{" + strings.TrimPrefix(s.name("", log), s.prefix) + "}:"
	return []string{name + "last", name + "values", name + "times"}
}

func (s *Store) channel(log string) string { return s.name("g:", log) }

// Append adds value, of at most 64 KiB, to a log until the given time and publishes it to all
// followers. If the time has passed, nothing is added. A log holds at most 1,048,576 values;
// Append to a full log is an error. After a lost response, the value may be in the log twice.
// Every error is an [*Error].
func (s *Store) Append(ctx context.Context, log string, value []byte, until time.Time) error {
	const op = "append"
	ttl := s.ttl(until)
	switch {
	case log == "":
		return misuse(op, errKey)
	case until.IsZero():
		return misuse(op, errZero)
	case len(value) > maxValue:
		return misuse(op, fmt.Errorf("the value has %d bytes, expected at most %d", len(value), maxValue))
	case ttl < 1:
		return nil
	}
	now, added := s.clock().UnixMilli(), 0
	err := s.do(ctx, op, func(ctx context.Context) (err error) {
		added, err = appendTo.Run(ctx, s.redis, s.logKeys(log), value, now+ttl, now, rand.Text(), maxLogged, s.channel(log)).Int()
		return err
	})
	if err == nil && added == 0 {
		return misuse(op, errLogFull)
	}
	return err
}

// Follow calls heard for each value in the log and for each value that is added later. It calls
// current each time it knows that no value is missing. It listens to published values and also
// reads the log every 400 milliseconds. If it missed values, it reads them. After a restart or a
// failover it reads the whole log again, so heard may get a value twice. It returns when ctx ends,
// with the cause. One goroutine calls heard and current. A read that failed is repeated. An empty
// log is an [*Error] at once.
func (s *Store) Follow(ctx context.Context, log string, heard func(value []byte), current func()) error {
	if log == "" {
		return misuse("follow", errKey)
	}
	f := &follower{store: s, keys: s.logKeys(log), heard: heard, current: current}
	published := s.redis.Subscribe(ctx, s.channel(log))
	defer published.Close()
	messages := published.Channel(redis.WithChannelSize(pageSize), redis.WithChannelHealthCheckInterval(0))
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		f.look(ctx)
		if !f.listen(ctx, messages, tick.C) {
			return context.Cause(ctx)
		}
	}
}

// follower is the position up to which a process has read.
type follower struct {
	store   *Store
	keys    []string
	heard   func([]byte)
	current func()

	n    int64 // the last number that was read
	mark string
}

// listen reads published values until the next read of the log is due. It returns false when
// ctx ends.
func (f *follower) listen(ctx context.Context, messages <-chan *redis.Message, tick <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			return true
		case m, ok := <-messages:
			if !ok {
				messages = nil // the log is read anyway
				continue
			}
			before, entry, _ := strings.Cut(m.Payload, " ")
			if !f.take(entry, before) {
				return true // a gap
			}
		}
	}
}

// take calls heard if the entry is the next one. It returns false if entries are missing.
func (f *follower) take(entry, before string) bool {
	n, mark, value, ok := parseLogged(entry)
	switch {
	case !ok:
		return false
	case n <= f.n: // already known, unless the log was started again: the next read will find out
		return true
	case n != f.n+1 || f.n > 0 && before != f.mark:
		return false
	}
	f.heard([]byte(value))
	f.n, f.mark = n, mark
	return true
}

func parseLogged(entry string) (n int64, mark, value string, ok bool) {
	number, rest, ok1 := strings.Cut(entry, " ")
	mark, value, ok2 := strings.Cut(rest, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	return n, mark, value, ok1 && ok2 && err == nil && n > 0
}

// look reads the missing values. A failed read is repeated the next time; until then current is
// not called.
func (f *follower) look(ctx context.Context) {
	n, mark, err := f.last(ctx)
	if err == nil && (n != f.n || mark != f.mark) {
		err = f.catchUp(ctx, n, mark)
	}
	if err == nil {
		f.current()
	}
}

// last returns the last number and its mark, or 0 and "" if nothing was ever written to the
// log.
func (f *follower) last(ctx context.Context) (n int64, mark string, err error) {
	var got []any
	err = f.store.do(ctx, "follow", func(ctx context.Context) (err error) {
		got, err = f.store.redis.HMGet(ctx, f.keys[0], "n", "mark").Result()
		return err
	})
	if err != nil || len(got) != 2 || got[0] == nil {
		return 0, "", err
	}
	number, _ := got[0].(string)
	mark, _ = got[1].(string)
	if n, err = strconv.ParseInt(number, 10, 64); err != nil {
		return 0, "", misuse("follow", errForeign)
	}
	return n, mark, nil
}

// catchUp reads from the last known entry if it still exists, and otherwise the whole log.
func (f *follower) catchUp(ctx context.Context, last int64, mark string) error {
	from := int64(0)
	if f.n > 0 && f.n < last {
		known, err := f.page(ctx, f.n, 1)
		if err != nil {
			return err
		}
		if len(known) == 1 {
			if n, m, _, ok := parseLogged(known[0]); ok && n == f.n && m == f.mark {
				from = f.n
			}
		}
	}
	for {
		entries, err := f.page(ctx, from+1, pageSize)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			n, m, value, ok := parseLogged(entry)
			if !ok {
				return misuse("follow", errForeign)
			}
			f.heard([]byte(value))
			if from = n; n >= last {
				last, mark = n, m
			}
		}
		if len(entries) < pageSize {
			f.n, f.mark = last, mark
			return nil
		}
	}
}

func (f *follower) page(ctx context.Context, from int64, count int64) (entries []string, err error) {
	err = f.store.do(ctx, "follow", func(ctx context.Context) (err error) {
		entries, err = f.store.redis.ZRangeArgs(ctx, redis.ZRangeArgs{
			Key: f.keys[1], ByScore: true, Start: strconv.FormatInt(from, 10), Stop: "+inf", Count: count,
		}).Result()
		return err
	})
	return entries, err
}
