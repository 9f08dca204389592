package issuertest

import (
	"sync"
	"time"
)

type clock struct {
	mu    sync.Mutex
	now   func() time.Time
	ahead time.Duration
}

// Now returns the issuer's time. Use it as the Now field of the client and the API under
// test, so that Advance affects them too.
func (i *Issuer) Now() time.Time {
	i.clock.mu.Lock()
	defer i.clock.mu.Unlock()
	return i.clock.now().Add(i.clock.ahead)
}

// Advance moves the issuer's clock forward by d, or back if d is negative. The Date header of its
// responses follows.
func (i *Issuer) Advance(d time.Duration) {
	i.clock.mu.Lock()
	defer i.clock.mu.Unlock()
	i.clock.ahead += d
}
