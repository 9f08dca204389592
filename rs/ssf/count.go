package ssf

import "context"

// Counter counts events, for metrics. Event names and reasons are constants of this package or
// known event types, few enough to be labels.
type Counter interface {
	Count(ctx context.Context, event, reason string)
}

// The events that a [Counter] counts.
const (
	Received     = "ssf_received"     // an event that passed every check; the reason is its type, or "unknown"
	Applied      = "ssf_applied"      // an event whose effects succeeded; the reason is its type
	Duplicate    = "ssf_duplicate"    // a token that was applied before; it is acknowledged again
	Unresolved   = "ssf_unresolved"   // an event about an unknown subject; it is acknowledged
	Foreign      = "ssf_foreign"      // an event about a subject of an issuer that is not in Issuers; it is acknowledged
	Rejected     = "ssf_rejected"     // a token that failed a check; the reason is the error code
	EffectFailed = "ssf_effectfailed" // an effect or the Store failed; the event is not acknowledged
	PollFailed   = "ssf_pollfailed"   // a poll got no usable response
)

func (r *Receiver) count(ctx context.Context, event, reason string) {
	if r.Counter != nil {
		r.Counter.Count(ctx, event, reason)
	}
}

// label returns the type as a label. All unknown types have one label.
func (e Event) label() string {
	if e.known() {
		return e.Type
	}
	return "unknown"
}
