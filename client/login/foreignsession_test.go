package login_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
)

// TestForeignSession: two applications on one host with the same keys replace each other's
// session. The log says so once. Cookies of ports are not separate.
func TestForeignSession(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		set.as = a.as
		config := set.config
		set.config = func(c *login.Config) {
			if config != nil {
				config(c)
			}
		}
		set.client = func(c *client.Config) { c.ClientID = "second" }
		second := start(t, set)
		b := a.browser(t)
		b.signIn(a)
		for range 3 {
			b.want(b.get(a.URL+"/"), 200, "alice")
		}
		if strings.Contains(a.log.String(), "level=WARN") {
			t.Errorf("a warning about the own cookie: %s", a.log)
		}
		for range 3 {
			b.want(b.get(second.URL+"/"), 200, "nobody")
		}
		if n := strings.Count(second.log.String(), "a session cookie belongs to another registration"); n != 1 {
			t.Errorf("%d warnings: %s", n, second.log)
		}
	})
}
