package login_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

// TestMethods is RP-27: GET for a response in the query, POST for a form.
func TestMethods(t *testing.T) {
	formPost := func(c *client.Config) { c.ResponseMode = "form_post" }
	for _, test := range []struct {
		name   string
		client func(*client.Config)
		method string
		status int
	}{
		{"query by GET", nil, http.MethodGet, 303},
		{"query by POST", nil, http.MethodPost, 400},
		{"form_post by POST", formPost, http.MethodPost, 303},
		{"form_post by GET", formPost, http.MethodGet, 400},
		{"by PUT", nil, http.MethodPut, 405},
		{"by HEAD", nil, http.MethodHead, 405},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := start(t, setting{client: test.client})
			b := a.browser(t)
			u, _ := url.Parse(b.begin(a, "/login"))
			form := u.Query()
			if test.method == http.MethodPost {
				u.RawQuery = ""
			} else {
				form = nil
			}
			got := b.still().do(b.request(test.method, u.String(), form))
			if got.status != test.status {
				t.Errorf("%d %s", got.status, got.body)
			}
			if want := map[bool]int{true: 1}[test.status == 303]; a.as.Hits("/token") != want {
				t.Errorf("%d token requests", a.as.Hits("/token"))
			}
		})
	}
}

// TestFormPost is RP-27, WEB-01: the form comes from another site, so the cookie of the login
// must be SameSite=None. No other cookie may be.
func TestFormPost(t *testing.T) {
	a := start(t, setting{client: func(c *client.Config) { c.ResponseMode = "form_post" }})
	b := a.browser(t)
	got := b.still().get(a.URL + "/login?return_to=/there")
	if set := got.header["Set-Cookie"]; len(set) != 1 || !strings.Contains(set[0], "SameSite=None") || !strings.Contains(set[0], "Secure") {
		t.Errorf("%q", set)
	}
	back, _ := url.Parse(b.still().get(got.header.Get("Location")).header.Get("Location"))
	form := back.Query()
	request := b.request(http.MethodPost, a.URL+"/callback?state=of+the+query&code=x", form)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	request.Header.Set("Sec-Fetch-Mode", "navigate")
	b.want(b.do(request), 200, "alice at /there")

	for _, kind := range []string{"", "text/plain", "multipart/form-data; boundary=x"} {
		request := b.request(http.MethodPost, a.URL+"/callback", form)
		request.Header.Set("Content-Type", kind)
		b.want(b.do(request), 400, "invalid_request")
	}
	b.want(b.post(a.URL+"/callback", url.Values{"state": {strings.Repeat("x", 1<<20)}}), 400, "invalid_request")
}

// TestSignedResponse is RP-28: a signed response contains the state of its login.
func TestSignedResponse(t *testing.T) {
	as := optest.New(t)
	a := start(t, setting{as: as, client: func(c *client.Config) { c.ResponseMode = "query.jwt" }})
	sign := func(callback string) (*url.URL, url.Values) {
		u, _ := url.Parse(callback)
		claims := map[string]any{"iss": as.URL, "aud": optest.ClientID, "exp": time.Now().Add(time.Minute).Unix()}
		for name, values := range u.Query() {
			claims[name] = values[0]
		}
		u.RawQuery = ""
		return u, url.Values{"response": {as.Keys[0].Sign(claims, nil)}}
	}
	b, other := a.browser(t), a.browser(t)
	b.begin(a, "/login") // of another tab
	u, q := sign(b.begin(a, "/login?return_to=/there"))
	u.RawQuery = q.Encode()
	other.begin(a, "/login")
	other.want(other.get(u.String()), 400, "login_unknown")
	b.want(b.get(u.String()), 200, "alice at /there")

	forged, q := sign(b.begin(a, "/login"))
	forged.RawQuery = q.Encode()[:len(q.Encode())-8]
	b.want(b.get(forged.String()), 200, "alice at /") // stays signed in
	other.begin(a, "/login")
	other.want(other.get(forged.String()), 400, "login_unknown")
	if !strings.Contains(a.log.String(), "response:") {
		t.Error("the log does not say what is wrong with the response")
	}
	fresh := start(t, setting{as: as, other: a, client: func(c *client.Config) { c.ResponseMode = "query.jwt" }})
	as.Replace("/jwks", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	u.Host = strings.TrimPrefix(fresh.URL, "https://")
	other.want(other.get(u.String()), 503, "temporarily_unavailable")
	if as.Hits("/token") != 1 {
		t.Errorf("%d token requests", as.Hits("/token"))
	}
}

// TestWrongMethod: the reason has the error of a response that came in another way than the
// requested one.
func TestWrongMethod(t *testing.T) {
	var reason error
	a := start(t, setting{
		client: func(c *client.Config) { c.ResponseMode = "form_post" },
		config: func(c *login.Config) {
			c.OnProblem = func(_ context.Context, _ login.Problem, err error) { reason = err }
		},
	})
	b := a.browser(t)
	u, _ := url.Parse(b.begin(a, "/login"))
	u.RawQuery = url.Values{"state": u.Query()["state"], "error": {"unauthorized_client"}}.Encode()
	b.want(b.still().get(u.String()), 400, "login_failed")
	if reason == nil || !strings.Contains(reason.Error(), `by GET with the error "unauthorized_client", expected POST`) {
		t.Errorf("%v", reason)
	}
}
