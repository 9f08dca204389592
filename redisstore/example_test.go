package redisstore_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/redisstore"
	"github.com/countersign/countersign/rs"
)

// One store serves everything that the processes of an application share.
func Example() {
	store, err := redisstore.New(redisstore.Config{URL: os.Getenv("REDIS_URL")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	proofs := &rs.DPoP{BaseURL: "https://api.example", Replay: store}
	logouts := &idtoken.Verifier{Issuer: "https://as.example", ClientID: "web", Replay: store}
	fmt.Println(proofs, logouts)
}

// A job that one process is to do at a time.
func ExampleStore_Acquire() {
	job := func(ctx context.Context, store *redisstore.Store) error {
		release, held, err := store.Acquire(ctx, "nightly", time.Minute)
		if err != nil || !held {
			return err // somebody else does it
		}
		defer release()
		return nil // the job, within the minute
	}
	_ = job
}
