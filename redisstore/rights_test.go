package redisstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// rights are the rights that a user of the server needs, as in docs/many-machines.md.
const rights = "~countersign:* +getrange +set +get +del +eval +evalsha +pexpire +zadd +zcard +zrange +zrem +zremrangebyscore +zscore"

func setRights(t *testing.T, server *redistest.Server, rights string) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	args := []any{"ACL", "SETUSER", "app", "on", ">canary-password"}
	for _, r := range strings.Fields(rights) {
		args = append(args, r)
	}
	if err := errors.Join(c.Do(t.Context(), args...).Err(), c.ScriptFlush(t.Context()).Err()); err != nil {
		t.Fatal(err)
	}
}

// TestRights: with these rights every call succeeds. Without any of them a call fails. No other
// key can be read.
func TestRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	as := func(prefix string) *redisstore.Store {
		return open(t, server, func(c *redisstore.Config) {
			c.URL, c.Prefix = strings.Replace(server.URL(), "redis://", "redis://app:canary-password@", 1), prefix
		})
	}
	setRights(t, server, rights+" "+logRights)
	wantAll(t, as(""))
	if err := remember(t.Context(), as(""), "x"); err != nil {
		t.Error(err)
	}
	for name, call := range calls {
		if err := call(t.Context(), as("other:")); err == nil || temporary(err) {
			t.Errorf("%s, another's: %v", name, err)
		}
	}
	for _, r := range append(strings.Fields(rights)[1:], "+hmget", "+hset") { // without the other rights of logRights a log is polled
		setRights(t, server, "-"+r[1:])
		err := remember(t.Context(), as(""), "without "+r)
		for _, call := range calls {
			err = errors.Join(err, call(t.Context(), as("")))
		}
		if err == nil {
			t.Errorf("%s is not needed", r)
		}
		setRights(t, server, r)
	}
}

// TestFull: a server without free memory keeps its values, and can delete them.
func TestFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory-policy", "noeviction")
	s, ctx := open(t, server, nil), t.Context()
	if err := remember(ctx, s, "x"); err != nil {
		t.Fatal(err)
	}
	release, _, err := s.Acquire(ctx, "y", long)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	if err := c.ConfigSet(ctx, "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"save", "once", "acquire"} {
		if err := calls[name](ctx, s); !temporary(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	value, err := s.Load(ctx, "x")
	keys, err2 := s.Linked(ctx, "x")
	if err := errors.Join(err, err2, s.Delete(ctx, "x"), s.Unlink(ctx, "x", "x")); err != nil || string(value) != secretValue || len(keys) != 1 {
		t.Errorf("%v %d %v", value != nil, len(keys), err)
	}
	before := c.DBSize(ctx).Val()
	release()
	if after := c.DBSize(ctx).Val(); after != before-1 {
		t.Errorf("a lease was not given back: %d keys, then %d", before, after)
	}
}
