package redisstore_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
)

// Use one store for everything that the processes of an application share.
func Example() {
	var (
		ctx   = context.Background()
		app   *client.Client // the registration
		keys  [][]byte       // 32 bytes from crypto/rand, the same on all machines
		asked rs.Verifier    // an *rs.Introspection, say
	)
	store, err := redisstore.New(redisstore.Config{URL: os.Getenv("REDIS_URL")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	visitors, err := login.New(login.Config{Clients: map[string]*client.Client{"main": app}, Keys: keys, Store: store})
	fresh := &tokens.Refresher{Client: app, Store: store, Leases: store}
	proofs := &rs.DPoP{BaseURL: "https://api.example", Replay: store}
	answers := &rs.Cache{Tokens: asked, Shared: store, SharedKey: keys[0]}
	fmt.Println(visitors, fresh, proofs, answers, err, store.Ping(ctx))
}

// Use Sentinel, with a private certificate authority.
func ExampleNew_sentinel() {
	var (
		sentinels []string // host:port of each
		roots     *x509.CertPool
	)
	c := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "main", SentinelAddrs: sentinels, TLSConfig: &tls.Config{RootCAs: roots}, ContextTimeoutEnabled: true,
	})
	store, err := redisstore.New(redisstore.Config{Client: c})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	fmt.Println(store)
}

// Run a job in one process at a time.
func ExampleStore_Acquire() {
	job := func(ctx context.Context, store *redisstore.Store) error {
		release, held, err := store.Acquire(ctx, "nightly", time.Minute)
		if err != nil || !held {
			return err // another process does it
		}
		defer release()
		return nil // the job, within the minute
	}
	_ = job
}
