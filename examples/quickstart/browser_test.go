package main

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/countersign/countersign/examples/internal/visitor"
)

func TestFormIsForOneRequest(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	form := v.begin()
	v.press(form)
	if again := v.fill(form); again.Status != http.StatusBadRequest {
		t.Errorf("a form that was sent before: status %d", again.Status)
	}
}

func TestCancel(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	v.Cancel = true
	back := v.fill(v.begin())
	if got := back.Redirect.Query().Get("iss"); got != b.issuer {
		t.Errorf("iss %q in the error response, want %q", got, b.issuer)
	}
	s := v.get(back.Redirect.String())
	b.wantFailure(t, s, http.StatusForbidden, "access_denied")
	if !strings.Contains(s.Body, "You cancelled") || b.wire.tokenRequests() != 0 {
		t.Errorf("%d token requests, and the page:\n%s", b.wire.tokenRequests(), s.Body)
	}
}

// TestConsent: a page after the sign-in shows the requested scopes. A user who does not allow
// them is not signed in.
func TestConsent(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	consent := v.consent()
	for _, want := range []string{"Allow access?", "The print shop", "See the photos in your photo album", "See your email address"} {
		if !strings.Contains(consent.Body, want) {
			t.Errorf("the page lacks %q:\n%s", want, consent.Body)
		}
	}
	v.Cancel = true
	b.wantFailure(t, v.get(v.press(consent).Redirect.String()), http.StatusForbidden, "access_denied")
	if s := v.get(b.app + "/photos"); s.Redirect == nil {
		t.Errorf("status %d", s.Status)
	}
}

func TestTwoTabs(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	first, second := v.begin(), v.begin()
	for i, form := range []*visitor.Page{second, first} {
		back := v.fill(form)
		if s := v.get(back.Redirect.String()); s.Redirect == nil || s.Redirect.Path != "/photos" {
			t.Errorf("tab %d: status %d, %v", i, s.Status, s.Redirect)
		}
	}
	if s := v.get(b.app + "/photos"); s.Status != http.StatusOK {
		t.Errorf("status %d in the end", s.Status)
	}
}

func TestCallbackReload(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	callback := v.callback().String()
	if s := v.get(callback); s.Redirect == nil {
		t.Fatalf("the first time: status %d", s.Status)
	}
	if s := v.get(callback); s.Redirect == nil || s.Redirect.Path != "/" {
		t.Errorf("the second time: status %d, %v", s.Status, s.Redirect)
	}
	if n := b.wire.tokenRequests(); n != 1 {
		t.Errorf("%d token requests", n)
	}
	if s := v.get(b.app + "/photos"); s.Status != http.StatusOK {
		t.Errorf("the visitor is no longer signed in: status %d", s.Status)
	}
}

func TestTamperedCallback(t *testing.T) {
	for _, test := range []struct{ name, value, code string }{
		{"state", "forged", "login_unknown"},
		{"iss", "https://elsewhere.example", "login_failed"},
		{"state", "", "login_unknown"},
		{"code", "", "login_failed"},
	} {
		t.Run(test.name+"="+test.value, func(t *testing.T) {
			b := startBench(t)
			v := b.browser(t)
			callback := v.callback()
			q := callback.Query()
			q.Set(test.name, test.value)
			callback.RawQuery = q.Encode()
			b.wantFailure(t, v.get(callback.String()), http.StatusBadRequest, test.code)
			if n := b.wire.tokenRequests(); n != 0 {
				t.Errorf("%d token requests", n)
			}
		})
	}
}

func TestCallbackInAnotherBrowser(t *testing.T) {
	b := startBench(t)
	victim := b.browser(t)
	victim.begin()
	b.wantFailure(t, victim.get(b.browser(t).callback().String()), http.StatusBadRequest, "login_unknown")
}

func TestSessionIDChangesAtLogin(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	callback := v.callback()
	v.get(callback.String())
	before := v.cookie()
	again := v.get(v.get(b.app + "/login").Redirect.String())
	v.get(v.fill(again).Redirect.String())
	if after := v.cookie(); before == "" || after == "" || before == after {
		t.Errorf("session %q before, %q after", before, after)
	}
}

func TestSignOut(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	v.get(v.callback().String())
	s := v.press(v.get(b.app + "/photos"))
	for s.Redirect != nil { // by the server, whose session ends too
		s = v.get(s.Redirect.String())
	}
	if s.URL.String() != b.app+"/" || !strings.Contains(s.Body, "You are signed out.") {
		t.Errorf("%s does not confirm it:\n%s", s.URL, s.Body)
	}
	if s := v.get(b.app + "/"); strings.Contains(s.Body, "You are signed out.") {
		t.Error("it is confirmed twice")
	}
	if s := v.get(b.app + "/photos"); s.Redirect == nil {
		t.Errorf("after signing out: status %d", s.Status)
	}
}

// TestSignOutFromElsewhere: a form of another site does not sign a user out.
func TestSignOutFromElsewhere(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	v.get(v.callback().String())
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.app+"/logout", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", "https://elsewhere.example")
	b.wantFailure(t, v.send(r), http.StatusForbidden, "cross_origin")
	if s := v.get(b.app + "/photos"); s.Status != http.StatusOK {
		t.Errorf("status %d afterwards", s.Status)
	}
}

func TestNotFound(t *testing.T) {
	b := startBench(t)
	for _, address := range []string{b.app, b.api} {
		s := b.browser(t).get(address + "/nowhere")
		if s.Status != http.StatusNotFound || !strings.Contains(s.Body, "Page not found") || !strings.Contains(s.Body, "/nowhere") {
			t.Errorf("%s: status %d:\n%s", address, s.Status, s.Body)
		}
		if icon := fetch(t, address+"/favicon.ico"); icon.StatusCode != http.StatusOK || icon.Header.Get("Content-Type") != "image/svg+xml" {
			t.Errorf("%s: the icon: %v", address, icon)
		}
	}
}

// TestReportTable: every step has a row with a header and a result in words.
func TestReportTable(t *testing.T) {
	b := startBench(t)
	v := b.browser(t)
	v.get(v.callback().String())
	page := v.get(b.app + "/photos")
	rows := page.Table("report")
	if len(rows) != 15 {
		t.Fatalf("%d rows, expected a head and 14 steps:\n%s", len(rows), page.Body)
	}
	for n, row := range rows[1:] {
		if len(row) != 3 || row[0] != strconv.Itoa(n+1) || row[2] != "valid" && row[2] != "not applicable" {
			t.Errorf("row %q", row)
		}
	}
	for _, want := range []string{"<caption>", "9 valid, 5 not applicable", `<th scope="col">Check</th>`, `<th scope="row">14</th>`} {
		if !strings.Contains(page.Body, want) {
			t.Errorf("the table lacks %s", want)
		}
	}
}

// fetch returns the response to one request without its body.
func fetch(t *testing.T, address string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func TestHeaders(t *testing.T) {
	b := startBench(t)
	for _, address := range []string{b.app + "/", b.app + "/photos", b.app + "/callback?state=x", b.issuer + "/authorize"} {
		resp := fetch(t, address)
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store",
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff",
		} {
			if got := resp.Header.Get(name); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %s is %q, want %q", address, name, got, want)
			}
		}
	}
}

func TestCookie(t *testing.T) {
	b := startBench(t)
	c := fetch(t, b.app+"/photos").Cookies()
	if len(c) != 1 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Secure {
		t.Errorf("cookies %v", c)
	}
}

func TestAPI(t *testing.T) {
	for _, kind := range []string{"jwt", "opaque"} {
		good := startBench(t, "-token", kind)
		lacking := startBench(t, "-token", kind, "-scopes", "openid")
		for _, test := range []struct {
			name      string
			b         *bench
			token     string
			status    int
			challenge string
		}{
			{"no token", good, "", 401, `Bearer realm="photos"`},
			{"a good one", good, accessToken(t, good), 200, ""},
			{"not a token", good, "nonsense", 401, `error="invalid_token"`},
			{"another server's", good, accessToken(t, lacking), 401, `error="invalid_token"`},
			{"no scope", lacking, accessToken(t, lacking), 403, `error="insufficient_scope"`},
		} {
			t.Run(kind+"/"+test.name, func(t *testing.T) {
				status, challenge := call(t, test.b.api, test.token)
				if status != test.status || !strings.Contains(challenge, test.challenge) {
					t.Errorf("%d, %s; want %d, %s", status, challenge, test.status, test.challenge)
				}
				if test.token == "" && strings.Contains(challenge, "error") {
					t.Errorf("a request without token gets an error code: %s", challenge)
				}
			})
		}
	}
}

func accessToken(t *testing.T, b *bench) string {
	t.Helper()
	v := b.browser(t)
	v.get(v.callback().String())
	return b.wire.accessToken(t)
}

func call(t *testing.T, api, token string) (status int, challenge string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api+"/photos", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header.Get("WWW-Authenticate")
}

// TestNothingSecretIsShown searches pages, steps and logs for secrets.
func TestNothingSecretIsShown(t *testing.T) {
	for _, kind := range []string{"jwt", "opaque"} {
		t.Run(kind, func(t *testing.T) {
			b := startBench(t, "-token", kind)
			v := b.browser(t)
			callback := v.callback()
			v.get(callback.String())
			v.get(b.app + "/photos")
			v.get(b.app + "/")
			v.get(callback.String()) // reloaded
			call(t, b.api, b.wire.accessToken(t)+"x")
			cancels := b.browser(t)
			cancels.Cancel = true
			cancels.get(cancels.fill(cancels.begin()).Redirect.String())

			public := strings.Join(append(v.pages, cancels.pages...), "\n") + b.written.String()
			for name, secret := range map[string]string{
				"the client secret": b.clientSecret,
				"the API's secret":  b.secret,
				"the access token":  b.wire.accessToken(t),
				"the ID token":      b.wire.find(t, `"id_token":"([^"]+)"`),
				"the code":          callback.Query().Get("code"),
				"the state":         callback.Query().Get("state"),
				"the verifier":      b.wire.find(t, `code_verifier=([^&\s]+)`),
				"the session":       v.cookie(),
			} {
				if secret == "" || strings.Contains(public, secret) {
					t.Errorf("%s (%d characters) is in a page or in the log", name, len(secret))
				}
			}
		})
	}
}
