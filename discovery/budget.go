package discovery

import "time"

// Unknown key IDs may make the module ask the server, but only so often: a flood
// of bad tokens costs a bounded number of requests, and one bogus ID does not
// keep a key out that was rotated in.
const (
	budgetSize     = 3
	budgetInterval = 30 * time.Second
	unknownMemory  = time.Minute
	unknownMax     = 1000
)

// budget is a token bucket. The zero value is full. Its owner holds a lock.
type budget struct {
	spent int
	since time.Time // of the last refill
}

// take spends one, if there is one.
func (b *budget) take(now time.Time) bool {
	if now.Before(b.since) { // the clock was put back
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

// unknownIDs remembers key IDs that the server did not know a moment ago. The
// zero value is ready. Its owner holds a lock.
type unknownIDs struct{ until map[string]time.Time }

func (u *unknownIDs) has(kid string, now time.Time) bool {
	left := u.until[kid].Sub(now)
	return left > 0 && left <= unknownMemory // more than that is left by a clock that was put back
}

// add remembers kid. When there are too many the memory is wiped: it saves
// requests only where few IDs come often, and the budget bounds the rest.
func (u *unknownIDs) add(kid string, now time.Time) {
	if u.until == nil || len(u.until) >= unknownMax {
		u.until = map[string]time.Time{}
	}
	u.until[kid] = now.Add(unknownMemory)
}
