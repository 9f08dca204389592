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
