package login

import (
	"sync"
	"time"
)

// The budget for the refreshes of a session. A browser sends two requests for each refresh, every
// few minutes.
const (
	refreshBurst    = 20
	refreshInterval = 3 * time.Second // one more request is allowed after this time
	maxBudgets      = 100_000
)

// budgets limit how often one session may be refreshed at this process.
type budgets struct {
	mu  sync.Mutex
	all map[string]budget // by the hash of the session's id
}

type budget struct {
	left float64
	at   time.Time
}

// allow reports whether one more request is within the budget. If there are too many sessions to
// count, counting starts again. Only existing sessions have entries.
func (b *budgets) allow(hash string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	one, known := b.all[hash]
	if !known {
		if b.all == nil || len(b.all) >= maxBudgets {
			b.all = map[string]budget{}
		}
		one = budget{refreshBurst, now}
	}
	if gained := now.Sub(one.at); gained > 0 {
		one.left = min(refreshBurst, one.left+float64(gained)/float64(refreshInterval))
	}
	one.at = now
	allowed := one.left >= 1
	if allowed {
		one.left--
	}
	b.all[hash] = one
	return allowed
}
