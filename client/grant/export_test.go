package grant

import (
	"context"
	"testing"
	"time"
)

// SetWait has polls wait by f until the test ends.
func SetWait(t *testing.T, f func(context.Context, time.Duration) error) {
	before := wait
	wait = f
	t.Cleanup(func() { wait = before })
}
