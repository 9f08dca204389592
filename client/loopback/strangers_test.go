package loopback

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestAttackers: requests of other programs are rejected, and the user's response is still
// accepted. NAT-01, RP-20.
func TestAttackers(t *testing.T) {
	s := optest.New(t)
	c := config(t, s, func(address string, redirect *url.URL) {
		state := request(t, "GET", address).URL.Query().Get("state")
		to := func(path, query string) string { return "http://" + redirect.Host + path + "?" + query }
		good := "code=canary-code&state=" + state
		for name, test := range map[string]struct {
			r      *http.Request
			status int
		}{
			"no state":         {request(t, "GET", to("/callback", "code=x")), 400},
			"another state":    {request(t, "GET", to("/callback", "code=x&state="+strings.Repeat("A", 43))), 400},
			"half the state":   {request(t, "GET", to("/callback", "code=x&state="+state[:20])), 400},
			"an error":         {request(t, "GET", to("/callback", "error=access_denied")), 400},
			"nothing":          {request(t, "GET", to("/callback", "")), 400},
			"another path":     {request(t, "GET", to("/favicon.ico", good)), 404},
			"a longer path":    {request(t, "GET", to("/callback/", good)), 404},
			"a twisted path":   {request(t, "GET", to("//callback", good)), 404},
			"POST":             {request(t, "POST", to("/callback", good)), 405},
			"HEAD":             {request(t, "HEAD", to("/callback", good)), 405},
			"OPTIONS":          {request(t, "OPTIONS", to("/callback", good)), 405},
			"a name":           {withHost(request(t, "GET", to("/callback", good)), "localhost:"+redirect.Port()), 421},
			"a rebound name":   {withHost(request(t, "GET", to("/callback", good)), "evil.example:"+redirect.Port()), 421},
			"no port":          {withHost(request(t, "GET", to("/callback", good)), "127.0.0.1"), 421},
			"a name for a 404": {withHost(request(t, "GET", to("/", "")), "evil.example"), 421},
		} {
			a := get(t, test.r)
			if a.status != test.status || a.header.Get("Referrer-Policy") != "no-referrer" || strings.Contains(a.body, state) {
				t.Errorf("%s: status %d, want %d", name, a.status, test.status)
			}
		}
		if n := s.Hits("/token"); n != 0 {
			t.Errorf("%d token requests for what others sent", n)
		}
		wantPage(t, get(t, request(t, "GET", address)), 200, "You are signed in")
	})
	if _, err := login(t.Context(), c); err != nil {
		t.Error(err)
	}
}

func withHost(r *http.Request, host string) *http.Request {
	r.Host = host
	return r
}

// TestManyStrangers: the 100th request with a wrong state ends the login.
func TestManyStrangers(t *testing.T) {
	s := optest.New(t)
	c := config(t, s, func(address string, redirect *url.URL) {
		for range maxStrangers {
			get(t, request(t, "GET", redirect.String()+"?code=x&state=y"))
		}
	})
	var e *client.Error
	if _, err := login(t.Context(), c); !errors.As(err, &e) || e.Step != client.StepCallback || s.Hits("/token") != 0 {
		t.Errorf("%v, %d token requests", err, s.Hits("/token"))
	}
}

// TestTwice: two responses at once cause one login. RP-21.
func TestTwice(t *testing.T) {
	s := optest.New(t)
	var pages atomic.Int32
	c := config(t, s, func(address string, redirect *url.URL) {
		hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		resp, err := hc.Get(address)
		if err != nil {
			t.Error(err)
			return
		}
		resp.Body.Close()
		for range 8 {
			go func() {
				if resp, err := http.Get(resp.Header.Get("Location")); err == nil {
					resp.Body.Close()
					if resp.StatusCode == 200 {
						pages.Add(1)
					}
				}
			}()
		}
	})
	if _, err := login(t.Context(), c); err != nil || s.Hits("/token") != 1 || pages.Load() > 1 {
		t.Errorf("%v, %d token requests, %d pages", err, s.Hits("/token"), pages.Load())
	}
}
