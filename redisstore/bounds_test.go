package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
)

// fillLog adds numbered values to a log, as Append does. Keys: values and times. Arguments: the
// first number, the last one, the time until which they are kept.
var fillLog = redis.NewScript(`
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
	redis.call('ZADD', KEYS[1], i, i .. ' mark value')
	redis.call('ZADD', KEYS[2], ARGV[3], i)
end`)

// TestFullLog: a log has at most 1,048,576 values. Expired values make room.
func TestFullLog(t *testing.T) {
	t.Parallel()
	const most = 1_048_576
	server := redistest.Start(t)
	s := open(t, server, nil)
	add := func() error { return s.Append(t.Context(), "x", []byte("value"), soon()) }
	if err := add(); err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr, ReadTimeout: time.Minute})
	defer c.Close()
	values := c.Keys(t.Context(), "*values").Val()[0]
	keys := []string{values, strings.TrimSuffix(values, "values") + "times"}
	fill := func(from, to int, until time.Time) {
		t.Helper()
		for ; from <= to; from += 1 << 16 { // the server answers in between
			if err := fillLog.Run(t.Context(), c, keys, from, min(to, from+1<<16-1), until.UnixMilli()).Err(); err != nil && err != redis.Nil {
				t.Fatal(err)
			}
		}
	}
	fill(2, 100, time.Now().Add(-time.Second))
	fill(101, most, time.Now().Add(time.Hour))
	if err := c.HSet(t.Context(), strings.TrimSuffix(values, "values")+"last", "n", most, "mark", "mark").Err(); err != nil {
		t.Fatal(err)
	}
	for range 99 { // the expired values, which the first Append removes
		if err := add(); err != nil {
			t.Fatalf("after values have expired: %v", err)
		}
	}
	for range 2 {
		if err := add(); err == nil || temporary(err) || !strings.Contains(err.Error(), "full") {
			t.Errorf("one more: %v", err)
		}
	}
	if n := c.ZCard(t.Context(), values).Val(); n != most {
		t.Errorf("the log has %d values, expected %d", n, most)
	}
	if err := s.Append(t.Context(), "another", nil, soon()); err != nil {
		t.Errorf("another log: %v", err)
	}
}
