package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// wantTemporary makes every call. Each must end with a temporary error that contains no secret.
func wantTemporary(t *testing.T, s *redisstore.Store) {
	t.Helper()
	var group sync.WaitGroup
	for name, call := range calls {
		group.Go(func() {
			began := time.Now()
			err := call(context.Background(), s)
			var e *redisstore.Error
			if !temporary(err) || !errors.As(err, &e) || e.Op != name {
				t.Errorf("%s: %v", name, err)
			}
			if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, "canary") {
				t.Errorf("%s: the error tells a secret", name)
			}
			if took := time.Since(began); took > 2*time.Minute {
				t.Errorf("%s ended after %v", name, took)
			}
		})
	}
	group.Wait()
}

// TestServerLost: without a server every call fails. Afterwards every call succeeds again.
func TestServerLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := open(t, server, nil)
	for name, call := range calls {
		if err := call(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	server.Kill()
	wantTemporary(t, open(t, server, hurried))
	server.Restart()
	eventually(t, func() bool { return s.Ping(t.Context()) == nil })
	for name, call := range calls {
		if err := call(t.Context(), s); err != nil {
			t.Errorf("after the restart, %s: %v", name, err)
		}
	}
}

// TestNoAnswer: servers that accept connections and send nothing, nonsense, or close them.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	for name, talk := range map[string]func(net.Conn){
		"nothing":  func(c net.Conn) { io.Copy(io.Discard, c) },
		"nonsense": func(c net.Conn) { c.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); io.Copy(io.Discard, c) },
		"goodbye":  func(c net.Conn) {},
		"endless": func(c net.Conn) {
			for _, err := c.Write([]byte("$1")); err == nil; _, err = c.Write([]byte("0")) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for c, err := l.Accept(); err == nil; c, err = l.Accept() {
					go func() { defer c.Close(); talk(c) }()
				}
			}()
			s, err := redisstore.New(redisstore.Config{URL: "redis://" + l.Addr().String(), Timeout: 100 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			wantTemporary(t, s)
		})
	}
}

// TestGivenUp: a call ends when its context ends.
func TestGivenUp(t *testing.T) {
	t.Parallel()
	s := open(t, redistest.Start(t), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range calls {
		if err := call(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRestart: with its file a restarted server has all values, without it none.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		kept bool
	}{{"with data", []string{"--appendonly", "yes", "--appendfsync", "no"}, true}, {"without", nil, false}} {
		t.Run(test.name, func(t *testing.T) {
			server := redistest.Start(t, test.args...)
			s, ctx := open(t, server, nil), t.Context()
			first, err := s.Once(ctx, secretKey, soon())
			_, held, err2 := s.Acquire(ctx, secretKey, long)
			if err := errors.Join(err, err2, s.Save(ctx, secretKey, []byte(secretValue), soon()), s.Link(ctx, secretKey, "x", soon())); err != nil || !first || !held {
				t.Fatal(err, first, held)
			}
			server.Restart()
			value, err := s.Load(ctx, secretKey)
			first, err2 = s.Once(ctx, secretKey, soon())
			_, held, err3 := s.Acquire(ctx, secretKey, long)
			keys, err4 := s.Linked(ctx, secretKey)
			if err := errors.Join(err, err2, err3, err4); err != nil {
				t.Fatal(err)
			}
			if kept := string(value) == secretValue; kept != test.kept || first == test.kept || held == test.kept || (len(keys) == 1) != test.kept {
				t.Errorf("kept %v, once more %v, lease again %v, linked %d", kept, first, held, len(keys))
			}
		})
	}
}

// TestServerRefuses: an error that an operator must fix is not temporary. Others are.
func TestServerRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name      string
		args      []string
		setup     []any
		code      string
		temporary bool
	}{
		{"a password", []string{"--requirepass", "canary-password"}, nil, "NOAUTH", false},
		{"no memory", []string{"--maxmemory", "1"}, nil, "OOM", true},
		{"no rights", nil, []any{"ACL", "SETUSER", "default", "-@all", "+acl", "+hello", "+client"}, "NOPERM", false},
		{"too few replicas", []string{"--min-replicas-to-write", "1"}, nil, "NOREPLICAS", true},
		{"a replica", nil, []any{"REPLICAOF", "127.0.0.1", "1"}, "READONLY", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			server := redistest.Start(t, test.args...)
			if test.setup != nil {
				c := redis.NewClient(&redis.Options{Addr: server.Addr})
				defer c.Close()
				if err := c.Do(ctx, test.setup...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, server, func(c *redisstore.Config) { c.Timeout = 3 * time.Second })
			var group sync.WaitGroup
			for _, name := range []string{"save", "once", "acquire"} {
				group.Go(func() {
					err := calls[name](ctx, s)
					var e *redisstore.Error
					if !errors.As(err, &e) || e.Code != test.code || temporary(err) != test.temporary || strings.Contains(err.Error(), "canary") {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			group.Wait()
		})
	}
}

// TestForeign: values that another program wrote are an error. They are neither returned nor
// treated as missing.
func TestForeign(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, ctx := open(t, server, nil), t.Context()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	if err := calls["save"](ctx, s); err != nil {
		t.Fatal(err)
	}
	names, err := c.Keys(ctx, "*").Result()
	if err != nil || len(names) != 1 {
		t.Fatal(names, err)
	}
	for name, value := range map[string]string{"of another format": "2" + secretValue, "too long": "1" + strings.Repeat("x", 1<<20)} {
		if err := c.Set(ctx, names[0], value, 0).Err(); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Load(ctx, secretKey); got != nil || err == nil || temporary(err) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	c.Del(ctx, names[0])
	c.LPush(ctx, names[0], "x")
	if got, err := s.Load(ctx, secretKey); got != nil || err == nil || temporary(err) {
		t.Errorf("of another type: %d bytes, %v", len(got), err)
	}
}

// TestNames: the names of keys contain no information, and every key expires.
func TestNames(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s, ctx := open(t, server, nil), t.Context()
	_, once := s.Once(ctx, secretKey, soon())
	_, _, lease := s.Acquire(ctx, secretKey, long)
	if err := errors.Join(s.Save(ctx, secretKey, []byte(secretValue), soon()), once, lease, s.Link(ctx, secretKey, "x", soon())); err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	names, err := c.Keys(ctx, "*").Result()
	if err != nil || len(names) != 4 {
		t.Fatal(len(names), err)
	}
	for _, name := range names {
		if !strings.HasPrefix(name, "countersign:") || strings.Contains(name, "canary") || len(name) != len("countersign:v:")+43 {
			t.Errorf("a name of %d characters", len(name))
		}
		if ttl := c.PTTL(ctx, name).Val(); ttl <= 0 || ttl > long {
			t.Errorf("%s… ends in %v", name[:14], ttl)
		}
	}
}

// TestAnswerLost: a call is repeated after a broken connection. The call that was
// first still gets "first", and others do not.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	for _, name := range []string{"once", "acquire"} {
		lossy := loseOneAnswer(t, server.Addr)
		s, ctx := open(t, server, func(c *redisstore.Config) { c.URL = "redis://" + lossy }), t.Context()
		yes := map[string]func() (bool, error){
			"once":    func() (bool, error) { return s.Once(ctx, name, soon()) },
			"acquire": func() (bool, error) { _, held, err := s.Acquire(ctx, name, time.Minute); return held, err },
		}[name]
		if got, err := yes(); !got || err != nil {
			t.Errorf("%s, its answer lost: %v, %v", name, got, err)
		}
		if got, err := yes(); got || err != nil {
			t.Errorf("%s, a second time: %v, %v", name, got, err)
		}
	}
}

// loseOneAnswer forwards to a server, and closes the connection instead of the first response to
// a script.
func loseOneAnswer(t *testing.T, to string) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	var lost atomic.Bool
	pass := func(near net.Conn) {
		defer near.Close()
		far, err := net.Dial("tcp", to)
		if err != nil {
			return
		}
		defer far.Close()
		in, out := make([]byte, 64<<10), make([]byte, 64<<10)
		for {
			n, err := near.Read(in)
			if err != nil {
				return
			}
			far.Write(in[:n])
			m, err := far.Read(out)
			if err != nil || strings.Contains(string(in[:n]), "\r\neval") && out[0] == ':' && !lost.Swap(true) {
				return
			}
			near.Write(out[:m])
		}
	}
	go func() {
		for c, err := l.Accept(); err == nil; c, err = l.Accept() {
			go pass(c)
		}
	}()
	return l.Addr().String()
}
