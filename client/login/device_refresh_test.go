package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/login"
)

// TestDeviceRejectsRefresh: DBSC-20 to DBSC-25. The session continues with the right proof.
func TestDeviceRejectsRefresh(t *testing.T) {
	for _, test := range []struct {
		id, reason string
		status     int
		send       func(d, other *device) string
	}{
		{"DBSC-20 another key", "key", 400, func(d, other *device) string { return other.proof(d.challenge(d.app), nil) }},
		{"DBSC-20 another key, in the header", "key", 400, func(d, other *device) string {
			return other.proof(d.challenge(d.app), func(h, _ map[string]any) { h["jwk"] = other.key.JWK() })
		}},
		{"DBSC-21 another typ", "proof", 400, func(d, _ *device) string {
			return d.proof(d.challenge(d.app), func(h, _ map[string]any) { h["typ"] = "JWT" })
		}},
		{"DBSC-22 a challenge of another session", "challenge", 403, func(d, other *device) string { return d.proof(other.challenge(d.app), nil) }},
		{"DBSC-22 a challenge for a registration", "challenge", 403, func(d, _ *device) string {
			return d.proof(offered.FindStringSubmatch(d.offer)[1], nil)
		}},
		{"DBSC-23 a used challenge", "used", 403, func(d, _ *device) string {
			p := d.proof(d.challenge(d.app), nil)
			if got := d.answer(d.app, p); got.status != 200 {
				d.t.Fatalf("the first use: %d", got.status)
			}
			return p
		}},
		{"DBSC-24 a late challenge", "late", 403, func(d, _ *device) string {
			c := d.challenge(d.app)
			d.app.clock.turn(3 * time.Minute)
			return d.proof(c, nil)
		}},
		{"DBSC-25 no JWT", "proof", 400, func(*device, *device) string { return "x" }},
	} {
		t.Run(test.id, func(t *testing.T) {
			bothKinds(t, func(t *testing.T, set setting) {
				var counter tally
				a := start(t, set.and(binding(&counter)))
				d, other := a.device(t, "ES256"), a.device(t, "ES256")
				d.bind()
				other.bind()
				got := d.answer(a, test.send(d, other))
				if got.status != test.status || len((&http.Response{Header: got.header}).Cookies()) != 0 {
					t.Errorf("%d %s, cookies %v", got.status, got.body, got.header["Set-Cookie"])
				}
				if counter.of("device_rejected "+test.reason) != 1 {
					t.Errorf("counted %v, want the reason %s", counter.all, test.reason)
				}
				if retry := got.header.Get("Secure-Session-Challenge") != ""; retry != (test.status == 403) {
					t.Errorf("a new challenge: %v", retry)
				}
				d.refresh(a)
			})
		})
	}
}

// TestDeviceFlood: the refreshes of one session are limited. Other sessions are not affected.
// DBSC-26.
func TestDeviceFlood(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		var counter tally
		a := start(t, set.and(binding(&counter)))
		d, other := a.device(t, "ES256"), a.device(t, "ES256")
		d.bind()
		other.bind()
		flooded := 0
		for range 50 {
			got := d.call(a, map[string]string{"Sec-Secure-Session-Id": d.id})
			if got.status == 429 && got.header.Get("Retry-After") != "" {
				flooded++
			}
		}
		if flooded != 30 || counter.of("device_rejected flood") != 30 {
			t.Errorf("%d of 50 requests were rejected, want 30; counted %v", flooded, counter.all)
		}
		other.refresh(a)
		a.clock.turn(time.Minute)
		d.refresh(a)
	})
}

// TestDeviceRefreshUnknown: identifiers of unknown sessions, of sessions that have ended, and of
// other kinds are answered with 400. DBSC-27.
func TestDeviceRefreshUnknown(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})))
		d := a.device(t, "ES256")
		d.bind()
		right := d.id
		for _, id := range []string{"x", strings.Repeat("A", 43), strings.Repeat("A", 5000), `"`, d.cookie(a, "__Host-login"), d.cookie(a, d.bound)} {
			if got := d.call(a, map[string]string{"Sec-Secure-Session-Id": id}); got.status != 400 {
				t.Errorf("%.50q: %d %s", id, got.status, got.body)
			}
		}
		quoted := d.call(a, map[string]string{"Sec-Secure-Session-Id": `"` + right + `"`}) // as the specification writes it
		d.want(quoted, 403, "")
		d.post(a.URL+"/logout", url.Values{})
		if got := d.call(a, map[string]string{"Sec-Secure-Session-Id": right}); got.status != 400 {
			t.Errorf("after the logout: %d %s", got.status, got.body)
		}
		if d.cookie(a, d.bound) != "" {
			t.Error("the bound cookie is there after the logout")
		}
	})
}

// TestDeviceAcrossProcesses: a session is registered at one process, and refreshed at another,
// also after a rotation of keys. A back-channel logout ends it at both. A challenge is accepted
// once. DBSC-04.
func TestDeviceAcrossProcesses(t *testing.T) {
	for name, store := range map[string]login.Store{"sealed": nil, "store": &login.Memory{}} {
		t.Run(name, func(t *testing.T) {
			config := func(keys ...string) func(*login.Config) {
				return func(c *login.Config) {
					c.Device, c.Store, c.Keys = &login.Device{}, store, nil
					for _, k := range keys {
						c.Keys = append(c.Keys, key(k))
					}
				}
			}
			one := start(t, setting{config: config("a", "b")})
			two := start(t, setting{as: one.as, other: one, config: config("b", "a")})
			d := one.device(t, "ES256")
			d.enter()
			d.register(two)
			d.want(d.get(one.URL+"/private/"), 200, "alice")
			for range 3 {
				one.clock.turn(5 * time.Minute)
				d.refresh(two)
				d.want(d.get(two.URL+"/private/"), 200, "alice")
			}
			one.clock.turn(11 * time.Minute)
			d.want(d.still().get(two.URL+"/private/"), 303, "")
			d.refresh(two)
			d.want(d.get(two.URL+"/private/"), 200, "alice")
			if store == nil {
				return
			}
			proof := d.proof(d.challenge(two), nil)
			d.want(d.answer(two, proof), 200, "")
			three := start(t, setting{as: one.as, other: one, config: config("b", "a")})
			d.want(d.answer(three, proof), 403, "")
			server := one.browser(t)
			server.want(server.post(three.URL+"/backchannel", logoutToken(one.as, func(m map[string]any) { m["sub"] = "alice" })), 200, "")
			d.want(d.still().get(two.URL+"/private/"), 303, "")
			if got := d.call(two, map[string]string{"Sec-Secure-Session-Id": d.id}); got.status != 400 {
				t.Errorf("after the back-channel logout: %d", got.status)
			}
		})
	}
}

// TestDeviceEndedMeanwhile: a session that ends during its registration does not exist
// afterwards. DBSC-05.
func TestDeviceEndedMeanwhile(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(binding(&tally{})))
		d := a.device(t, "ES256")
		d.enter()
		cookies := d.copyCookies("")
		d.post(a.URL+"/logout", url.Values{})
		got := d.call(a, map[string]string{"Secure-Session-Response": d.registration(d.offer, nil)})
		if got.status != 400 {
			t.Errorf("%d %s", got.status, got.body)
		}
		cookies.want(cookies.still().get(a.URL+"/private/"), 303, "")
	})
}

// racing calls a function once, before it saves.
type racing struct {
	login.Memory
	before func()
}

func (s *racing) Save(ctx context.Context, key string, value []byte, until time.Time) error {
	if before := s.before; before != nil && strings.HasPrefix(key, "session:") {
		s.before = nil
		before()
	}
	return s.Memory.Save(ctx, key, value, until)
}

// TestDeviceLogoutRace: the session ends after it was read and before it is written.
func TestDeviceLogoutRace(t *testing.T) {
	store := &racing{}
	a := start(t, setting{config: stored(store)}.and(binding(&tally{})))
	d := a.device(t, "ES256")
	d.enter()
	cookies, server := d.copyCookies(""), a.browser(t)
	store.before = func() {
		server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })), 200, "")
	}
	got := d.call(a, map[string]string{"Secure-Session-Response": d.registration(d.offer, nil)})
	if got.status != 400 || store.before != nil {
		t.Errorf("%d %s", got.status, got.body)
	}
	cookies.want(cookies.still().get(a.URL+"/private/"), 303, "")
}
