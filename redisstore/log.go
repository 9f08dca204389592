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
	followEvery = 400 * time.Millisecond // between two looks at the log, whatever was published
	pageSize    = 1000
)

// errLogFull: to drop an entry would be to forget a revocation.
var errLogFull = errors.New("the log is full")

// appendTo gives a value the next number and a random mark, keeps it, and publishes it with the mark of the
// one before, by which those who follow know that they have missed none. Values whose time is over are dropped
// on the way. Keys: the last number and mark, values by number, numbers by time. Arguments: value, its time,
// now, mark, how many there may be, channel. What cannot be published is found by those who look.
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

// logKeys are in one slot of a cluster, by the braces.
func (s *Store) logKeys(log string) []string {
	name := s.prefix + "g:{" + strings.TrimPrefix(s.name("", log), s.prefix) + "}:"
	return []string{name + "last", name + "values", name + "times"}
}

func (s *Store) channel(log string) string { return s.name("g:", log) }

// Append adds value, of at most 64 KiB, to a log until the time given, and tells all who follow it. When that
// time is over already, nothing is added. A log holds at most 1,048,576 values: one more is an error.
func (s *Store) Append(ctx context.Context, log string, value []byte, until time.Time) error {
	const op = "append"
	ttl := s.ttl(until)
	switch {
	case log == "":
		return misuse(op, errKey)
	case until.IsZero():
		return misuse(op, errZero)
	case len(value) > maxValue:
		return misuse(op, fmt.Errorf("a value of %d bytes; at most %d are kept", len(value), maxValue))
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

// Follow calls heard for each value in the log and for each one that is added, and current each time when none
// is missing. It listens to what is published and looks at the log every 400 milliseconds besides. When values
// were missed it reads them; when the log has changed in another way, as after a restart or a failover, it reads
// the whole log again, so heard may get a value twice. It returns when ctx ends, with the cause of that. heard
// and current are called by one goroutine.
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

// follower is how far a process has read.
type follower struct {
	store   *Store
	keys    []string
	heard   func([]byte)
	current func()

	n    int64 // the last number
	mark string
}

// listen takes what is published until it is time to look at the log. It gives false when ctx ends.
func (f *follower) listen(ctx context.Context, messages <-chan *redis.Message, tick <-chan time.Time) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick:
			return true
		case m, ok := <-messages:
			if !ok {
				messages = nil // the log is looked at anyway
				continue
			}
			before, entry, _ := strings.Cut(m.Payload, " ")
			if !f.take(entry, before) {
				return true // a gap
			}
		}
	}
}

// take hears an entry if it is the next one, and gives false if entries between are missing.
func (f *follower) take(entry, before string) bool {
	n, mark, value, ok := parseLogged(entry)
	switch {
	case !ok:
		return false
	case n <= f.n: // known, unless the log was begun anew: then the next look will tell
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

// look reads what is missing. What fails is tried again at the next look: current is not called until then.
func (f *follower) look(ctx context.Context) {
	n, mark, err := f.last(ctx)
	if err == nil && (n != f.n || mark != f.mark) {
		err = f.catchUp(ctx, n, mark)
	}
	if err == nil {
		f.current()
	}
}

// last gives the last number and its mark, 0 and "" for a log in which nothing was ever written.
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

// catchUp reads on from the last entry that is known, if it is there still, or else the whole log.
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
