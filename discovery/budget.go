package discovery

import "time"

// A token with an unknown key ID can cause a request for newer keys, within a budget. The number of
// requests that a flood of invalid tokens causes is bounded. One invalid key ID does not block the
// fetch of a rotated key.
const (
	budgetSize     = 3
	budgetInterval = 30 * time.Second
	unknownMemory  = time.Minute
	unknownMax     = 1000
)

// budget is a token bucket. The zero value is full. The caller holds a lock.
type budget struct {
	spent int
	since time.Time // time of the last refill
}

// take spends one request. It returns false if none is left.
func (b *budget) take(now time.Time) bool {
	if now.Before(b.since) { // the clock was set back
		b.since = now
	}
	if n := int(now.Sub(b.since) / budgetInterval); n > 0 {
		b.spent = max(b.spent-n, 0)
		b.since = b.since.Add(time.Duration(n) * budgetInterval)
	}
	if b.spent == 0 {
		b.since = now
	}
	if b.spent == budgetSize {
		return false
	}
	b.spent++
	return true
}

// unknownIDs stores key IDs that the server recently did not have. The zero value is ready to
// use. The caller holds a lock.
type unknownIDs struct{ until map[string]time.Time }

func (u *unknownIDs) has(kid string, now time.Time) bool {
	left := u.until[kid].Sub(now)
	return left > 0 && left <= unknownMemory // a longer time means that the clock was set back
}

// add stores kid. If there are too many key IDs, it clears the memory. The memory only saves
// requests for key IDs that are repeated; the budget bounds all requests.
func (u *unknownIDs) add(kid string, now time.Time) {
	if u.until == nil || len(u.until) >= unknownMax {
		u.until = map[string]time.Time{}
	}
	u.until[kid] = now.Add(unknownMemory)
}
