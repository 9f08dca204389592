package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	defaultPrefix  = "countersign:"
	defaultTimeout = 2 * time.Second
	maxTimeout     = 10 * time.Second
)

// Config says which server. URL or Client must be set, and not both.
type Config struct {
	// URL is the server's as go-redis reads it: rediss://user:password@host:6379/0,
	// unix:///run/redis.sock, or redis:// for a server on loopback.
	URL string

	// Client is one that was made elsewhere, with TLS and credentials of its own: a
	// *redis.Client (of one server, or behind Sentinel) or a *redis.ClusterClient. It must
	// have ContextTimeoutEnabled, without which a dead server holds callers up, and must
	// not read from replicas.
	Client redis.UniversalClient

	// InsecurePlaintext lets URL be redis:// to another machine: sessions and the password
	// then cross the network for everybody on it to read.
	InsecurePlaintext bool

	// Prefix begins every key, so that applications can share a server. "" means
	// "countersign:". In a cluster a prefix with {…} puts everything on one node.
	Prefix string

	// Timeout is how long a call may take, tries included. 0 means 2 seconds; at most 10.
	Timeout time.Duration

	// Now is the clock. nil means time.Now.
	Now func() time.Time
}

// Format implements fmt.Formatter: URL has the password in it.
func (c Config) Format(f fmt.State, _ rune) { io.WriteString(f, c.redacted()) }

// LogValue implements slog.LogValuer.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.redacted()) }

func (c Config) redacted() string { return fmt.Sprintf("[redis store, prefix %q]", c.Prefix) }

// Store is the shared state of an application. It may be used by many goroutines at once.
type Store struct {
	redis   redis.UniversalClient
	own     bool // New made the client
	prefix  string
	timeout time.Duration
	clock   func() time.Time
}

// New makes a Store, or names everything that is wrong with the configuration. It does
// not touch the network.
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

// connect makes a client whose own limits are below ours, so that it tries again
// before time is up.
func connect(url string, timeout time.Duration) redis.UniversalClient {
	options, _ := redis.ParseURL(url) // which check has read before
	options.ContextTimeoutEnabled = true
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout = timeout, timeout, timeout
	options.DialerRetries = 1 // the commands are repeated
	return redis.NewClient(options)
}

func (c *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("redisstore: Config."+format, args...))
	}
	switch {
	case c.URL == "" && c.Client == nil:
		wrong("URL is empty and Client is nil")
	case c.URL != "" && c.Client != nil:
		wrong("URL and Client are both set")
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
		wrong("Timeout is %v; it goes from 0 to %v", c.Timeout, maxTimeout)
	}
	return errors.Join(errs...)
}

// checkURL quotes nothing: there is a password in a URL.
func checkURL(raw string, plaintext bool) error {
	o, err := redis.ParseURL(raw)
	switch {
	case err != nil:
		return errors.New("is not a URL of a Redis server: redis://, rediss:// or unix://")
	case o.TLSConfig != nil && o.TLSConfig.InsecureSkipVerify:
		return errors.New("switches the check of the server's certificate off (skip_verify)")
	case o.TLSConfig == nil && o.Network != "unix" && !isLoopback(o.Addr) && !plaintext:
		return errors.New("is redis:// to another machine: use rediss://, or set InsecurePlaintext")
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
	default: // a Ring gives the keys of a server that is down to another, which knows nothing
		return fmt.Errorf("is a %T; it must be a *redis.Client or a *redis.ClusterClient", c)
	}
	switch {
	case !bounded:
		return errors.New("lacks ContextTimeoutEnabled")
	case replicas:
		return errors.New("reads from replicas, where a session that was ended lives on for a while")
	}
	return nil
}

// Ping asks the server for a sign of life, for a readiness check: for a key that is never
// there, since nodes of a cluster that is down still answer PING.
func (s *Store) Ping(ctx context.Context) error {
	return s.do(ctx, "ping", func(ctx context.Context) error {
		return s.redis.GetRange(ctx, s.name(kindValue, ""), 0, 0).Err()
	})
}

// Close closes the connections that New made; a Client that was given stays open.
func (s *Store) Close() error {
	if !s.own {
		return nil
	}
	return s.redis.Close()
}

// String names the store, and nothing that is in it.
func (s *Store) String() string { return fmt.Sprintf("[redis store, prefix %q]", s.prefix) }

// Format implements fmt.Formatter: every verb prints what String gives.
func (s *Store) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

// do makes one call to the server, within its time.
func (s *Store) do(ctx context.Context, op string, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := call(ctx)
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	e := newError(op, err)
	if cluster, ok := s.redis.(*redis.ClusterClient); ok && e.Code == "" && !errors.Is(err, context.Canceled) {
		cluster.ReloadState(ctx) // or a node that is gone is asked for a minute, while another has its slots
	}
	return e
}

// The kinds of keys, so that a lease and a value of one name are two.
const (
	kindValue = "v:"
	kindLease = "l:"
	kindOnce  = "o:"
	kindIndex = "i:"
)

// name is the key on the server: of one length, and with nothing of the caller's to read.
func (s *Store) name(kind, key string) string {
	sum := sha256.Sum256([]byte(key))
	return s.prefix + kind + base64.RawURLEncoding.EncodeToString(sum[:])
}

// ttl is the time until then in milliseconds, rounded up; below 1 if it is over.
func (s *Store) ttl(until time.Time) int64 { return milliseconds(until.Sub(s.clock())) }

func milliseconds(d time.Duration) int64 {
	if d <= 0 {
		return 0
	}
	return int64((d-1)/time.Millisecond) + 1
}
