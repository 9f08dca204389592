package login_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestLogout is LO-03: the session ends first. Then the browser goes to the server with the ID
// token as a hint, and returns with the state.
func TestLogout(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.signIn(a)
		got := b.still().post(a.URL+"/logout", url.Values{})
		to, _ := url.Parse(got.header.Get("Location"))
		q := to.Query()
		if got.status != 303 || to.Path != "/logout" || q.Get("post_logout_redirect_uri") != a.URL+"/bye" || !strings.HasPrefix(q.Get("id_token_hint"), "ey") {
			t.Fatalf("%d to %s", got.status, to.Path)
		}
		b.want(b.get(a.URL+"/"), 200, "nobody")
		back := a.URL + "/bye?state="
		b.want(b.get(back+"forged"), 400, "logout_failed")
		b.want(b.get(back+q.Get("state")), 400, "logout_failed") // the forged request has ended the logout

		b.signIn(a)
		b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody at /")
		b.want(b.get(a.URL+"/bye"), 200, "nobody at /")
		b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody at /") // a second logout
	})
}

// TestLogoutElsewhere: the visitor is signed out here, even if the server has no logout endpoint
// or does not answer.
func TestLogoutElsewhere(t *testing.T) {
	for name, edit := range map[string]func(*optest.Server){
		"no endpoint": func(s *optest.Server) { s.Edit = func(m map[string]any) { delete(m, "end_session_endpoint") } },
		"no revocation": func(s *optest.Server) {
			s.Edit = func(m map[string]any) { delete(m, "revocation_endpoint"); delete(m, "end_session_endpoint") }
		},
		"revocation fails": func(s *optest.Server) {
			s.Edit = func(m map[string]any) { delete(m, "end_session_endpoint") }
			s.Replace("/revoke", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			as := optest.New(t)
			edit(as)
			a := start(t, setting{as: as, config: keepTokens})
			b := a.browser(t)
			b.signIn(a)
			b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody at /")
		})
	}
}

// TestLogoutRevokes: stored tokens are revoked.
func TestLogoutRevokes(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set.and(keepTokens))
		b := a.browser(t)
		b.signIn(a)
		b.post(a.URL+"/logout", url.Values{})
		if a.as.Hits("/revoke") == 0 {
			t.Error("the tokens live on")
		}
	})
}

// TestLogoutCSRF is LO-03 and WEB-06: neither another site nor a link signs a visitor out.
func TestLogoutCSRF(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		b := a.browser(t)
		b.signIn(a)
		b.want(b.get(a.URL+"/logout"), 405, "method_not_allowed")
		if !strings.Contains(a.log.String(), "GET is not accepted here: sign out with a form that posts to this path") {
			t.Errorf("no remedy in the log: %s", a.log)
		}
		for name, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"} {
			r := b.request(http.MethodPost, a.URL+"/logout", url.Values{})
			r.Header.Set(name, value)
			b.want(b.do(r), 403, "cross_origin")
			r = b.request(http.MethodPost, a.URL+"/private/", url.Values{})
			r.Header.Set(name, value)
			b.want(b.do(r), 403, "cross_origin")
		}
		b.want(b.get(a.URL+"/"), 200, "alice")
		r := b.request(http.MethodPost, a.URL+"/logout", url.Values{})
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		b.want(b.do(r), 200, "nobody")
	})
}

// withSession lets the server put sid into its ID tokens.
func withSession(as *optest.Server, sid string) {
	as.Lock()
	defer as.Unlock()
	as.EditID = func(m map[string]any) { m["sid"] = sid }
}

// logoutToken is a valid token, changed by edit.
func logoutToken(as *optest.Server, edit func(map[string]any)) url.Values {
	now := as.Now().Unix()
	claims := map[string]any{
		"iss": as.URL, "aud": optest.ClientID, "iat": now, "exp": now + 120, "jti": time.Now().String(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	}
	edit(claims)
	return url.Values{"logout_token": {as.Keys[0].Sign(claims, map[string]any{"typ": "logout+jwt"})}}
}

func stored(store login.Store) func(*login.Config) {
	return func(c *login.Config) { c.Store, c.KeepTokens = store, true }
}

// TestBackchannelLogout is LO-01 and LO-02: a logout at one machine ends the sessions of a sid,
// or all sessions of a user, on every machine.
func TestBackchannelLogout(t *testing.T) {
	store := &shaky{}
	one := start(t, setting{config: stored(store)})
	two := start(t, setting{as: one.as, config: stored(store), other: one})
	server := one.browser(t).still()
	withSession(one.as, "s1")
	laptop, tablet := one.browser(t), one.browser(t)
	laptop.signIn(one)
	tablet.signIn(one)
	withSession(one.as, "s2")
	phone := one.browser(t)
	phone.signIn(one)

	end := func(edit func(map[string]any)) page {
		return server.post(two.URL+"/backchannel", logoutToken(one.as, edit))
	}
	got := end(func(m map[string]any) { m["sid"], m["sub"] = "s1", "alice" })
	if got.status != 200 || got.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d, Cache-Control %q", got.status, got.header.Get("Cache-Control"))
	}
	laptop.want(laptop.get(one.URL+"/"), 200, "nobody")
	tablet.want(tablet.get(two.URL+"/"), 200, "nobody")
	phone.want(phone.get(one.URL+"/"), 200, "alice")

	server.want(end(func(m map[string]any) { m["sid"] = "of nobody" }), 200, "")
	server.want(end(func(m map[string]any) { m["sub"] = "bob" }), 200, "")
	phone.want(phone.get(one.URL+"/"), 200, "alice")
	laptop.signIn(one)
	server.want(end(func(m map[string]any) { m["sub"] = "alice" }), 200, "")
	phone.want(phone.get(one.URL+"/"), 200, "nobody")
	laptop.want(laptop.get(two.URL+"/"), 200, "nobody")
	laptop.signIn(one)
}

// TestBackchannelRefuses is LO-01: an invalid logout token is answered with 400, and no session
// ends.
func TestBackchannelRefuses(t *testing.T) {
	a := start(t, setting{config: stored(&login.Memory{})})
	withSession(a.as, "s1")
	b, server := a.browser(t), a.browser(t)
	b.signIn(a)
	for name, edit := range map[string]func(map[string]any){
		"another aud": func(m map[string]any) { m["aud"] = "other" },
		"another iss": func(m map[string]any) { m["iss"] = "https://other.example" },
		"nonce":       func(m map[string]any) { m["nonce"] = "x" },
		"no event":    func(m map[string]any) { delete(m, "events") },
		"no jti":      func(m map[string]any) { delete(m, "jti") },
		"nobody":      func(m map[string]any) { delete(m, "sub"); delete(m, "sid") },
		"expired":     func(m map[string]any) { m["exp"] = m["iat"].(int64) - 600 },
		"old":         func(m map[string]any) { m["iat"] = m["iat"].(int64) - 3600 },
	} {
		token := logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice"; edit(m) })
		if got := server.post(a.URL+"/backchannel", token); got.status != 400 || got.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, Cache-Control %q", name, got.status, got.header.Get("Cache-Control"))
		}
	}
	idToken := a.as.Keys[0].Sign(a.as.IDClaims(), nil)
	server.want(server.post(a.URL+"/backchannel", url.Values{"logout_token": {idToken}}), 400, `"invalid_request"`)
	server.want(server.post(a.URL+"/backchannel", url.Values{"logout_token": {"a", "b"}}), 400, `"invalid_request"`)
	server.want(server.post(a.URL+"/backchannel", url.Values{}), 400, `"invalid_request"`)
	server.want(server.get(a.URL+"/backchannel"), 405, "method_not_allowed")
	b.want(b.get(a.URL+"/"), 200, "alice")

	token := logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })
	server.want(server.post(a.URL+"/backchannel", token), 200, "")
	b.signIn(a)
	server.want(server.post(a.URL+"/backchannel", token), 400, `"invalid_request"`)
	b.want(b.get(a.URL+"/"), 200, "alice")
}

// TestBackchannelDown: the response is 503 while the Store or the server's keys are not
// available. Later the same token is accepted.
func TestBackchannelDown(t *testing.T) {
	store := &shaky{}
	a := start(t, setting{config: stored(store)})
	b, server := a.browser(t), a.browser(t)
	b.signIn(a)
	token := logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })
	store.down.Store(true)
	server.want(server.post(a.URL+"/backchannel", token), 503, `"temporarily_unavailable"`)
	store.down.Store(false)
	server.want(server.post(a.URL+"/backchannel", token), 200, "")
	b.want(b.get(a.URL+"/"), 200, "nobody")

	b.signIn(a)
	token = logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })
	store.stuck.Store(true)
	server.want(server.post(a.URL+"/backchannel", token), 503, `"temporarily_unavailable"`)
	store.stuck.Store(false)
	server.want(server.post(a.URL+"/backchannel", token), 200, "")
	b.want(b.get(a.URL+"/"), 200, "nobody")

	fresh := start(t, setting{as: a.as, config: stored(store), other: a})
	a.as.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	token = logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })
	server.want(server.post(fresh.URL+"/backchannel", token), 503, `"temporarily_unavailable"`)
}

// distrusted is a Transport that does not trust the server's certificate.
type distrusted struct{}

func (distrusted) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}
}

// TestBackchannelDistrusts: a logout is not lost while the certificate of the server is not trusted,
// for example because it has expired. The server must send it again.
func TestBackchannelDistrusts(t *testing.T) {
	store := &shaky{}
	a := start(t, setting{config: stored(store)})
	b, server := a.browser(t), a.browser(t)
	b.signIn(a)
	token := logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })
	distrusts := func(c *client.Config) { c.HTTP = &http.Client{Transport: distrusted{}} }
	fresh := start(t, setting{as: a.as, config: stored(store), other: a, client: distrusts})
	server.want(server.post(fresh.URL+"/backchannel", token), 503, `"temporarily_unavailable"`)
	if log := fresh.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "not trusted") {
		t.Errorf("the log: %s", log)
	}
	server.want(server.post(a.URL+"/backchannel", token), 200, "")
	b.want(b.get(a.URL+"/"), 200, "nobody")
}

// TestBackchannelWithoutStore: the handler reports that it needs a Store.
func TestBackchannelWithoutStore(t *testing.T) {
	a := start(t, setting{})
	b := a.browser(t)
	b.signIn(a)
	b.want(b.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sub"] = "alice" })), 501, "")
	b.want(b.get(a.URL+"/"), 200, "alice")
}

// TestFrontchannelLogout: the frame ends the session of its sid. With a Store it needs no cookie.
func TestFrontchannelLogout(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		a := start(t, set)
		withSession(a.as, "s1")
		b := a.browser(t)
		b.signIn(a)
		frame := a.URL + "/frontchannel?"
		for _, q := range []url.Values{
			{}, {"iss": {a.as.URL}}, {"sid": {"s1"}}, {"iss": {a.as.URL}, "sid": {""}},
			{"iss": {a.as.URL, a.as.URL}, "sid": {"s1"}},
		} {
			b.want(b.get(frame+q.Encode()), 400, "invalid_request")
		}
		b.want(b.get(frame+url.Values{"iss": {a.as.URL}, "sid": {"s2"}}.Encode()), 200, "")
		b.want(b.get(frame+url.Values{"iss": {"https://other.example"}, "sid": {"s1"}}.Encode()), 200, "")
		b.want(b.get(a.URL+"/"), 200, "alice")
		bare := b
		if set.config != nil {
			bare = a.browser(t)
		}
		got := bare.get(frame + url.Values{"iss": {a.as.URL}, "sid": {"s1"}}.Encode())
		if got.status != 200 || got.header.Get("Cache-Control") != "no-store" || got.header.Get("Content-Security-Policy") != "" {
			t.Errorf("%d %v", got.status, got.header)
		}
		b.want(b.get(a.URL+"/"), 200, "nobody")
	})
}

// TestInitiated is WEB-05: a third party can begin a login for configured issuers. The visitor
// returns to this site only.
func TestInitiated(t *testing.T) {
	a := start(t, setting{})
	good := url.Values{"iss": {a.as.URL}, "login_hint": {"alice@example.com"}, "target_link_uri": {a.URL + "/private/there?x=1"}}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		b := a.browser(t)
		r := b.request(http.MethodPost, a.URL+"/initiate", good)
		if method == http.MethodGet {
			r = b.request(method, a.URL+"/initiate?"+good.Encode(), nil)
		}
		b.want(b.do(r), 200, "alice at /private/there?x=1")
	}
	if hint := a.as.Form("/par").Get("login_hint"); hint != "alice@example.com" {
		t.Errorf("login_hint %q", hint)
	}
	b := a.browser(t)
	b.want(b.get(a.URL+"/initiate?"+url.Values{"iss": {a.as.URL}}.Encode()), 200, "alice at /")
	for _, q := range []url.Values{
		{}, {"iss": {"https://other.example"}}, {"iss": {a.as.URL, a.as.URL}},
		{"iss": {a.as.URL}, "target_link_uri": {"https://evil.example/"}},
		{"iss": {a.as.URL}, "target_link_uri": {"//evil.example/"}},
		{"iss": {a.as.URL}, "target_link_uri": {a.URL + "//evil.example/"}},
	} {
		b.want(b.still().get(a.URL+"/initiate?"+q.Encode()), 400, "invalid_request")
	}
}

// TestSeveralIssuers is RP-23: each login is finished at the server where it began.
func TestSeveralIssuers(t *testing.T) {
	first, second := optest.New(t), optest.New(t)
	second.EditID = func(m map[string]any) { m["sub"] = "bob" }
	a := start(t, setting{as: first, config: func(c *login.Config) {
		base := strings.TrimSuffix(c.Clients["main"].Config().RedirectURL, "/callback")
		other, err := client.New(client.Config{
			Issuer: second.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret),
			RedirectURL: base + "/callback/second", PostLogoutRedirectURL: base + "/bye", Now: c.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Clients["second"], c.SignInPath = other, "/choose?lang=en"
	}})
	b := a.browser(t)
	got := b.still().get(a.URL + "/private/x?y=1")
	if to := got.header.Get("Location"); to != "/choose?lang=en&return_to=%2Fprivate%2Fx%3Fy%3D1" {
		t.Errorf("sent to %q", to)
	}
	b.want(b.get(a.URL+"/login?client=second&return_to=/there"), 200, "bob at /there")
	b.want(b.get(a.URL+"/login/main?return_to=/there"), 200, "alice at /there")
	for _, start := range []string{"/login", "/login?client=third", "/login/third"} {
		b.want(b.still().get(a.URL+start), 400, "invalid_request")
	}

	callback := b.begin(a, "/login/second")
	mixed := strings.Replace(callback, url.QueryEscape(second.URL), url.QueryEscape(first.URL), 1)
	b.want(b.get(mixed), 400, "login_failed")
	b.want(b.get(a.URL+"/initiate?"+url.Values{"iss": {second.URL}}.Encode()), 200, "bob at /")
	b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody")
	if second.Hits("/logout") != 1 || first.Hits("/logout") != 0 {
		t.Error("the logout went to another server")
	}
}
