package grpcrs

import (
	"context"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/countersign/countersign/rs"
)

const (
	expiredChallenge = `Bearer error="invalid_token", error_description="the access token has expired"`
	handlerGrace     = time.Second // for a handler that watches its context
)

var errExpired = status.Error(codes.Unauthenticated, "the access token has expired")

// left returns how long the token of a stream is valid. expires is false for a stream that does
// not end: its method is public, its token has no expiry, or Config.InsecureKeepStreams is set.
func (i *Interceptors) left(ctx context.Context) (left time.Duration, expires bool) {
	who, ok := rs.FromContext(ctx)
	if !ok || who.Expiry.IsZero() || i.keepStreams {
		return 0, false
	}
	return who.Expiry.Sub(i.now()), true
}

// untilExpiry runs a handler until it returns or the token expires. At expiry it cancels the
// handler's context, waits a moment and returns. Then grpc ends the stream, and a handler that
// waits for a message gets an error.
func untilExpiry(ctx context.Context, left time.Duration, run func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan result, 1)
	go func() {
		r := result{panicked: true}
		defer func() {
			if r.panicked {
				r.value = recover()
			}
			done <- r
		}()
		r.err = run(ctx)
		r.panicked = false
	}()
	expiry := time.NewTimer(left)
	defer expiry.Stop()
	select {
	case r := <-done:
		return r.get()
	case <-expiry.C:
	}
	cancel(errExpired)
	grace := time.NewTimer(handlerGrace)
	defer grace.Stop()
	select {
	case r := <-done:
		r.get() // a panic is for the server to handle
	case <-grace.C:
	}
	return errExpired
}

// result is the result of a handler.
type result struct {
	err      error
	panicked bool
	value    any
}

// get panics if the handler panicked, so that an outer interceptor may recover.
func (r result) get() error {
	if r.panicked {
		panic(r.value)
	}
	return r.err
}
