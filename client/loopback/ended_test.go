package loopback

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestUserDoesNotSignIn: the error says what did not happen and what to do, not how Go waits.
func TestUserDoesNotSignIn(t *testing.T) {
	late, stop := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer stop()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, test := range map[string]struct {
		ctx   context.Context
		cause error
		want  string
	}{
		"deadline": {late, context.DeadlineExceeded, "client: callback: the user did not finish the sign-in in the browser within 5m: start again, or give ctx a later deadline (at most 10 minutes)"},
		"canceled": {canceled, context.Canceled, "client: callback: the login was canceled before its response arrived"},
	} {
		_, err := newWait(nil, nil, nil, 5*time.Minute).result(test.ctx)
		if err == nil || err.Error() != test.want || !errors.Is(err, test.cause) {
			t.Errorf("%s: %v, expected %s", name, err, test.want)
		}
	}
	w := newWait(nil, nil, nil, time.Minute)
	w.strangers, w.last = 2, errState
	if _, err := w.result(late); !strings.Contains(err.Error(), "2 callbacks were rejected") || !errors.Is(err, errState) {
		t.Error(err)
	}
}

// TestLimit: the error contains the time that the program set.
func TestLimit(t *testing.T) {
	for _, want := range []time.Duration{5 * time.Minute, 10 * time.Second} {
		ctx, stop := context.WithTimeout(t.Context(), want)
		if got := limitOf(ctx); got != want {
			t.Errorf("%v, expected %v", got, want)
		}
		stop()
	}
}
