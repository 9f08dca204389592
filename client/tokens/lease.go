package tokens

import (
	"context"
	"time"
)

// Leases lets one process at a time do something. redisstore has them.
type Leases interface {
	// Acquire takes the lease on key for at most d. held is false while somebody else
	// has it. release gives it back early, if it is this caller's still.
	Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error)
}

// LocalLeases are the Leases of a program that runs as one process, whatever its store: within
// a process a Refresher does everything once without leases.
type LocalLeases struct{}

// Acquire implements Leases.
func (LocalLeases) Acquire(context.Context, string, time.Duration) (release func(), held bool, err error) {
	return func() {}, true, nil
}
