package login_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
)

// TestAnotherBrowser is RP-04: a login can be finished only in the browser that began it.
func TestAnotherBrowser(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		attacker, victim := a.browser(t), a.browser(t)
		callback := attacker.begin(a, "/login")

		victim.want(victim.get(callback), 400, "login_unknown")
		victim.want(victim.get(a.URL+"/"), 200, "nobody")
		if a.as.Hits("/token") != 0 {
			t.Error("RP-20: a token request was sent for it")
		}
		attacker.want(attacker.get(callback), 200, "alice at /")
	})
}

// TestLoginCSRF is RP-04 and RP-20: the callback of another user's login does not change the
// session of a signed-in visitor. It does not change the visitor's own login either.
func TestLoginCSRF(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		attacker, victim := a.browser(t), a.browser(t)
		callback := attacker.begin(a, "/login")
		own := victim.begin(a, "/login?return_to=/own")
		victim.want(victim.get(callback), 400, "login_unknown")
		victim.want(victim.get(own), 200, "alice at /own")

		a.as.EditID = func(m map[string]any) { m["sub"] = "mallory" }
		victim.want(victim.get(callback), 200, "alice at /")
		if a.as.Hits("/token") != 1 {
			t.Errorf("%d token requests", a.as.Hits("/token"))
		}
	})
}

// TestPlantedAttempt: a login cookie of another user is rejected under another name. The name is
// part of the seal, and derived from the state.
func TestPlantedAttempt(t *testing.T) {
	a := start(t, setting{})
	attacker, victim := a.browser(t), a.browser(t)
	mine, theirs := attacker.begin(a, "/login"), victim.begin(a, "/login")
	victim.plant(a, victim.cookies(a)[0].Name, attacker.cookies(a)[0].Value)
	victim.want(victim.get(theirs), 400, "login_unknown")
	victim.want(victim.get(mine), 400, "login_unknown")
}

// TestCallbackRefuses is RP-20 and RP-24 for a browser: no token request is sent.
func TestCallbackRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		edit func(url.Values)
		code string
	}{
		{"RP-20 no state", func(q url.Values) { q.Del("state") }, "login_unknown"},
		{"RP-20 empty state", func(q url.Values) { q.Set("state", "") }, "login_unknown"},
		{"RP-20 unknown state", func(q url.Values) { q.Set("state", "unknown") }, "login_unknown"},
		{"RP-24 two states", func(q url.Values) { q.Add("state", "x") }, "login_failed"},
		{"RP-24 two codes", func(q url.Values) { q.Add("code", "x") }, "login_failed"},
		{"RP-24 code and error", func(q url.Values) { q.Set("error", "access_denied") }, "login_failed"},
		{"RP-22 another iss", func(q url.Values) { q.Set("iss", "https://other.example") }, "login_failed"},
		{"RP-22 no iss", func(q url.Values) { q.Del("iss") }, "login_failed"},
		{"RP-25 an ID token", func(q url.Values) { q.Set("id_token", "x") }, "login_failed"},
		{"no code", func(q url.Values) { q.Del("code") }, "login_failed"},
		{"RP-28 response in a plain callback", func(q url.Values) { q.Set("response", "a.b.c") }, "login_failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := start(t, setting{})
			b := a.browser(t)
			u, _ := url.Parse(b.begin(a, "/login"))
			q := u.Query()
			test.edit(q)
			u.RawQuery = q.Encode()
			got := b.get(u.String())
			b.want(got, 400, test.code)
			if a.as.Hits("/token") != 0 || len(b.cookies(a)) > 1 {
				t.Errorf("%d token requests, cookies %v", a.as.Hits("/token"), b.cookies(a))
			}
		})
	}
}

// TestServerSaysNo: the page and the status for each error code of the server.
func TestServerSaysNo(t *testing.T) {
	for answer, want := range map[string]struct {
		status int
		code   string
	}{
		"access_denied":           {403, "access_denied"},
		"login_required":          {401, "login_required"},
		"interaction_required":    {401, "login_required"},
		"temporarily_unavailable": {503, "temporarily_unavailable"},
		"server_error":            {400, "login_failed"},
		"<script>alert(1)":        {400, "login_failed"},
	} {
		t.Run(answer, func(t *testing.T) {
			as := optest.New(t)
			as.Callback = func(q url.Values) {
				q.Del("code")
				q.Set("error", answer)
				q.Set("error_description", `"><script>alert("RP-26")</script>`)
				q.Set("error_uri", "https://evil.example/")
			}
			a := start(t, setting{as: as})
			b := a.browser(t)
			got := b.get(a.URL + "/login?return_to=/back%3Fto")
			b.want(got, want.status, want.code)
			b.want(got, want.status, `href="/login?return_to=%2Fback%3Fto"`)
			if strings.Contains(got.body, "RP-26") || strings.Contains(got.body, "evil") || strings.Contains(got.body, "<script") {
				t.Errorf("RP-26, LOG-03: the page has the server's text:\n%s", got.body)
			}
		})
	}
}

// TestLostAnswer is RP-29: the browser did not receive the callback's response, and sends the
// callback again with its old cookies.
func TestLostAnswer(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	callback := b.begin(a, "/login?return_to=/private/there")
	lost := a.browser(t)
	for _, c := range b.cookies(a) {
		lost.plant(a, c.Name, c.Value)
	}
	lost.want(lost.still().get(callback), 303, "")
	b.want(b.get(callback), 200, "alice at /private/there") // by a new login
	if a.as.Hits("/token") != 2 || a.as.Hits("/authorize") != 2 {
		t.Errorf("%d token requests, %d logins", a.as.Hits("/token"), a.as.Hits("/authorize"))
	}
}

// TestExpiredLogin is RP-09 and RP-20: after ten minutes the visitor gets a page with a link to
// begin again.
func TestExpiredLogin(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	callback := b.begin(a, "/login?return_to=/there")
	a.clock.turn(10*time.Minute + time.Second)
	got := b.get(callback)
	b.want(got, 400, "login_expired")
	b.want(got, 400, `href="/login?return_to=%2Fthere"`)
	if a.as.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
	callback = b.begin(a, "/login?return_to=/there")
	a.clock.turn(9 * time.Minute)
	b.want(b.get(callback), 200, "alice at /there")
}

// TestCookiesOff: a browser without cookies gets an error page, and no loop of redirects.
func TestCookiesOff(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	b.Jar = nil
	got := b.get(a.URL + "/private/")
	b.want(got, 400, "login_unknown")
	b.want(got, 400, "cookies")
	if a.as.Hits("/authorize") != 1 {
		t.Errorf("%d logins", a.as.Hits("/authorize"))
	}
}

// TestServerDown: the begin and the end of a login answer 503 with a page. Later logins succeed.
func TestServerDown(t *testing.T) {
	as := optest.New(t)
	down := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }
	a := start(t, setting{as: as})
	b := a.browser(t)
	as.Replace("/.well-known/openid-configuration", down)
	b.want(b.get(a.URL+"/private/"), 503, "temporarily_unavailable")
	as.Replace("/.well-known/openid-configuration", nil)
	eventually(t, func() bool { return b.still().get(a.URL+"/login").status == 303 })
	as.Replace("/token", down)
	b.want(b.get(a.URL+"/private/"), 503, "temporarily_unavailable")
	as.Replace("/token", nil)
	b.signIn(a)
}

// eventually waits for a condition, with growing pauses, for two minutes: the machine may be busy.
func eventually(t *testing.T, happens func() bool) {
	t.Helper()
	pause := time.Millisecond
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); pause = min(2*pause, time.Second) {
		if happens() {
			return
		}
		time.Sleep(pause)
	}
	t.Error("it does not happen")
}
