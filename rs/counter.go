package rs

import (
	"context"
	"net/http"
)

// Counter counts what happens, for metrics. Events and reasons are constants of this
// package, few enough to be labels. What is fetched of keys and metadata, and how often
// keys were used that were due for it, discovery's Provider counts: see its Stats.
type Counter interface {
	Count(ctx context.Context, event Event, reason string)
}

// Event is something that a [Counter] counts.
type Event string

// The events. The reason of Refused is a code of [Error], "none" for a request without a
// token, "limited" for one that Limit rejected, and "unavailable" for one that could not be
// checked. The reason of every other event is "".
const (
	Accepted  Event = "accepted"   // by a Protection
	Refused   Event = "refused"    // by a Protection or a guard behind it
	CacheHit  Event = "cache_hit"  // by a Cache: what was remembered, good or not
	CacheMiss Event = "cache_miss" // by a Cache
	Asked     Event = "asked"      // by an Introspection: the server
	Failed    Event = "failed"     // by an Introspection: no usable answer came
	Limited   Event = "limited"    // by an Introspection: Limit or MaxCalls allowed no call

	SharedHit   Event = "shared_hit"   // by a Cache: what another process was answered
	StoreFailed Event = "store_failed" // by a Cache: Shared could not be asked
)

func count(ctx context.Context, c Counter, event Event) {
	if c != nil {
		c.Count(ctx, event, "")
	}
}

// reason is e's, for a Counter.
func (e *Error) reason() string {
	switch {
	case e.Status >= 500:
		return "unavailable"
	case e.Status == http.StatusTooManyRequests:
		return "limited"
	case e.Code == "":
		return "none"
	}
	return e.Code
}
