package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/pkce"
)

// TestDemonstration runs the command without settings.
func TestDemonstration(t *testing.T) {
	var out bytes.Buffer
	if err := demonstrate(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "5. GET /me with that token: "+demoUser.Subject) || !strings.Contains(out.String(), "6. ") {
		t.Errorf("it says\n%s", out.String())
	}
}

// attempt is a login of the app, and the request that the app then sends.
func (a *app) attempt(t *testing.T) map[string]string {
	t.Helper()
	verifier, state, nonce := pkce.New(), rand.Text(), rand.Text()
	back, err := a.browse(t.Context(), a.request(verifier, state, nonce))
	if err != nil {
		t.Fatal(err)
	}
	q := back.Query()
	return map[string]string{
		"code": q.Get("code"), "state": q.Get("state"), "iss": q.Get("iss"),
		"code_verifier": string(verifier), "nonce": nonce, "redirect_uri": appRedirect,
	}
}

func startApp(t *testing.T) *app {
	t.Helper()
	a, stop, err := start(io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return a
}

// TestExchange: one fault at a time, and the exchange is rejected.
func TestExchange(t *testing.T) {
	a := startApp(t)
	for _, test := range []struct {
		name string
		edit func(map[string]string)
		code string // "" for success
	}{
		{"good", func(map[string]string) {}, ""},
		{"another verifier", func(m map[string]string) { m["code_verifier"] = string(pkce.New()) }, "invalid_grant"},
		{"no verifier", func(m map[string]string) { delete(m, "code_verifier") }, "login_failed"},
		{"another nonce", func(m map[string]string) { m["nonce"] = rand.Text() }, "login_failed"},
		{"no nonce", func(m map[string]string) { delete(m, "nonce") }, "invalid_request"},
		{"a short state", func(m map[string]string) { m["state"] = "x" }, "invalid_request"},
		{"a long state", func(m map[string]string) { m["state"] = strings.Repeat("x", 5000) }, "invalid_request"},
		{"another redirect URI", func(m map[string]string) { m["redirect_uri"] = "com.evil.app://callback" }, "invalid_request"},
		{"another issuer", func(m map[string]string) { m["iss"] = "https://evil.example" }, "login_failed"},
		{"no issuer, and the server sends it", func(m map[string]string) { delete(m, "iss") }, "login_failed"},
		{"no code", func(m map[string]string) { delete(m, "code") }, "login_failed"},
		{"another code", func(m map[string]string) { m["code"] += "x" }, "invalid_grant"},
		{"a member that is not known", func(m map[string]string) { m["access_token"] = "x" }, "invalid_request"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := a.attempt(t)
			test.edit(body)
			status, answer, err := a.call(t.Context(), http.MethodPost, "/login/exchange", "", body)
			if err != nil {
				t.Fatal(err)
			}
			token, _ := answer["token"].(string)
			if test.code == "" {
				if status != 200 || len(token) != 43 {
					t.Errorf("status %d, error %v", status, answer["error"])
				}
				return
			}
			id, _ := answer["id"].(string)
			if status != 400 || answer["error"] != test.code || token != "" || id == "" || len(answer) != 2 {
				t.Errorf("status %d, error %v; want 400, %s", status, answer["error"], test.code)
			}
		})
	}
}

// TestTwice: a code can be exchanged once.
func TestTwice(t *testing.T) {
	a := startApp(t)
	body := a.attempt(t)
	for i, want := range []int{200, 400} {
		if status, answer, err := a.call(t.Context(), http.MethodPost, "/login/exchange", "", body); err != nil || status != want {
			t.Errorf("%d: status %d, error %v, %v", i+1, status, answer["error"], err)
		}
	}
}

// TestTokens: a route accepts only tokens of sessions that have not ended.
func TestTokens(t *testing.T) {
	clock := time.Now()
	s := sessions{store: &login.Memory{}, now: func() time.Time { return clock }}
	b := &backend{sessions: s, log: slog.New(slog.DiscardHandler)}
	token, err := s.begin(t.Context(), "https://as.example", "alice")
	if err != nil {
		t.Fatal(err)
	}
	ask := func(header ...string) int {
		r, w := httptest.NewRequest(http.MethodGet, "/me", nil), httptest.NewRecorder()
		r.Header["Authorization"] = header
		b.routes().ServeHTTP(w, r)
		if w.Code == 401 && w.Header().Get("WWW-Authenticate") != "Bearer" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("status %d without its headers", w.Code)
		}
		return w.Code
	}
	for name, test := range map[string]struct {
		header []string
		want   int
	}{
		"good": {[]string{"Bearer " + token}, 200}, "none": {nil, 401}, "empty": {[]string{"Bearer "}, 401}, "cut": {[]string{"Bearer " + token[:42]}, 401},
		"longer": {[]string{"Bearer " + token + "x"}, 401}, "another scheme": {[]string{"Basic " + token}, 401}, "two": {[]string{"Bearer " + token, "Bearer x"}, 401},
	} {
		if got := ask(test.header...); got != test.want {
			t.Errorf("%s: %d, want %d", name, got, test.want)
		}
	}
	if clock = clock.Add(lifetime); ask("Bearer "+token) != 401 {
		t.Error("a session that is over lets in")
	}
}

// down is a store that is not available.
type down struct{}

var errDown = errors.New("down")

func (down) Load(context.Context, string) ([]byte, error)          { return nil, errDown }
func (down) Save(context.Context, string, []byte, time.Time) error { return errDown }
func (down) Delete(context.Context, string) error                  { return errDown }

// TestStoreDown: no user can sign in or out.
func TestStoreDown(t *testing.T) {
	b := &backend{sessions: sessions{store: down{}, now: time.Now}, log: slog.New(slog.DiscardHandler)}
	for path, method := range map[string]string{"/me": http.MethodGet, "/logout": http.MethodPost} {
		r, w := httptest.NewRequest(method, path, nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer x")
		if b.routes().ServeHTTP(w, r); w.Code != 503 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
}

// TestBodies: a body that is not a JSON object with the known names is rejected.
func TestBodies(t *testing.T) {
	for name, test := range map[string]struct{ kind, body string }{
		"a form":              {"application/x-www-form-urlencoded", "code=x"},
		"no type":             {"", "{}"},
		"no JSON":             {"application/json", "code=x"},
		"an array":            {"application/json", "[]"},
		"two objects":         {"application/json", "{}{}"},
		"a number for a code": {"application/json", `{"code":1}`},
		"too long":            {"application/json", `{"code":"` + strings.Repeat("x", maxBody) + `"}`},
		"nothing":             {"application/json", ""},
	} {
		b := &backend{config: client.Config{RedirectURL: appRedirect}, log: slog.New(slog.DiscardHandler)}
		r, w := httptest.NewRequest(http.MethodPost, "/login/exchange", strings.NewReader(test.body)), httptest.NewRecorder()
		r.Header.Set("Content-Type", test.kind)
		if b.routes().ServeHTTP(w, r); w.Code != 400 || !strings.Contains(w.Body.String(), `"invalid_request"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestLimit: an address with too many requests has to wait, and others do not.
func TestLimit(t *testing.T) {
	var l limit
	now := time.Now()
	for i := range perWindow + 1 {
		if got := l.allow("192.0.2.1:1000", now); got != (i < perWindow) {
			t.Fatalf("try %d: %v", i+1, got)
		}
	}
	if !l.allow("192.0.2.2:1000", now) || l.allow("192.0.2.1:2000", now) || !l.allow("192.0.2.1:1000", now.Add(window)) {
		t.Error("not by address, or not by window")
	}
	for i := range perWindow {
		l.allow(fmt.Sprintf("[2001:db8::%x]:1", i), now)
		l.allow([]string{"192.0.2.1:1", "[::ffff:192.0.2.1]:1"}[i%2], now)
	}
	if l.allow("[2001:db8::ffff]:1", now) || !l.allow("[2001:db8:0:1::1]:1", now) || l.allow("[::ffff:192.0.2.1]:1", now) {
		t.Error("a subscriber has as many tries as addresses")
	}
	for i := range maxAddresses {
		l.allow(fmt.Sprintf("10.0.%d.%d:1", i>>8, i&255), now.Add(window))
	}
	if l.allow("192.0.2.9:1", now.Add(window)) || len(l.tries) > maxAddresses {
		t.Error("more addresses than can be counted")
	}
	b := &backend{config: client.Config{RedirectURL: appRedirect}, log: slog.New(slog.DiscardHandler)}
	for i := range perWindow + 1 {
		r, w := httptest.NewRequest(http.MethodPost, "/login/exchange", nil), httptest.NewRecorder()
		b.routes().ServeHTTP(w, r)
		if i == perWindow && (w.Code != 429 || w.Header().Get("Retry-After") == "") {
			t.Errorf("status %d", w.Code)
		}
	}
}

// TestNothingSecretIsShown: code, verifier, nonce and tokens are not in the log. LOG-01.
func TestNothingSecretIsShown(t *testing.T) {
	a := startApp(t)
	var log bytes.Buffer
	b, err := newBackend(client.Config{Issuer: a.issuer, ClientID: appID, Auth: auth.Public(), RedirectURL: appRedirect})
	if err != nil {
		t.Fatal(err)
	}
	b.log = slog.New(slog.NewTextHandler(&log, nil))
	own := httptest.NewServer(b.routes())
	a.backend = own.URL
	bodies := []map[string]string{a.attempt(t), a.attempt(t), a.attempt(t)}
	bodies[1]["code_verifier"] = string(pkce.New())
	bodies[2]["nonce"] = rand.Text()
	for _, body := range bodies {
		if _, answer, err := a.call(t.Context(), http.MethodPost, "/login/exchange", "", body); err == nil && answer["token"] != nil {
			body["token"] = answer["token"].(string)
			a.call(t.Context(), http.MethodGet, "/me", body["token"]+"x", nil)
		}
	}
	own.Close()
	for _, body := range bodies {
		for _, name := range []string{"code", "code_verifier", "nonce", "state", "token"} {
			if body[name] != "" && strings.Contains(log.String(), body[name]) {
				t.Errorf("%s is in the log", name)
			}
		}
	}
	if !strings.Contains(log.String(), "invalid_grant") {
		t.Error("the log lacks the reasons")
	}
}
