package grant

import (
	"context"
	"testing"
	"time"
)

// SetWait replaces the pauses between polls with f until the test ends.
func SetWait(t *testing.T, f func(context.Context, time.Duration) error) {
	before := wait
	wait = f
	t.Cleanup(func() { wait = before })
}
