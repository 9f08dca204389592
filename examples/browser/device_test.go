package browser

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/redistest"
	"github.com/countersign/countersign/redisstore"
)

// deviceRefresh is the shortest allowed interval. The test waits for one, by the browser's clock.
const deviceRefresh = 10 * time.Second

// tally is a Counter.
type tally struct {
	mu    sync.Mutex
	all   map[login.Event]int
	first map[login.Event]time.Time
}

func (c *tally) Count(_ context.Context, event login.Event, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all, c.first = map[login.Event]int{}, map[login.Event]time.Time{}
	}
	if c.all[event]++; c.all[event] == 1 {
		c.first[event] = time.Now()
	}
}

// between returns the time from the first event of one kind to the first of another.
func (c *tally) between(from, to login.Event) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first[to].Sub(c.first[from])
}

func (c *tally) of(event login.Event) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[event]
}

// cookieHeader returns all cookies of the application, as malware would copy them.
func (p *person) cookieHeader() string {
	p.t.Helper()
	all := read(p, "cookies", func(ctx context.Context, t *chromedp.Target) (network.GetCookiesResult, error) {
		return cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.s.app}})
	})
	var pairs []string
	for _, c := range all.Cookies {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// statusWith requests a page with copied cookies, from another client.
func (s *site) statusWith(t *testing.T, cookies string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.app+"/albums/7", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Cookie", cookies)
	resp, err := toLoopback().Transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestDeviceBound: Chromium registers a key, refreshes before the cookie expires, and continues
// after a restart of the application. Copied cookies are rejected after one refresh interval.
// Signing out ends both.
func TestDeviceBound(t *testing.T) {
	var counter tally
	binding := func(c *login.Config) {
		c.Device, c.Counter = &login.Device{Refresh: deviceRefresh}, &counter
	}
	t.Run("sealed cookies", func(t *testing.T) {
		counter = tally{}
		testDeviceBound(t, &counter, startSite(t, "", binding))
	})
	t.Run("two processes over Redis", func(t *testing.T) {
		counter = tally{}
		if browserPath == "" {
			t.Skip("no browser: make browser")
		}
		url := redistest.Start(t).URL()
		process := func(c *login.Config) {
			store, err := redisstore.New(redisstore.Config{URL: url})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { store.Close() })
			binding(c)
			c.Store = store
		}
		testDeviceBound(t, &counter, startSite(t, "", process, process))
	})
}

func testDeviceBound(t *testing.T, counter *tally, s *site) {
	p := newPerson(t, s, "")
	p.open("/albums/7")
	p.fill()
	p.wantUser("/albums/7")
	p.eventually("registration", func() bool { return counter.of(login.DeviceRegistered) == 1 })
	p.eventually("the bound cookie", func() bool { return strings.Contains(p.cookieHeader(), "-b-") })
	p.wantCookies()
	p.open("/albums/8")
	p.wantUser("/albums/8")
	p.eventually("a refresh", func() bool { return counter.of(login.DeviceRefreshed) > 0 })
	early := counter.between(login.DeviceRegistered, login.DeviceRefreshed)
	t.Logf("the first refresh came after %v", early)
	if early >= deviceRefresh {
		t.Errorf("the first refresh came after %v, not before the cookie expired", early)
	}

	copied := p.cookieHeader()
	if status := s.statusWith(t, copied); status != http.StatusOK {
		t.Fatalf("the copy does not work at all: %d", status)
	}
	s.restart()
	time.Sleep(deviceRefresh + time.Second)
	if status := s.statusWith(t, copied); status != http.StatusSeeOther {
		t.Errorf("a copy of all cookies works after one refresh interval: %d", status)
	}
	if n := counter.of(login.DeviceCookieMissing); n != 1 {
		t.Errorf("the copy was reported %d times, want 1", n)
	}
	p.open("/albums/9")
	p.wantUser("/albums/9")
	if n := counter.of(login.DeviceCookieMissing); n != 1 {
		t.Errorf("the browser came without its bound cookie: reported %d times", n)
	}

	copied = p.cookieHeader()
	p.open("/")
	p.click("#out")
	p.wantNobody()
	if status := s.statusWith(t, copied); status != http.StatusSeeOther {
		t.Errorf("the copy works after the sign-out: %d", status)
	}
	if strings.Contains(p.cookieHeader(), "-b-") {
		t.Error("the bound cookie is there after the sign-out")
	}
	if counter.of(login.DeviceRegistered) != 1 {
		t.Errorf("registered %d times", counter.of(login.DeviceRegistered))
	}
}
