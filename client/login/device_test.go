package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestDevice: a session is bound and refreshed, and continues. A copy of all its cookies is
// accepted for one refresh interval at most. DBSC-01.
func TestDevice(t *testing.T) {
	for _, alg := range []string{"ES256", "RS256"} {
		t.Run(alg, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, set setting) {
				var counter tally
				a := start(t, set.and(binding(&counter)))
				d := a.device(t, alg)
				d.bind()
				d.want(d.get(a.URL+"/private/"), 200, "alice")
				thief, withoutBound := d.copyCookies(""), d.copyCookies(d.bound)
				thief.want(thief.get(a.URL+"/private/"), 200, "alice") // for now
				for range 4 {
					a.clock.turn(5 * time.Minute)
					d.refresh(a)
					d.want(d.get(a.URL+"/private/"), 200, "alice")
				}
				thief.want(thief.still().get(a.URL+"/private/"), 303, "")
				withoutBound.want(withoutBound.still().get(a.URL+"/private/"), 303, "")
				if n := counter.of("device_cookie_missing none"); n != 2 {
					t.Errorf("the missing cookie was counted %d times, want 2", n)
				}
				if counter.of("device_registered") != 1 || counter.of("device_refreshed") != 4 {
					t.Errorf("counted %v", counter.all)
				}
				if !strings.Contains(a.log.String(), "device-bound session without its bound cookie") || strings.Contains(a.log.String(), "canary") {
					t.Error("the log does not report the missing cookie, or prints a secret")
				}
			})
		})
	}
}

// TestDeviceLogout: a logout with copied cookies does not send the ID token to the server. The
// device's own logout does.
func TestDeviceLogout(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		for _, copied := range []bool{true, false} {
			var counter tally
			a := start(t, set.and(binding(&counter)))
			d := a.device(t, "ES256")
			d.bind()
			a.clock.turn(5 * time.Minute)
			d.refresh(a)
			b := d.browser
			if copied {
				b = d.copyCookies(d.bound)
			}
			got := b.still().post(a.URL+"/logout", url.Values{})
			to, err := url.Parse(got.header.Get("Location"))
			if err != nil || got.status != 303 || to.Path != "/logout" || to.Query().Has("id_token_hint") == copied {
				t.Errorf("copied %v: %d to %s, with a hint: %v", copied, got.status, to.Path, to.Query().Has("id_token_hint"))
			}
			b.want(b.get(a.URL+"/"), 200, "nobody")
			if n := counter.of("device_cookie_missing none"); (n > 0) != copied {
				t.Errorf("copied %v: the missing cookie was counted %d times", copied, n)
			}
		}
	})
}

// TestDeviceUnsupported: the session of a browser that ignores the offer continues. DBSC-02.
func TestDeviceUnsupported(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})))
		b := a.browser(t)
		b.signIn(a)
		for range 5 {
			a.clock.turn(30 * time.Minute)
			b.want(b.get(a.URL+"/private/"), 200, "alice")
		}
		b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody")
	})
}

// TestDeviceNoDowngrade: after the registration the old cookie is rejected without the bound
// cookie. Requests that were under way are accepted. DBSC-03.
func TestDeviceNoDowngrade(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})))
		d := a.device(t, "ES256")
		d.enter()
		early := d.copyCookies("")
		d.register(a)
		early.want(early.get(a.URL+"/private/"), 200, "alice") // sent before the browser had the cookie
		a.clock.turn(11 * time.Second)
		early.want(early.still().get(a.URL+"/private/"), 303, "")
		d.want(d.get(a.URL+"/private/"), 200, "alice")
	})
}

// TestDeviceRejectsRegistration: DBSC-10 to DBSC-16.
func TestDeviceRejectsRegistration(t *testing.T) {
	for _, test := range []struct {
		id, reason string
		send       func(d, other *device) string // the proof
	}{
		{"DBSC-10 another typ", "proof", func(d, _ *device) string {
			return d.registration(d.offer, func(h, _ map[string]any) { h["typ"] = "dpop+jwt" })
		}},
		{"DBSC-10 no typ", "proof", func(d, _ *device) string {
			return d.registration(d.offer, func(h, _ map[string]any) { h["typ"] = nil })
		}},
		{"DBSC-11 another algorithm", "proof", func(d, _ *device) string {
			d.key = optest.NewKey("device", "ES384")
			return d.registration(d.offer, nil)
		}},
		{"DBSC-11 none", "proof", func(d, _ *device) string {
			p := d.registration(d.offer, func(h, _ map[string]any) { h["alg"] = "none" })
			return p[:strings.LastIndex(p, ".")+1]
		}},
		{"DBSC-12 another key in the header", "key", func(d, other *device) string {
			return d.registration(d.offer, func(h, _ map[string]any) { h["jwk"] = other.key.JWK() })
		}},
		{"DBSC-12 no key", "key", func(d, _ *device) string {
			return d.registration(d.offer, func(h, _ map[string]any) { h["jwk"] = nil })
		}},
		{"DBSC-13 a challenge of another session", "challenge", func(d, other *device) string { return d.registration(other.offer, nil) }},
		{"DBSC-13 a challenge of nobody", "challenge", func(d, _ *device) string {
			return d.registration(d.offer, func(_, c map[string]any) { c["jti"] = "x" })
		}},
		{"DBSC-14 a late challenge", "late", func(d, _ *device) string {
			d.app.clock.turn(3 * time.Minute)
			return d.registration(d.offer, nil)
		}},
		{"DBSC-15 a used challenge", "used", func(d, _ *device) string {
			d.register(d.app)
			return d.registration(d.offer, nil)
		}},
		{"DBSC-16 no proof", "proof", func(*device, *device) string { return "" }},
		{"DBSC-16 not a JWT", "proof", func(*device, *device) string { return "x.y" }},
	} {
		t.Run(test.id, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, set setting) {
				var counter tally
				a := start(t, set.and(binding(&counter)))
				d, other := a.device(t, "ES256"), a.device(t, "ES256")
				d.enter()
				other.enter()
				got := d.call(a, map[string]string{"Secure-Session-Response": test.send(d, other)})
				if got.status != 400 || len((&http.Response{Header: got.header}).Cookies()) != 0 {
					t.Errorf("%d %s, cookies %v", got.status, got.body, got.header["Set-Cookie"])
				}
				if counter.of("device_rejected "+test.reason) != 1 {
					t.Errorf("counted %v, want the reason %s", counter.all, test.reason)
				}
				other.bind() // no other session changes
			})
		})
	}
}

// TestDeviceSecondRegistration: a session has one key. DBSC-17.
func TestDeviceSecondRegistration(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		var counter tally
		set = set.and(binding(&counter))
		a := start(t, set)
		d := a.device(t, "ES256")
		d.enter()
		again := login.Offer(a.login, d.cookies(a))
		d.register(a)
		d.offer = again
		got := d.call(a, map[string]string{"Secure-Session-Response": d.registration(again, nil)})
		if got.status != 400 || counter.of("device_rejected registered") != 1 {
			t.Errorf("%d %s, counted %v", got.status, got.body, counter.all)
		}
		d.refresh(a) // with the first key
	})
}

// TestDeviceCrossOrigin: a request from another site, or with another method, is rejected.
func TestDeviceCrossOrigin(t *testing.T) {
	a := start(t, setting{}.and(binding(&tally{})))
	d := a.device(t, "ES256")
	d.bind()
	got := d.call(a, map[string]string{"Sec-Secure-Session-Id": d.id, "Sec-Fetch-Site": "cross-site"})
	d.want(got, 403, "cross_origin")
	d.want(d.get(a.URL+"/device-session"), 405, "method_not_allowed")
}

// TestDeviceTokens: tokens of a bound session are refreshed as before. DBSC-06.
func TestDeviceTokens(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})).and(keepTokens))
		d := a.device(t, "ES256")
		d.bind()
		first := d.get(a.URL + "/token")
		a.clock.turn(9 * time.Minute)
		d.refresh(a)
		a.clock.turn(9 * time.Minute)
		d.refresh(a)
		a.clock.turn(9 * time.Minute)
		d.refresh(a)
		for range 6 {
			a.clock.turn(9 * time.Minute)
			d.refresh(a)
			d.get(a.URL + "/private/")
		}
		later := d.get(a.URL + "/token")
		if first.status != 200 || later.status != 200 || first.body == later.body {
			t.Errorf("%d, then %d %s", first.status, later.status, later.body)
		}
		d.want(d.get(a.URL+"/private/"), 200, "alice")
	})
}

// TestRequireDevice: an unbound session is answered with 403. Right after the sign-in the page
// tries a second time. DBSC-07.
func TestRequireDevice(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})))
		d := a.device(t, "ES256")
		d.enter()
		got := d.get(a.URL + "/bound/")
		d.want(got, 403, "device_required")
		if got.header.Get("Refresh") != "1" {
			t.Error("the page does not load again, right after the sign-in")
		}
		d.register(a)
		d.want(d.get(a.URL+"/bound/"), 200, "alice")
		thief := d.copyCookies(d.bound)
		thief.want(thief.get(a.URL+"/bound/"), 403, "device_required") // even while requests under way are accepted

		b := a.browser(t)
		b.signIn(a)
		a.clock.turn(time.Minute)
		got = b.get(a.URL + "/bound/")
		b.want(got, 403, "device_required")
		if got.header.Get("Refresh") != "" {
			t.Error("the page loads again and again")
		}
		b.want(a.browser(t).still().get(a.URL+"/bound/"), 303, "")
	})
	off := start(t, setting{})
	b := off.browser(t)
	b.signIn(off)
	b.want(b.get(off.URL+"/bound/"), 403, "device_required")
	b.want(b.post(off.URL+"/device-session", url.Values{}), 404, "")
}

func TestDeviceConfig(t *testing.T) {
	for _, test := range []struct {
		device login.Device
		config func(*login.Config)
		wrong  string
	}{
		{login.Device{}, nil, ""},
		{login.Device{Path: "/x/y", Refresh: 10 * time.Second}, nil, ""},
		{login.Device{}, func(c *login.Config) { c.Lifetime = time.Minute }, ""},
		{login.Device{Path: "x"}, nil, "Device.Path"},
		{login.Device{Path: `/x";y`}, nil, "Device.Path"},
		{login.Device{Path: "//evil.example"}, nil, "Device.Path"},
		{login.Device{Refresh: time.Second}, nil, "Device.Refresh"},
		{login.Device{Refresh: -1}, nil, "Device.Refresh"},
		{login.Device{Refresh: 13 * time.Hour}, nil, "Device.Refresh"},
	} {
		config := login.Config{Clients: map[string]*client.Client{"main": newClient(t, "https://a.example", "https://app.example/callback", nil)}, Device: &test.device}
		if test.config != nil {
			test.config(&config)
		}
		_, err := login.New(config)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%+v: %v, want %q", test.device, err, test.wrong)
		}
	}
}

// TestDeviceSkipped: the browser's reason for a missing cookie is counted.
func TestDeviceSkipped(t *testing.T) {
	var counter tally
	a := start(t, setting{}.and(binding(&counter)))
	d := a.device(t, "ES256")
	d.bind()
	a.clock.turn(time.Minute)
	d.plant(a, d.bound, "")
	r := d.request(http.MethodGet, a.URL+"/private/", nil)
	r.Header.Set("Secure-Session-Skipped", `quota_exceeded;session_identifier="x"`)
	d.want(d.still().do(r), 303, "")
	if counter.of("device_cookie_missing quota_exceeded") != 1 {
		t.Errorf("counted %v", counter.all)
	}
}
