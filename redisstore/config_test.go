package redisstore_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/redisstore"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	bounded := redis.NewClient(&redis.Options{ContextTimeoutEnabled: true})
	for _, test := range []struct {
		name   string
		config redisstore.Config
		wrong  string // "": it is accepted
	}{
		{"a URL on loopback", redisstore.Config{URL: "redis://127.0.0.1:6379/1"}, ""},
		{"a URL on localhost", redisstore.Config{URL: "redis://localhost"}, ""},
		{"a URL with TLS", redisstore.Config{URL: "rediss://user:canary-password@redis.example:6380"}, ""},
		{"a socket", redisstore.Config{URL: "unix:///run/redis.sock"}, ""},
		{"plaintext, on purpose", redisstore.Config{URL: "redis://redis.example", InsecurePlaintext: true}, ""},
		{"a client", redisstore.Config{Client: bounded, Timeout: 10 * time.Second}, ""},
		{"a cluster", redisstore.Config{Client: redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"h:1"}, ContextTimeoutEnabled: true})}, ""},
		{"nothing", redisstore.Config{}, "Config.URL is empty and Client is nil"},
		{"both", redisstore.Config{URL: "redis://127.0.0.1", Client: bounded}, "both set"},
		{"no URL", redisstore.Config{URL: "canary-password@redis"}, "not a URL of a Redis server"},
		{"plaintext to another machine", redisstore.Config{URL: "redis://user:canary-password@redis.example"}, "InsecurePlaintext"},
		{"any certificate", redisstore.Config{URL: "rediss://redis.example?skip_verify=true"}, "skip_verify"},
		{"a client without deadlines", redisstore.Config{Client: redis.NewClient(&redis.Options{})}, "ContextTimeoutEnabled"},
		{"a cluster's replicas", redisstore.Config{Client: redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"h:1"}, ContextTimeoutEnabled: true, ReadOnly: true})}, "replicas"},
		{"a ring", redisstore.Config{Client: redis.NewRing(&redis.RingOptions{ContextTimeoutEnabled: true})}, "*redis.Ring"},
		{"a negative timeout", redisstore.Config{URL: "redis://127.0.0.1", Timeout: -1}, "Config.Timeout"},
		{"a long timeout", redisstore.Config{URL: "redis://127.0.0.1", Timeout: 11 * time.Second}, "Config.Timeout"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := redisstore.New(test.config)
			if test.wrong == "" {
				if err != nil {
					t.Fatal(err)
				}
				s.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.wrong) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v; want %q", err, test.wrong)
			}
		})
	}
}

// TestRedaction: neither the configuration nor the store prints the password. LOG-01.
func TestRedaction(t *testing.T) {
	t.Parallel()
	config := redisstore.Config{URL: "rediss://user:canary-password@redis.example", Prefix: "p:"}
	s, err := redisstore.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", config, "store", s)
	for _, text := range []string{
		fmt.Sprintf("%v %+v %#v %s %q", config, config, config, config, config),
		fmt.Sprintf("%v %+v %#v %s %d", s, s, s, s, s), log.String(), s.String(),
	} {
		if strings.Contains(text, "canary") || strings.Contains(text, "redis.example") {
			t.Errorf("prints %s", strings.ReplaceAll(text, "canary", "***"))
		}
	}
}
