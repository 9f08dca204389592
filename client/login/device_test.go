package login_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// tally is a Counter.
type tally struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *tally) Count(_ context.Context, event login.Event, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[string]int{}
	}
	c.all[strings.TrimSuffix(string(event)+" "+reason, " ")]++
}

func (c *tally) of(event string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.all[event]
}

// device is a browser that supports Device Bound Session Credentials like Chromium 156.
type device struct {
	*browser
	app   *app
	key   optest.Key
	offer string // the header after the sign-in
	id    string // the session's identifier
	bound string // the name of the bound cookie
}

func (a *app) device(t testing.TB, alg string) *device {
	return &device{browser: a.browser(t), app: a, key: optest.NewKey("device", alg)}
}

var offered = regexp.MustCompile(`^\(ES256 RS256\);path="/device-session";challenge="([A-Za-z0-9_-]+)"(?:;authorization="([A-Za-z0-9_-]+)")?$`)

// enter signs in, and stores the offer.
func (d *device) enter() {
	d.t.Helper()
	p := d.still().get(d.begin(d.app, "/login"))
	d.offer = p.header.Get("Secure-Session-Registration")
	if p.status != 303 || !offered.MatchString(d.offer) {
		d.t.Fatalf("%d, and the offer is %q", p.status, d.offer)
	}
	d.want(d.get(d.app.URL+"/hello"), 200, "alice")
}

// proof signs a challenge. edit changes its header and claims.
func (d *device) proof(challenge string, edit func(header, claims map[string]any)) string {
	header, claims := map[string]any{"typ": "dbsc+jwt", "kid": nil}, map[string]any{"jti": challenge}
	if edit != nil {
		edit(header, claims)
	}
	return d.key.Sign(claims, header)
}

// registration is the proof for an offer.
func (d *device) registration(offer string, edit func(header, claims map[string]any)) string {
	parts := offered.FindStringSubmatch(offer)
	return d.proof(parts[1], func(header, claims map[string]any) {
		jwk := d.key.JWK()
		delete(jwk, "kid")
		delete(jwk, "alg")
		delete(jwk, "use")
		header["jwk"] = jwk
		if parts[2] != "" {
			claims["authorization"] = parts[2]
		}
		if edit != nil {
			edit(header, claims)
		}
	})
}

// call posts to the handler of a process, as the browser does without a page.
func (d *device) call(at *app, header map[string]string) page {
	d.t.Helper()
	r := d.request(http.MethodPost, at.URL+"/device-session", nil)
	for name, value := range header {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	return d.do(r)
}

// register binds the session. The request has no cookies: the browser does not send them, because
// the sign-in came from another site.
func (d *device) register(at *app) {
	d.t.Helper()
	jar := d.Jar
	d.Jar = nil
	got := d.call(at, map[string]string{"Secure-Session-Response": d.registration(d.offer, nil)})
	d.Jar = jar
	if got.status != 200 {
		d.t.Fatalf("register: %d %s\n%s", got.status, got.body, at.log)
	}
	d.keep(got)
}

// keep stores the cookies and the instructions of a response.
func (d *device) keep(got page) {
	d.t.Helper()
	var instructions struct {
		ID          string `json:"session_identifier"`
		RefreshURL  string `json:"refresh_url"`
		Credentials []struct{ Type, Name, Attributes string }
		Initiators  []string `json:"allowed_refresh_initiators"`
	}
	if err := json.Unmarshal([]byte(got.body), &instructions); err != nil || len(instructions.Credentials) != 1 || instructions.ID == "" {
		d.t.Fatalf("instructions %s: %v", got.body, err)
	}
	one := instructions.Credentials[0]
	if one.Type != "cookie" || one.Attributes != "Path=/; Secure; HttpOnly; SameSite=Lax" || instructions.RefreshURL != "/device-session" {
		d.t.Errorf("instructions %s", got.body)
	}
	d.id, d.bound = instructions.ID, one.Name
	u, _ := url.Parse(d.app.URL)
	d.Jar.SetCookies(u, (&http.Response{Header: got.header}).Cookies())
}

// bind signs in and registers.
func (d *device) bind() {
	d.t.Helper()
	d.enter()
	d.register(d.app)
}

var challenged = regexp.MustCompile(`^"([A-Za-z0-9_-]+)";id="([A-Za-z0-9_-]+)"$`)

// challenge requests a challenge.
func (d *device) challenge(at *app) string {
	d.t.Helper()
	got := d.call(at, map[string]string{"Sec-Secure-Session-Id": d.id})
	parts := challenged.FindStringSubmatch(got.header.Get("Secure-Session-Challenge"))
	if got.status != 403 || parts == nil || parts[2] != d.id {
		d.t.Fatalf("challenge: %d %q %s", got.status, got.header.Get("Secure-Session-Challenge"), got.body)
	}
	return parts[1]
}

// answer posts a proof.
func (d *device) answer(at *app, proof string) page {
	d.t.Helper()
	return d.call(at, map[string]string{"Sec-Secure-Session-Id": d.id, "Secure-Session-Response": proof})
}

// refresh requests a challenge and posts the proof.
func (d *device) refresh(at *app) {
	d.t.Helper()
	got := d.answer(at, d.proof(d.challenge(at), nil))
	if got.status != 200 {
		d.t.Fatalf("refresh: %d %s\n%s", got.status, got.body, at.log)
	}
	d.keep(got)
}

// copyCookies copies all cookies of the browser to another client.
func (d *device) copyCookies(leaveOut string) *browser {
	thief := d.app.browser(d.t)
	for _, c := range d.cookies(d.app) {
		if c.Name != leaveOut {
			thief.plant(d.app, c.Name, c.Value)
		}
	}
	return thief
}

func binding(counter *tally) func(*login.Config) {
	return func(c *login.Config) { c.Device, c.Counter = &login.Device{}, counter }
}

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
				if !strings.Contains(a.log.String(), "came without its bound cookie") || strings.Contains(a.log.String(), "canary") {
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

// TestDeviceCrossOrigin: a request from another site is rejected. So is another method.
func TestDeviceCrossOrigin(t *testing.T) {
	a := start(t, setting{}.and(binding(&tally{})))
	d := a.device(t, "ES256")
	d.bind()
	got := d.call(a, map[string]string{"Sec-Secure-Session-Id": d.id, "Sec-Fetch-Site": "cross-site"})
	d.want(got, 403, "cross_origin")
	d.want(d.get(a.URL+"/device-session"), 405, "method_not_allowed")
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
