package login_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestSignInRejects: a user whom SignIn rejects sees access_denied and has no session.
func TestSignInRejects(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		for name, test := range map[string]struct {
			err    error
			status int
			code   string
		}{
			"accepted":    {nil, 200, ""},
			"rejected":    {errors.New("not of our domain"), 403, "access_denied"},
			"temporary":   {fmt.Errorf("our database: %w", temporary{}), 503, "temporarily_unavailable"},
			"a timeout":   {context.DeadlineExceeded, 503, "temporarily_unavailable"},
			"a call lost": {&url.Error{Op: "Get", URL: "https://api.example", Err: errors.New("refused")}, 503, "temporarily_unavailable"},
		} {
			t.Run(name, func(t *testing.T) {
				calls := 0
				a := start(t, set.and(func(c *login.Config) {
					c.SignIn = func(_ context.Context, user *login.User, tokens *client.Tokens, _ url.Values) error {
						calls++
						if user.Subject != "alice" || user.Client != "main" || tokens.AccessToken == "" {
							t.Errorf("%v with %v", user, tokens)
						}
						return test.err
					}
				}))
				b := a.browser(t)
				got := b.get(a.URL + "/private/")
				b.want(got, test.status, test.code)
				if signedIn := b.get(a.URL+"/").body == "alice at /"; signedIn != (test.err == nil) {
					t.Errorf("signed in: %t", signedIn)
				}
				b.get(a.URL + "/")
				if calls != 1 {
					t.Errorf("called %d times", calls)
				}
				if strings.Contains(got.body, "domain") || test.err != nil && !strings.Contains(a.log.String(), "Config.SignIn: ") {
					t.Error("the page has the reason, or the log lacks it")
				}
			})
		}
	})
}

type temporary struct{}

func (temporary) Error() string   { return "too many connections" }
func (temporary) Temporary() bool { return true }

// TestSignInParameters: SignIn gets the parameters that Apple posts with the code, once, and no
// parameters of the protocol. It sees every claim. The session has those of Config.Claims and
// SetClaim.
func TestSignInParameters(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		const posted = `{"name":{"firstName":"Alice","lastName":"Doe"}}`
		as := optest.New(t)
		as.EditID = func(m map[string]any) { m["email"], m["hd"], m["nickname"] = "alice@example.com", "example.com", "al" }
		as.Callback = func(q url.Values) { q.Set("user", posted) }
		set.as, set.client = as, func(c *client.Config) { c.ResponseMode = "form_post" }
		a := start(t, set.and(func(c *login.Config) {
			c.Claims = []string{"email"}
			c.SignIn = func(_ context.Context, user *login.User, _ *client.Tokens, callback url.Values) error {
				if callback.Get("user") != posted || len(callback) != 1 {
					t.Errorf("%d parameters", len(callback))
				}
				if user.Claim("hd") != "example.com" || user.Claim("email") != "alice@example.com" {
					t.Error("claims are missing")
				}
				return errors.Join(user.SetClaim("nickname", "al"), user.SetClaim("account", 7))
			}
		}))
		a.Config.Handler.(*http.ServeMux).Handle("/claims", a.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			user, _ := login.FromContext(r.Context())
			var all map[string]any
			user.Claims(&all)
			fmt.Fprintf(w, "%d %v %v %q %q", len(all), all["account"], all["nickname"], user.Claim("email"), user.Claim("hd"))
		})))
		b := a.browser(t)
		u, _ := url.Parse(b.begin(a, "/login"))
		b.want(b.post(a.URL+"/callback", u.Query()), 200, "alice")
		b.want(b.get(a.URL+"/claims"), 200, `3 7 al "alice@example.com" ""`)
	})
}

// github is a plain OAuth 2.0 server, with an API that returns the user.
func github(t *testing.T) string {
	gh := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/authorize":
			q := r.URL.Query()
			http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {"canary-code"}, "state": q["state"]}.Encode(), http.StatusFound)
		case "/token":
			optest.JSON(w, 200, map[string]any{"access_token": "canary-gho", "token_type": "bearer", "scope": "read:user"})
		case "/user":
			if r.Header.Get("Authorization") != "Bearer canary-gho" {
				w.WriteHeader(401)
				return
			}
			optest.JSON(w, 200, map[string]any{"id": 583231, "login": "octocat"})
		}
	}))
	t.Cleanup(gh.Close)
	return gh.URL
}

// TestSignInWithoutIDToken: with SignIn a plain OAuth 2.0 server signs users in.
func TestSignInWithoutIDToken(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		api := func(ctx context.Context, user *login.User, tokens *client.Tokens, _ url.Values) error {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, user.Issuer+"/user", nil)
			if err != nil {
				return err
			}
			tokens.SetAuthHeader(r)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			var who struct{ ID int }
			if err := decode(resp, &who); err != nil {
				return err
			}
			user.Subject = fmt.Sprint(who.ID)
			return user.SetClaim("id", who.ID)
		}
		a := start(t, set.and(keepTokens).and(func(c *login.Config) {
			redirect := c.Clients["main"].Config().RedirectURL
			at := github(t)
			gh := newClient(t, at, redirect, func(cfg *client.Config) {
				cfg.Scopes = []string{"read:user"}
				cfg.Metadata = &discovery.Metadata{Issuer: at, AuthorizationEndpoint: at + "/authorize", TokenEndpoint: at + "/token"}
			})
			c.Clients, c.SignIn = map[string]*client.Client{"github": gh}, api
		}))
		b := a.browser(t)
		b.want(b.get(a.URL+"/private/"), 200, "583231 at /private/")
		b.want(b.get(a.URL+"/token"), 200, "canary-gho")
		b.want(b.post(a.URL+"/logout", url.Values{}), 200, "nobody")
	})
}

// TestSignInIdentity: without an ID token SignIn must say who the user is, and with one it
// cannot say otherwise. Both are faults of the application.
func TestSignInIdentity(t *testing.T) {
	for name, test := range map[string]struct {
		scopes []string
		edit   func(*login.User)
		ok     bool
	}{
		"no ID token, no subject":     {[]string{"photos.read"}, func(*login.User) {}, false},
		"no ID token, no issuer":      {[]string{"photos.read"}, func(u *login.User) { u.Subject, u.Issuer = "bob", "" }, false},
		"no ID token, a subject":      {[]string{"photos.read"}, func(u *login.User) { u.Subject = "bob" }, true},
		"an ID token":                 {nil, func(*login.User) {}, true},
		"an ID token, other subject":  {nil, func(u *login.User) { u.Subject = "bob" }, false},
		"an ID token, other issuer":   {nil, func(u *login.User) { u.Issuer = "https://other.example" }, false},
		"an ID token, subject erased": {nil, func(u *login.User) { u.Subject = "" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			a := start(t, setting{
				client: func(c *client.Config) { c.Scopes = test.scopes },
				config: func(c *login.Config) {
					c.SignIn = func(_ context.Context, user *login.User, _ *client.Tokens, _ url.Values) error {
						test.edit(user)
						return nil
					}
				},
			})
			b := a.browser(t)
			got := b.get(a.URL + "/private/")
			if test.ok {
				b.want(got, 200, "at /private/")
				return
			}
			b.want(got, 500, login.CodeConfiguration)
			b.want(b.get(a.URL+"/"), 200, "nobody")
		})
	}
}

// TestStepUpKeepsUser: a step-up must be done by the same user. After a login of another user the
// earlier session stays. Prompt select_account allows another one.
func TestStepUpKeepsUser(t *testing.T) {
	age := 5 * time.Minute
	bothKinds(t, func(t *testing.T, set setting) {
		for name, test := range map[string]struct {
			request client.Request
			who     string
			ok      bool
		}{
			"login, the same":       {client.Request{Prompt: []string{"login"}}, "alice", true},
			"login, another":        {client.Request{Prompt: []string{"login"}}, "mallory", false},
			"max_age, another":      {client.Request{MaxAge: &age}, "mallory", false},
			"acr, another":          {client.Request{ACRValues: []string{"gold"}}, "mallory", false},
			"select_account":        {client.Request{Prompt: []string{"login", "select_account"}}, "mallory", true},
			"no step-up, another":   {client.Request{LoginHint: "mallory"}, "mallory", true},
			"set by the app, wrong": {client.Request{Subject: "carol"}, "alice", false},
		} {
			t.Run(name, func(t *testing.T) {
				a := start(t, set)
				a.Config.Handler.(*http.ServeMux).HandleFunc("/again", func(w http.ResponseWriter, r *http.Request) {
					a.login.Begin(w, r, login.BeginOptions{Request: &test.request, ReturnTo: "/private/"})
				})
				b := a.browser(t)
				b.signIn(a)
				a.as.EditID = func(m map[string]any) {
					m["sub"], m["acr"], m["auth_time"] = test.who, "gold", a.clock.now().Unix()
				}
				got := b.get(a.URL + "/again")
				if test.ok {
					b.want(got, 200, test.who+" at /private/")
					return
				}
				b.want(got, 403, login.CodeAnotherUser)
				b.want(b.get(a.URL+"/"), 200, "alice at /")
			})
		}
	})
}
