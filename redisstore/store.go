package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	defaultPrefix  = "countersign:"
	defaultTimeout = 2 * time.Second
	maxTimeout     = 10 * time.Second
)

// Config is the configuration of a Store. Either URL or Client must be set.
type Config struct {
	// URL is the server's URL in the form of go-redis: rediss://user:password@host:6379/0,
	// unix:///run/redis.sock, or redis:// for a server on loopback.
	URL string

	// Client is a client with its own TLS settings and credentials: a *redis.Client (one
	// server, or behind Sentinel) or a *redis.ClusterClient. It must have
	// ContextTimeoutEnabled; otherwise an unresponsive server blocks callers. It must not read
	// from replicas.
	Client redis.UniversalClient

	// InsecurePlaintext allows redis:// to another machine. Every machine on the network can then read
	// the sessions and the password.
	InsecurePlaintext bool

	// Prefix is the start of every key, so that applications can share a server. "" means
	// "countersign:". In a cluster, a prefix with {…} puts all keys on one node.
	Prefix string

	// Timeout is the time limit of one call, including retries. 0 means 2 seconds; at most 10
	// seconds.
	Timeout time.Duration

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Format implements fmt.Formatter. It does not print URL, which contains the password.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.redacted()) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.redacted()) }

func (c Config) redacted() string { return fmt.Sprintf("[redis store, prefix %q]", c.Prefix) }

// Store is the shared state of an application. It is safe for concurrent use.
type Store struct {
	redis   redis.UniversalClient
	own     bool // New made the client
	prefix  string
	timeout time.Duration
	clock   func() time.Time
}

// New returns a Store, or an error that names every wrong setting. It does not connect to the
// server.
func New(config Config) (*Store, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	s := &Store{redis: config.Client, prefix: config.Prefix, timeout: config.Timeout, clock: config.Now}
	if s.prefix == "" {
		s.prefix = defaultPrefix
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if config.Client == nil {
		s.redis, s.own = connect(config.URL, s.timeout), true
	}
	return s, nil
}

// connect returns a client whose time limits are at most those of a call.
func connect(url string, timeout time.Duration) redis.UniversalClient {
	options, _ := redis.ParseURL(url) // check has parsed it before
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = timeout, timeout, timeout
	options.DialerRetries, options.MaxRetries = 1, -1 // do repeats the commands
	return redis.NewClient(options)
}

func (c *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("redisstore: Config."+format, args...))
	}
	switch {
	case c.URL == "" && c.Client == nil:
		wrong("URL is empty and Client is nil: set one of them")
	case c.URL != "" && c.Client != nil:
		wrong("URL and Client are both set: set one of them")
	case c.URL != "":
		if err := checkURL(c.URL, c.InsecurePlaintext); err != nil {
			wrong("URL %w", err)
		}
	default:
		if err := checkClient(c.Client); err != nil {
			wrong("Client %w", err)
		}
	}
	if c.Timeout < 0 || c.Timeout > maxTimeout {
		wrong("Timeout is %v, expected 0 to %v", c.Timeout, maxTimeout)
	}
	return errors.Join(errs...)
}

// checkURL quotes no part of the URL, because it contains a password.
func checkURL(raw string, plaintext bool) error {
	o, err := redis.ParseURL(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL of a Redis server, expected redis://, rediss:// or unix://")
	case o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify:
		return errors.New("disables the check of the server's certificate (skip_verify): remove it")
	case o.TLSConfig == nil && o.Network != "unix" && !isLoopback(o.Addr) && !plaintext:
		return errors.New("is redis:// to another machine, which is not encrypted: use rediss://, or set InsecurePlaintext")
	}
	return nil
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func checkClient(c redis.UniversalClient) error {
	bounded, replicas := false, false
	switch c := c.(type) {
	case *redis.Client:
		bounded = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		o := c.Options()
		bounded, replicas = o.ContextTimeoutEnabled, o.ReadOnly || o.RouteByLatency || o.RouteRandomly
	default: // a Ring moves the keys of a failed server to another one, which does not have them
		return fmt.Errorf("is a %T, expected a *redis.Client or a *redis.ClusterClient", c)
	}
	switch {
	case !bounded:
		return errors.New("does not set ContextTimeoutEnabled, which is required: set it to true in the client's options")
	case replicas:
		return errors.New("reads from replicas, which may still have sessions that ended: disable ReadOnly, RouteByLatency and RouteRandomly")
	}
	return nil
}

// Ping checks that the server responds, for a readiness check. It reads a key that never
// exists, because the nodes of a cluster that is down still respond to PING. Every error is an
// [*Error].
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, "ping", func(ctx context.Context) error {
		return s.redis.GetRange(ctx, s.name(kindValue, ""), 0, 0).Err()
	})
}

// Close closes the connections that New made. It does not close a Client from the configuration. An
// error comes from the connections.
func (s *Store) Close() error {
	if !s.own {
		return nil
	}
	return s.redis.Close()
}

// String returns the prefix of the store and none of its data.
func (s *Store) String() string { return fmt.Sprintf("[redis store, prefix %q]", s.prefix) }

// Format implements fmt.Formatter. Every verb prints the result of String.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// The pauses between two tries of a call.
const (
	firstPause = 4 * time.Millisecond
	maxPause   = 200 * time.Millisecond
)

// do makes one call to the server, within the time limit. It repeats the call after a fault that
// may be short, such as a failover. The library repeats a command for a tenth of a second only. So
// a command may run more than once, also after the server has executed it. The result must be the
// same.
func (s *Store) do(ctx context.Context, op string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var last *Error
	for wait := firstPause; ; wait = min(2*wait, maxPause) {
		err := call(ctx)
		if err == nil || errors.Is(err, redis.Nil) {
			return nil
		}
		e := newError(op, err)
		s.reload(ctx, e)
		if last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return last // says more than that time is over
		}
		if !e.mends || !pause(ctx, wait) {
			return e
		}
		last = e
	}
}

// reload makes a cluster's client look for the nodes. Without this, requests go to a failed node for
// a minute after another took over its slots.
func (s *Store) reload(ctx context.Context, e *Error) {
	if cluster, ok := s.redis.(*redis.ClusterClient); ok && e.Code == "" && !errors.Is(e, context.Canceled) {
		cluster.ReloadState(ctx)
	}
}

// pause waits for about d. It returns false if ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d/2 + rand.N(d)):
		return true
	case <-ctx.Done():
		return false
	}
}

// The kinds of keys. They separate a lease from a value of the same name.
const (
	kindValue = "v:"
	kindLease = "l:"
	kindOnce  = "o:"
	kindIndex = "i:"
)

// name returns the key on the server. It has a fixed length and reveals nothing about the
// caller's key.
func (s *Store) name(kind, key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.prefix + kind + base64.RawURLEncoding.EncodeToString(sum[:])
}

// ttl returns the time until the given one in milliseconds, rounded up. It is below 1 if the
// time has passed.
func (s *Store) ttl(until time.Time) int64 { return milliseconds(until.Sub(s.clock())) }

func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Millisecond) + 1
}
