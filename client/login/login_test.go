package login_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/countersign/countersign/client/login"
)

// bothKinds runs a test with sealed cookies and with a Store.
func bothKinds(t *testing.T, test func(t *testing.T, set setting)) {
	t.Run("sealed", func(t *testing.T) { test(t, setting{}) })
	t.Run("store", func(t *testing.T) {
		test(t, setting{config: func(c *login.Config) { c.Store = &login.Memory{Now: c.Now} }})
	})
}

// and adds a change of the configuration.
func (s setting) and(more func(*login.Config)) setting {
	before := s.config
	s.config = func(c *login.Config) {
		if before != nil {
			before(c)
		}
		more(c)
	}
	return s
}

func TestSignInAndOut(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.want(b.get(a.URL+"/hello"), 200, "nobody at /hello")
		b.want(b.get(a.URL+"/private/deep?x=1&y=%20"), 200, "alice at /private/deep?x=1&y=%20")
		b.want(b.get(a.URL+"/hello"), 200, "alice at /hello")
		if a.as.Hits("/token") != 1 {
			t.Errorf("%d token requests", a.as.Hits("/token"))
		}
		b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody at /")
		if got := b.still().get(a.URL + "/private/"); got.status != http.StatusSeeOther {
			t.Errorf("after the logout: %d %s", got.status, got.body)
		}
	})
}
