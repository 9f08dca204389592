package login_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

// site is a web application with a login at an issuer of the test kit, and the browser of alice.
type site struct {
	issuer  *issuertest.Issuer
	server  *httptest.Server
	mux     *http.ServeMux
	login   *login.Login
	browser *http.Client
}

// newSite mounts the handlers of a login. Close it after use.
func newSite(config login.Config) *site {
	issuer, err := issuertest.Start(issuertest.Config{})
	if err != nil {
		log.Fatal(err)
	}
	s := &site{issuer: issuer, mux: http.NewServeMux()}
	s.server = httptest.NewTLSServer(s.mux)
	c, err := client.New(client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret), HTTP: issuer.Client(),
		RedirectURL: s.server.URL + "/callback", PostLogoutRedirectURL: s.server.URL + "/bye",
	})
	if err != nil {
		log.Fatal(err)
	}
	config.Clients = map[string]*client.Client{"main": c}
	config.Keys, config.Log = [][]byte{[]byte("32 random bytes, of ParseKeys...")}, slog.New(slog.DiscardHandler)
	if s.login, err = login.New(config); err != nil {
		log.Fatal(err)
	}
	s.mux.Handle("/login", s.login.Start())
	s.mux.Handle("/callback", s.login.Callback())
	s.mux.Handle("/logout", s.login.Logout())
	s.mux.Handle("/bye", s.login.LoggedOut())
	s.browser = issuer.Browser(s.server.Certificate())
	return s
}

func (s *site) close() {
	s.server.Close()
	s.issuer.Close()
}

// visit opens a page of the application and prints it. The browser follows redirects.
func (s *site) visit(path string) {
	resp, err := s.browser.Get(s.server.URL + path)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		log.Fatal(err)
	}
	if resp.Header.Get("Content-Type") == "text/html; charset=utf-8" {
		body = nil // a page of the package
	}
	fmt.Println(strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", string(body))))
}

// hello greets the user who is signed in.
func hello(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	if !ok {
		fmt.Fprint(w, "hello stranger")
		return
	}
	fmt.Fprint(w, "hello ", user.Subject)
}

// Pages for signed-in visitors. Other visitors are redirected to the server, and back after the
// login.
func ExampleLogin_Require() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/albums", s.login.Require(http.HandlerFunc(hello)))
	s.visit("/albums")
	// Output: 200 hello alice
}

// A page for all visitors. It shows who is signed in.
func ExampleLogin_Identify() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.visit("/")
	s.visit("/login")
	// Output:
	// 200 hello stranger
	// 200 hello alice
}

// The end of a session, here and at the server. In a page, the button posts a form.
func ExampleLogin_Logout() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.visit("/login")
	r, err := http.NewRequest(http.MethodPost, s.server.URL+"/logout", nil)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin") // as browsers do
	resp, err := s.browser.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	resp.Body.Close()
	s.visit("/")
	// Output:
	// 200 hello alice
	// 200 hello stranger
}

// The server ends a session. A Store is required, and the client registers the URL.
func ExampleLogin_BackchannelLogout() {
	s := newSite(login.Config{Store: &login.Memory{}}) // redisstore or sqlstore for several processes
	defer s.close()
	s.mux.Handle("/backchannel-logout", s.login.BackchannelLogout())
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.issuer.Register(issuertest.Client{
		ID: issuertest.ClientID, Secret: issuertest.ClientSecret, BackChannelLogoutURL: s.server.URL + "/backchannel-logout",
	})
	s.visit("/login")
	status, err := s.issuer.SendLogout(context.Background(), issuertest.ClientID, issuertest.Subject, "")
	fmt.Println(status, err)
	s.visit("/")
	// Output:
	// 200 hello alice
	// 200 <nil>
	// 200 hello stranger
}

// An account was disabled: its sessions end on all machines. rs/ssf calls this for events.
func ExampleLogin_EndAccess() {
	s := newSite(login.Config{Store: &login.Memory{}})
	defer s.close()
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.visit("/login")
	if err := s.login.EndAccess(context.Background(), s.issuer.URL, "alice", "", time.Now()); err != nil {
		log.Fatal(err) // some sessions may continue: call it again
	}
	s.visit("/")
	// Output:
	// 200 hello alice
	// 200 hello stranger
}

// A page that needs a second factor. The same user signs in again.
func ExampleLogin_Begin() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.mux.Handle("/payments", s.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		if user.ACR != "urn:example:mfa" {
			s.login.Begin(w, r, login.BeginOptions{
				Client: user.Client, Request: &client.Request{ACRValues: []string{"urn:example:mfa"}, Prompt: []string{"login"}}, ReturnTo: r.RequestURI,
			})
			return
		}
		fmt.Fprint(w, user.ACR)
	})))
	s.visit("/login")
	s.visit("/payments")
	// Output:
	// 200 hello alice
	// 200 urn:example:mfa
}

// The application decides who may sign in.
func ExampleConfig_signIn() {
	s := newSite(login.Config{SignIn: func(_ context.Context, user *login.User, _ *client.Tokens, _ url.Values) error {
		if user.Subject != "bob" {
			return errors.New("no account")
		}
		return nil
	}})
	defer s.close()
	s.visit("/login")
	// Output: 403
}

// The access token of the session, for an API. The tokens are refreshed before they expire.
func ExampleUser_Tokens() {
	s := newSite(login.Config{KeepTokens: true})
	defer s.close()
	s.mux.Handle("/", s.login.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		issued, err := user.Tokens(r.Context())
		if errors.Is(err, tokens.ErrLoginRequired) {
			s.login.Begin(w, r, login.BeginOptions{ReturnTo: r.RequestURI})
			return
		}
		fmt.Fprint(w, err == nil && issued.AccessToken != "")
	})))
	s.visit("/")
	// Output: 200 true
}

// Who is signed in, for the scripts of a single-page application.
func ExampleLogin_Session() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/session", s.login.Session())
	s.visit("/session")
	// Output: 200 {"signed_in":false}
}

// The API of a single-page application. The page has no token: the proxy adds it.
func ExampleLogin_Proxy() {
	s := newSite(login.Config{KeepTokens: true})
	defer s.close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.URL.Path, " ", strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "))
	}))
	defer api.Close()
	proxy, err := s.login.Proxy(login.Proxy{Target: api.URL, Prefix: "/api", Allow: []string{"GET /photos/{id}"}})
	if err != nil {
		log.Fatal(err)
	}
	s.mux.Handle("/api/", proxy)
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.visit("/login")

	r, err := http.NewRequest(http.MethodGet, s.server.URL+"/api/photos/1", nil)
	if err != nil {
		log.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "same-origin") // an image of the page; fetch sends X-CSRF-Token
	resp, err := s.browser.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	fmt.Println(resp.StatusCode, string(body), err)
	// Output:
	// 200 hello alice
	// 200 /photos/1 true <nil>
}

// Sessions that copied cookies cannot use for long. This browser does not support it: its session
// works, but pages behind RequireDevice stay closed.
func ExampleLogin_RequireDevice() {
	s := newSite(login.Config{Device: &login.Device{}})
	defer s.close()
	s.mux.Handle("/device-session", s.login.DeviceSession())
	s.mux.Handle("/admin", s.login.RequireDevice(http.HandlerFunc(hello)))
	s.mux.Handle("/", s.login.Identify(http.HandlerFunc(hello)))
	s.visit("/login")
	s.visit("/admin")
	// Output:
	// 200 hello alice
	// 403
}

// Visitors who have a session at the server are signed in without a click. They see no page of the
// server.
func ExampleLogin_Silent() {
	s := newSite(login.Config{})
	defer s.close()
	s.mux.Handle("/", s.login.Silent("main", http.HandlerFunc(hello)))
	s.visit("/")
	// Output: 200 hello alice
}

// Is everything that a login needs reachable? For a readiness probe.
func ExampleLogin_Ready() {
	s := newSite(login.Config{})
	defer s.close()
	fmt.Println(s.login.Ready(context.Background()))
	// Output: <nil>
}
