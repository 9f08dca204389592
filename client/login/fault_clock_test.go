package login

import (
	"testing"
	"time"
)

// TestAcceptedClock: a clock that was corrected does not make a request recent for ever.
func TestAcceptedClock(t *testing.T) {
	now := time.Now()
	for after, recent := range map[time.Duration]bool{0: true, -time.Second: true, 59 * time.Minute: true, time.Hour: false, -time.Hour: false, -9000 * time.Hour: false} {
		var x accepted
		x.note("request", now)
		if _, ok := x.failed("request", now.Add(after)); ok != recent {
			t.Errorf("%v after the request: %v", after, ok)
		}
	}
}
