package login_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// TestClocksDiffer: a test that changes only one of two clocks gets an error about an old login.
// The error names the clocks.
func TestClocksDiffer(t *testing.T) {
	for _, test := range []struct {
		off  time.Duration // of login.Config.Now
		says string
	}{
		{-time.Hour, "the login began 1h in the future: the clocks of client.Config.Now and login.Config.Now differ"},
		{time.Hour, "the login took longer than 10 minutes, or the clocks of client.Config.Now and login.Config.Now differ"},
	} {
		a := start(t, setting{config: func(c *login.Config) {
			now := c.Now
			c.Now = func() time.Time { return now().Add(test.off) }
		}})
		b := a.browser(t)
		b.want(b.get(a.URL+"/login"), 400, "login_expired")
		if !strings.Contains(a.log.String(), test.says) {
			t.Errorf("%q is not in the log: %s", test.says, a.log)
		}
	}
}
