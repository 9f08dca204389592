package login

import "context"

// Counter counts events, for metrics. Events and reasons are constants of this package,
// few enough to be labels.
type Counter interface {
	Count(ctx context.Context, event Event, reason string)
}

// Event is something that a [Counter] counts.
type Event string

// The events.
const (
	// DeviceRegistered: a browser has bound its session to a key. The reason is "".
	DeviceRegistered Event = "device_registered"

	// DeviceRefreshed: a browser has proven possession of its session's key. The reason is "".
	DeviceRefreshed Event = "device_refreshed"

	// DeviceRejected: a proof or a request for a challenge was rejected. The reason is one of
	// the Reason constants.
	DeviceRejected Event = "device_rejected"

	// DeviceCookieMissing: a session that is bound to a key came without its bound cookie. The
	// session's cookie may have been copied. The reason is the browser's, from Secure-Session-Skipped:
	// "unreachable", "server_error" or "quota_exceeded"; "none" if the browser sent no reason.
	DeviceCookieMissing Event = "device_cookie_missing"
)

// The reasons of DeviceRejected.
const (
	ReasonProof      = "proof"      // not a proof: the format, typ or alg is wrong
	ReasonKey        = "key"        // signed by another key, or by an unusable one
	ReasonChallenge  = "challenge"  // the challenge is not one of this application for this session
	ReasonLate       = "late"       // the challenge is too old
	ReasonUsed       = "used"       // the challenge was used before
	ReasonRegistered = "registered" // the session has a key already
	ReasonSession    = "session"    // the session has ended, or is unknown
	ReasonFlood      = "flood"      // too many refreshes of one session
)

func (l *Login) count(ctx context.Context, event Event, reason string) {
	if l.config.Counter != nil {
		l.config.Counter.Count(ctx, event, reason)
	}
}
