package rs

import (
	"context"
	"net/http"
)

// Counter counts events, for metrics. Events and reasons are constants of this package, few
// enough to be labels. For fetches of keys and metadata, see discovery.Provider.Stats.
type Counter interface {
	Count(ctx context.Context, event Event, reason string)
}

// Event is an event that a [Counter] counts.
type Event string

// The events. The reason of Refused is a code of [Error], "none", "limited" or "unavailable".
// "none" is for a request without a token, and "limited" for a request that Limit rejected.
// "unavailable" is for a token that could not be checked. The reason of every other event is "".
const (
	Accepted  Event = "accepted"   // by a Protection: a request was accepted
	Refused   Event = "refused"    // by a Protection or a guard behind it: a request was rejected
	CacheHit  Event = "cache_hit"  // by a Cache: the token was remembered, as good or as inactive
	CacheMiss Event = "cache_miss" // by a Cache: the token was not remembered
	Asked     Event = "asked"      // by an Introspection: the server was called
	Failed    Event = "failed"     // by an Introspection: the call returned no usable response
	Limited   Event = "limited"    // by an Introspection: Limit or MaxCalls prevented the call

	SharedHit   Event = "shared_hit"   // by a Cache: a response of another process was used
	StoreFailed Event = "store_failed" // by a Cache: a call of Shared failed
)

func count(ctx context.Context, c Counter, event Event) {
	if c != nil {
		c.Count(ctx, event, "")
	}
}

// reason returns the reason of e for a Counter.
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
