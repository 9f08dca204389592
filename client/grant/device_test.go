package grant_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// clock is a clock that advances only when the client waits. The server reads it at the same time.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	waited []time.Duration
	during func(n int) // what happens in the n-th wait
}

func newClock() *clock { return &clock{now: time.Now()} }

func (k *clock) Now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.now
}

func (k *clock) wait(ctx context.Context, d time.Duration) error {
	k.waited = append(k.waited, d)
	k.mu.Lock()
	k.now = k.now.Add(d)
	k.mu.Unlock()
	if k.during != nil {
		k.during(len(k.waited))
	}
	return ctx.Err()
}

// polling is a client of s that waits with the clock.
func polling(t *testing.T, s *optest.Server, cfg client.Config) (*client.Client, *clock) {
	t.Helper()
	k := newClock()
	cfg.Now, s.Now = k.Now, k.Now
	c := newClient(t, cfg)
	grant.SetWait(t, k.wait)
	return c, k
}

func seconds(all ...int) []time.Duration {
	out := []time.Duration{}
	for _, s := range all {
		out = append(out, time.Duration(s)*time.Second)
	}
	return out
}

func TestDevice(t *testing.T) {
	s := optest.New(t)
	s.Waits = []string{"authorization_pending", "authorization_pending"}
	c, k := polling(t, s, daemon(s))
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "device request", sent(s, "/device"), values("scope", "openid", "client_id", optest.ClientID))
	if d.UserCode != optest.UserCode || d.VerificationURI != s.URL+"/activate" || d.VerificationURIComplete != s.URL+"/activate?user_code="+optest.UserCode ||
		d.Interval != 5*time.Second || !d.Expiry.Equal(k.now.Add(10*time.Minute)) {
		t.Errorf("got %+v", *d)
	}
	stored, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back grant.Device
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	tokens, err := grant.FinishDevice(t.Context(), c, &back)
	if err != nil || tokens.IDToken.Subject != optest.Subject || tokens.Report.Err() != nil || tokens.Login == nil {
		t.Fatalf("%v, %v", tokens, err)
	}
	same(t, "token request", sent(s, "/token"), values("grant_type", "urn:ietf:params:oauth:grant-type:device_code", "device_code", optest.DeviceCode))
	if !slices.Equal(k.waited, seconds(5, 5, 5)) {
		t.Errorf("waited %v", k.waited)
	}
}

// TestPolling: the time between two requests, and the responses that end the polling. RFC 8628
// §3.5.
func TestPolling(t *testing.T) {
	for _, test := range []struct {
		name   string
		waits  []string
		code   string // of the error; "" for tokens
		waited []time.Duration
	}{
		{"allowed at once", nil, "", seconds(5)},
		{"slow_down is for good", []string{"slow_down", "authorization_pending", "slow_down", "authorization_pending"}, "", seconds(5, 10, 10, 15, 15)},
		{"hanging up doubles the wait", []string{"hang up", "hang up", "hang up", "hang up", "hang up"}, "", seconds(5, 10, 20, 40, 60, 60)},
		{"until the server answers", []string{"hang up", "hang up", "authorization_pending"}, "", seconds(5, 10, 20, 5)},
		{"slow_down counts beside it", []string{"slow_down", "hang up", "hang up", "authorization_pending"}, "", seconds(5, 10, 20, 40, 10)},
		{"Retry-After is obeyed", []string{"503", "authorization_pending"}, "", seconds(5, 90, 5)},
		{"denied", []string{"authorization_pending", "access_denied"}, "access_denied", seconds(5, 5)},
		{"expired by the server's clock", []string{"expired_token"}, "expired_token", seconds(5)},
		{"an unknown code", []string{"invalid_grant"}, "invalid_grant", seconds(5)},
		{"expired by ours", slices.Repeat([]string{"slow_down"}, 50), "expired_token", seconds(5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70)},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Waits = test.waits
			c, k := polling(t, s, daemon(s))
			d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := grant.FinishDevice(t.Context(), c, d)
			code := ""
			var e *client.Error
			if errors.As(err, &e) {
				code = e.Code
				noCanary(t, err.Error())
			}
			if code != test.code || (tokens == nil) != (code != "") || !slices.Equal(k.waited, test.waited) {
				t.Errorf("%v, %v after %v", tokens, err, k.waited)
			}
			if !k.now.Before(d.Expiry) || s.Hits("/token") != len(k.waited) {
				t.Errorf("%d requests until %v, with a code until %v", s.Hits("/token"), k.now, d.Expiry)
			}
		})
	}
}

// TestPollingEnds: the end of the context ends the polling, during a pause and during a request.
func TestPollingEnds(t *testing.T) {
	s := optest.New(t)
	s.Waits = slices.Repeat([]string{"authorization_pending"}, 50)
	c, k := polling(t, s, daemon(s))
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	k.during = func(n int) {
		if n == 3 {
			cancel()
		}
	}
	if _, err := grant.FinishDevice(ctx, c, d); !errors.Is(err, context.Canceled) || stepOf(err) != client.StepToken || s.Hits("/token") != 2 {
		t.Errorf("while it waits: %v after %d requests", err, s.Hits("/token"))
	}
	k.during = nil
	ctx, cancel = context.WithCancel(t.Context())
	s.Replace("/token", func(_ http.ResponseWriter, r *http.Request) {
		r.ParseForm() // otherwise the server does not notice the closed connection
		cancel()
		<-r.Context().Done()
	})
	before := s.Hits("/token")
	if _, err := grant.FinishDevice(ctx, c, d); !errors.Is(err, context.Canceled) || s.Hits("/token") != before+1 {
		t.Errorf("while it asks: %v after %d requests", err, s.Hits("/token")-before)
	}
	real := newClient(t, daemon(s))
	d.Interval = time.Hour / 12
	ctx, cancel = context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := grant.FinishDevice(ctx, real, d); !errors.Is(err, context.Canceled) {
		t.Errorf("by a clock that is real: %v", err)
	}
}

// TestPollingErrorWith200: errors with status 200 are handled, because some servers send them.
func TestPollingErrorWith200(t *testing.T) {
	s := optest.New(t)
	c, k := polling(t, s, daemon(s))
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s.Replace("/token", answer(200, "application/json", `{"error":"authorization_pending"}`))
	k.during = func(n int) {
		if n == 3 {
			s.Replace("/token", nil)
		}
	}
	if tokens, err := grant.FinishDevice(t.Context(), c, d); err != nil || !slices.Equal(k.waited, seconds(5, 5, 5)) {
		t.Errorf("%v, %v after %v", tokens, err, k.waited)
	}
	d.Expiry = k.now.AddDate(100, 0, 0)
	s.Replace("/token", answer(200, "application/json", `{"error":"slow_down"}`))
	if _, err := grant.FinishDevice(t.Context(), c, d); err == nil || time.Until(k.now) > 25*time.Hour {
		t.Errorf("a login for a century ended with %v at %v", err, k.now)
	}
}

// deviceAnswer is a valid response of a device endpoint with one change.
func deviceAnswer(name string, value any) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		out := m{"device_code": "canary-device", "user_code": "ABCD EFGH", "verification_uri": "https://as.example/activate", "expires_in": 60}
		out[name] = value
		if value == nil {
			delete(out, name)
		}
		optest.JSON(w, 200, out)
	}
}

// TestDeviceResponse: codes and addresses must be printable, and the addresses https. RFC 8628
// §3.2.
func TestDeviceResponse(t *testing.T) {
	for _, test := range []struct {
		name   string
		member string
		value  any
		ok     bool
	}{
		{"no interval", "interval", nil, true},
		{"an interval of nothing", "interval", 0, true},
		{"numbers in strings", "expires_in", "60", true},
		{"an address with the code", "verification_uri_complete", "https://as.example/activate?user_code=ABCD", true},
		{"a member that nobody knows", "message", "go to \x1b[31m", true},
		{"no device code", "device_code", nil, false},
		{"a device code with a line break", "device_code", "a\r\nb", false},
		{"a device code that is a number", "device_code", 7, false},
		{"no user code", "user_code", nil, false},
		{"a blank user code", "user_code", "  ", false},
		{"a user code that colours the terminal", "user_code", "\x1b[31mABCD", false},
		{"a user code that turns the text round", "user_code", "AB\u202eCD", false},
		{"a user code with a line break", "user_code", "ABCD\nEFGH", false},
		{"an endless user code", "user_code", strings.Repeat("A", 65), false},
		{"no address", "verification_uri", nil, false},
		{"an address without TLS", "verification_uri", "http://as.example/activate", false},
		{"an address of a script", "verification_uri", "javascript:alert(1)", false},
		{"an address with a user", "verification_uri", "https://as.example@evil.example/", false},
		{"an address that colours the terminal", "verification_uri", "https://as.example/\x1b[31m", false},
		{"an address beyond ASCII", "verification_uri", "https://ás.example/", false},
		{"an endless address", "verification_uri", "https://as.example/" + strings.Repeat("a", 3000), false},
		{"an address with the code, without TLS", "verification_uri_complete", "http://as.example/", false},
		{"no expiry", "expires_in", nil, false},
		{"an expiry of nothing", "expires_in", 0, false},
		{"a negative expiry", "expires_in", -1, false},
		{"an expiry that is a word", "expires_in", "soon", false},
		{"a negative interval", "interval", -5, false},
		{"an interval that outlives the code", "interval", 60, false},
		{"an error with 200", "error", "invalid_scope", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Replace("/device", deviceAnswer(test.member, test.value))
			d, err := grant.BeginDevice(t.Context(), newClient(t, daemon(s)), client.TokenRequest{})
			if (err == nil) != test.ok || (d != nil) != test.ok {
				t.Fatalf("%v, %v", d, err)
			}
			if err != nil {
				if stepOf(err) != grant.StepDevice || strings.ContainsAny(err.Error(), "\x1b\u202e") {
					t.Errorf("got %v", err)
				}
				noCanary(t, err.Error())
				return
			}
			if d.Interval < time.Second || time.Until(d.Expiry) > time.Minute {
				t.Errorf("got %+v", *d)
			}
		})
	}
}

// TestDeviceOddities: a very long lifetime, and Google's name for the address, are accepted.
func TestDeviceOddities(t *testing.T) {
	s := optest.New(t)
	s.Replace("/device", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 200, m{"device_code": "canary", "user_code": "GQVQ-JKEC", "verification_url": "https://as.example/device", "expires_in": 9 * 365 * 24 * 3600})
	})
	d, err := grant.BeginDevice(t.Context(), newClient(t, daemon(s)), client.TokenRequest{})
	if err != nil || d.VerificationURI != "https://as.example/device" || time.Until(d.Expiry) > 25*time.Hour {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestDeviceRefused(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"HTML": answer(200, "text/html", "<html>"), "a form": answer(200, "application/x-www-form-urlencoded", "device_code=a"),
		"empty": answer(200, "application/json", ""), "an array": answer(200, "application/json", "[]"), "a refusal": answer(400, "application/json", `{"error":"unauthorized_client"}`),
		"a member twice": answer(200, "application/json", `{"device_code":"canary","device_code":"b"}`), "an outage": answer(503, "", ""),
		"an endless answer": answer(200, "application/json", `{"x":"`+strings.Repeat("a", 2<<20)+`"}`),
	} {
		s := optest.New(t)
		s.Replace("/device", h)
		d, err := grant.BeginDevice(t.Context(), newClient(t, daemon(s)), client.TokenRequest{})
		var e *client.TokenError
		if d != nil || stepOf(err) != grant.StepDevice || !errors.As(err, &e) || s.Hits("/device") != 1 {
			t.Errorf("%s: %v, %v", name, d, err)
		}
		noCanary(t, err.Error())
	}
	s := optest.New(t)
	s.Edit = func(md map[string]any) { delete(md, "device_authorization_endpoint") }
	if d, err := grant.BeginDevice(t.Context(), newClient(t, daemon(s)), client.TokenRequest{}); d != nil || stepOf(err) != grant.StepDevice {
		t.Errorf("a server that has no such endpoint: %v, %v", d, err)
	}
}

// TestFinishDeviceRefused: a stored login of another client, and an invalid ID token, are
// rejected.
func TestFinishDeviceRefused(t *testing.T) {
	s := optest.New(t)
	c, k := polling(t, s, daemon(s))
	begin := func() *grant.Device {
		d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for name, edit := range map[string]func(*grant.Device){
		"another server": func(d *grant.Device) { d.Issuer = "https://other.example" },
		"another client": func(d *grant.Device) { d.ClientID = "other" },
		"no code":        func(d *grant.Device) { d.DeviceCode = "" },
		"no expiry":      func(d *grant.Device) { d.Expiry = time.Time{} },
		"expired":        func(d *grant.Device) { d.Expiry = k.now },
	} {
		d := begin()
		edit(d)
		if tokens, err := grant.FinishDevice(t.Context(), c, d); tokens != nil || stepOf(err) == "" {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	if _, err := grant.FinishDevice(t.Context(), c, nil); err == nil || s.Hits("/token") != 0 {
		t.Errorf("a token request was sent, or nothing was a login: %v", err)
	}
	for name, edit := range map[string]func(map[string]any){
		"a nonce of another": func(claims map[string]any) { claims["nonce"] = "x" },
		"another audience":   func(claims map[string]any) { claims["aud"] = "other" },
		"another issuer":     func(claims map[string]any) { claims["iss"] = "https://other.example" },
	} {
		s.EditID = edit
		if tokens, err := grant.FinishDevice(t.Context(), c, begin()); tokens != nil || stepOf(err) != client.StepIDToken {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	s.Token = func(out map[string]any) { delete(out, "id_token") }
	if tokens, err := grant.FinishDevice(t.Context(), c, begin()); tokens != nil || stepOf(err) != client.StepIDToken {
		t.Errorf("no ID token: %v, %v", tokens, err)
	}
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{Scopes: []string{"photos.read"}})
	if err != nil {
		t.Fatal(err)
	}
	if tokens, err := grant.FinishDevice(t.Context(), c, d); err != nil || tokens.IDToken != nil {
		t.Errorf("without openid: %v, %v", tokens, err)
	}
	s.Token = func(out map[string]any) { out["id_token"] = "canary.of.nobody" }
	if d, err = grant.BeginDevice(t.Context(), c, client.TokenRequest{Scopes: []string{"photos.read"}}); err != nil {
		t.Fatal(err)
	}
	if tokens, err := grant.FinishDevice(t.Context(), c, d); tokens != nil || stepOf(err) != client.StepIDToken {
		t.Errorf("an ID token that nobody asked for, and that is none: %v, %v", tokens, err)
	}
}
