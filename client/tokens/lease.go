package tokens

import (
	"context"
	"time"
)

// Leases give one process at a time the exclusive right to a task. [FileStore], [LocalLeases],
// login.Memory, redisstore.Store and sqlstore.Store implement it.
type Leases interface {
	// Acquire acquires the lease on key for at most d. held is false while another caller has
	// it. release ends the lease early, unless another caller has it by then.
	Acquire(ctx context.Context, key string, d time.Duration) (release func(), held bool, err error)
}

// LocalLeases are the Leases of a program that runs as a single process, with any store. Within a
// process, a Refresher needs no leases. It is safe for concurrent use.
type LocalLeases struct{}

// Acquire implements Leases. It returns no error.
func (LocalLeases) Acquire(context.Context, string, time.Duration) (release func(), held bool, err error) {
	return func() {}, true, nil
}
