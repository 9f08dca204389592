package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// forgets lets a server answer the first n logins like Keycloak after it has forgotten them.
func forgets(t *testing.T, n int, code string) *optest.Server {
	as := optest.New(t)
	as.Callback = func(q url.Values) {
		if n--; n < 0 {
			return
		}
		q.Del("code")
		q.Set("error", code)
		q.Set("error_description", "authentication_expired")
	}
	return as
}

// TestAuthenticationExpired: a login that the server has forgotten begins again with the same
// request, once.
func TestAuthenticationExpired(t *testing.T) {
	for _, code := range []string{"temporarily_unavailable", "authentication_expired"} {
		bothKinds(t, func(t *testing.T, set setting) {
			set.as = forgets(t, 1, code)
			a := start(t, set)
			b := a.browser(t)
			b.want(b.get(a.URL+"/private/albums?page=2"), 200, "alice at /private/albums?page=2")
			if n := a.as.Hits("/authorize"); n != 2 || strings.Contains(a.log.String(), "level=ERROR") {
				t.Errorf("%d logins\n%s", n, a.log)
			}
			for _, c := range b.cookies(a) {
				if strings.Contains(c.Name, "-p-") {
					t.Errorf("the first login is still under way: %s", c.Name)
				}
			}
		})
	}
	a := start(t, setting{as: forgets(t, 2, "temporarily_unavailable")})
	b := a.browser(t)
	b.want(b.get(a.URL+"/private/"), 503, "temporarily_unavailable")
	if n := a.as.Hits("/authorize"); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// TestRestartKeepsRequest: the second request has the parameters of the first one, and the same
// user is required.
func TestRestartKeepsRequest(t *testing.T) {
	a := start(t, setting{as: forgets(t, 0, "")})
	a.Config.Handler.(*http.ServeMux).HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) {
		a.login.Begin(w, r, login.BeginOptions{ReturnTo: "/there", Request: &client.Request{
			Prompt: []string{"login"}, LoginHint: "bob", Scopes: []string{"photos.read"}, Extra: url.Values{"kc_idp_hint": {"corp"}},
			Claims: map[string]any{"userinfo": map[string]any{"name": nil}},
		}})
	})
	b := a.browser(t)
	b.signIn(a)
	left := 1
	a.as.Callback = func(q url.Values) {
		if left--; left == 0 {
			q.Del("code")
			q.Set("error", "temporarily_unavailable")
			q.Set("error_description", "authentication_expired")
		}
	}
	a.as.EditID = func(m map[string]any) { m["sub"] = "mallory" }
	b.want(b.get(a.URL+"/again"), 403, login.CodeAnotherUser)
	form := a.as.Form("/par")
	if form.Get("login_hint") != "bob" || form.Get("kc_idp_hint") != "corp" || !strings.Contains(form.Get("scope"), "photos.read") || form.Get("claims") != `{"userinfo":{"name":null}}` {
		t.Errorf("prompt %q, hint %q, scope %q, claims %q", form.Get("prompt"), form.Get("login_hint"), form.Get("scope"), form.Get("claims"))
	}
	if a.as.Hits("/authorize") != 3 {
		t.Errorf("%d logins", a.as.Hits("/authorize"))
	}
}

// TestOtherErrorsDoNotRestart: after any other error the login does not begin again.
func TestOtherErrorsDoNotRestart(t *testing.T) {
	for description, code := range map[string]string{"": "temporarily_unavailable", "authentication_expired": "access_denied", "authentication_expired ": "temporarily_unavailable"} {
		as := optest.New(t)
		as.Callback = func(q url.Values) {
			q.Del("code")
			q.Set("error", code)
			q.Set("error_description", description)
		}
		a := start(t, setting{as: as})
		a.browser(t).get(a.URL + "/private/")
		if n := a.as.Hits("/authorize"); n != 1 {
			t.Errorf("%s, %q: %d logins", code, description, n)
		}
	}
}

// TestOnProblem: OnProblem gets what the log contains.
func TestOnProblem(t *testing.T) {
	type heard struct {
		problem login.Problem
		reason  error
	}
	var all []heard
	as := optest.New(t)
	a := start(t, setting{as: as, config: func(c *login.Config) {
		c.OnProblem = func(_ context.Context, p login.Problem, reason error) { all = append(all, heard{p, reason}) }
	}})
	b := a.browser(t)
	b.signIn(a)
	if len(all) != 0 {
		t.Errorf("%v of a login that succeeds", all)
	}
	b.post(a.URL+"/logout", url.Values{})
	b.get(a.URL + "/callback?state=x")
	as.Callback = func(q url.Values) { q.Set("iss", "https://evil.example") }
	b.get(a.URL + "/login")
	if len(all) != 2 || all[0].problem.Code != login.CodeUnknown || all[1].problem.Code != login.CodeFailed {
		t.Fatalf("%v", all)
	}
	for _, h := range all {
		if h.reason == nil || !strings.Contains(a.log.String(), h.problem.ID) {
			t.Errorf("%v: %v", h.problem, h.reason)
		}
	}
	if !strings.Contains(all[1].reason.Error(), "evil.example") {
		t.Errorf("%v", all[1].reason)
	}
}

// TestOnServerLogout: OnServerLogout gets the sessions that the server has ended.
func TestOnServerLogout(t *testing.T) {
	var all []login.ServerLogout
	a := start(t, setting{config: func(c *login.Config) {
		c.Store = &login.Memory{Now: c.Now}
		c.OnServerLogout = func(_ context.Context, ended login.ServerLogout) { all = append(all, ended) }
	}})
	withSession(a.as, "s1")
	b, server := a.browser(t), a.browser(t)
	b.signIn(a)
	server.get(a.URL + "/frontchannel?sid=other&iss=" + url.QueryEscape(a.as.URL)) // of no visitor here
	server.post(a.URL+"/backchannel", url.Values{"logout_token": {"a.b.c"}})
	if len(all) != 0 {
		t.Errorf("%v of logouts that end nothing", all)
	}
	server.want(server.post(a.URL+"/backchannel", logoutToken(a.as, func(m map[string]any) { m["sid"] = "s1" })), 200, "")
	b.signIn(a)
	server.get(a.URL + "/frontchannel?sid=s1&iss=" + url.QueryEscape(a.as.URL))
	if len(all) != 2 || all[0].Issuer != a.as.URL || all[0].SessionID != "s1" || all[1].SessionID != "s1" || all[1].Issuer != a.as.URL {
		t.Errorf("%v", all)
	}
	b.want(b.get(a.URL+"/"), 200, "nobody")
}
