package issuertest_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/idtoken"
)

const callbackURL = "https://app.example/callback"

// newClient makes a client of the issuer. change may be nil.
func newClient(t testing.TB, issuer *issuertest.Issuer, change func(*client.Config)) *client.Client {
	t.Helper()
	config := client.Config{
		Issuer: issuer.URL, ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret),
		RedirectURL: callbackURL, Scopes: []string{"openid", "profile", "email"}, HTTP: issuer.Client(), Now: issuer.Now,
	}
	if change != nil {
		change(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// login signs the first user in.
func login(t testing.TB, issuer *issuertest.Issuer, c *client.Client, req client.Request) (*client.Tokens, error) {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), req)
	if err != nil {
		return nil, err
	}
	return c.Finish(t.Context(), pending, issuer.SignIn(t, redirect))
}

func mustLogin(t testing.TB, issuer *issuertest.Issuer, c *client.Client) *client.Tokens {
	t.Helper()
	tokens, err := login(t, issuer, c, client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestLogin(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{})
	c := newClient(t, issuer, nil)
	tokens := mustLogin(t, issuer, c)
	var claims struct {
		Name  string `json:"name"`
		Email string `json:"email"`
	}
	if err := tokens.IDToken.Claims(&claims); err != nil || tokens.IDToken.Subject != "alice" || claims.Email != "alice@example.com" {
		t.Errorf("sub %q, claims %+v, %v", tokens.IDToken.Subject, claims, err)
	}
	if info, err := c.UserInfo(t.Context(), tokens); err != nil || info.Subject != "alice" {
		t.Errorf("UserInfo: %v", err)
	}
}

func TestLoginsInEveryWay(t *testing.T) {
	public := issuertest.Client{ID: "public"}
	for name, test := range map[string]struct {
		config issuertest.Config
		change func(*client.Config)
	}{
		"page":      {issuertest.Config{Page: true}, nil},
		"plain":     {issuertest.Config{PlainHTTP: true}, nil},
		"ES256":     {issuertest.Config{Algorithm: "ES256"}, func(c *client.Config) { c.IDTokenAlgs = []string{"ES256"} }},
		"opaque":    {issuertest.Config{AccessTokens: issuertest.Opaque}, nil},
		"post":      {issuertest.Config{}, func(c *client.Config) { c.Auth = auth.SecretPost(issuertest.ClientSecret) }},
		"jwt":       {issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: longSecret}}}, func(c *client.Config) { c.Auth = auth.SecretJWT(longSecret, auth.Assertion{}) }},
		"public":    {issuertest.Config{Clients: []issuertest.Client{public}}, func(c *client.Config) { c.ClientID, c.Auth = "public", auth.Public() }},
		"no PAR":    {issuertest.Config{Metadata: map[string]any{"pushed_authorization_request_endpoint": nil}}, nil},
		"form_post": {issuertest.Config{}, func(c *client.Config) { c.ResponseMode = "form_post" }},
		"JARM":      {issuertest.Config{}, func(c *client.Config) { c.ResponseMode = "query.jwt" }},
		"hybrid":    {issuertest.Config{}, func(c *client.Config) { c.ResponseType = "code id_token"; c.ResponseMode = "form_post" }},
		"fragment":  {issuertest.Config{}, func(c *client.Config) { c.ResponseMode = "fragment.jwt" }},
		"user info": {issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: "web-secret", SignedUserInfo: true}}}, func(c *client.Config) { c.UserInfoAlgs = []string{"RS256"} }},
	} {
		t.Run(name, func(t *testing.T) {
			issuer := issuertest.New(t, test.config)
			c := newClient(t, issuer, test.change)
			tokens := mustLogin(t, issuer, c)
			if _, err := c.UserInfo(t.Context(), tokens); err != nil {
				t.Errorf("UserInfo: %v", err)
			}
		})
	}
}

const longSecret = "canary-client-secret of thirty-two bytes or more"

// TestSteps: each fault of the ID token fails in its own step, and in no other step that
// was reached.
func TestSteps(t *testing.T) {
	age := time.Minute
	covered := map[int]bool{}
	for _, fault := range issuertest.Faults() {
		step := fault.Step()
		if step == 0 {
			continue
		}
		t.Run(string(fault), func(t *testing.T) {
			issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}})
			c := newClient(t, issuer, func(c *client.Config) { c.TrustedAudiences = []string{issuertest.OtherAudience} })
			_, err := login(t, issuer, c, client.Request{ACRValues: []string{"urn:example:one"}, MaxAge: &age})
			var failed *idtoken.Error
			if !errors.As(err, &failed) {
				t.Fatalf("error %v, expected a failed step %d", err, step)
			}
			for _, s := range failed.Report.Steps {
				if wrong := s.Result == idtoken.Failed; wrong != (s.Number == step) && !notReached(s, step) {
					t.Errorf("step %d: failed is %t: %v", s.Number, wrong, s.Err)
				}
			}
			covered[step] = true
			issuer.Behave()
			if _, err := login(t, issuer, c, client.Request{ACRValues: []string{"urn:example:one"}, MaxAge: &age}); err != nil {
				t.Errorf("after Behave: %v", err)
			}
		})
	}
	if len(covered) != 14 {
		t.Errorf("%d steps have a fault, want 14", len(covered))
	}
}

// notReached reports whether a step was not run because another one failed.
func notReached(s idtoken.Step, failed int) bool {
	return s.Number != failed && s.Err != nil && strings.Contains(s.Err.Error(), "not checked")
}

// TestResponses: the client rejects each wrong response, and accepts the right one afterwards.
func TestResponses(t *testing.T) {
	jarm := func(c *client.Config) { c.ResponseMode = "jwt" }
	for fault, change := range map[issuertest.Fault]func(*client.Config){
		issuertest.CallbackStateWrong: nil, issuertest.CallbackStateMissing: nil, issuertest.CallbackIssuerForeign: nil,
		issuertest.CallbackIssuerMissing: nil, issuertest.CallbackCodeMissing: nil, issuertest.CallbackCodeTwice: nil,
		issuertest.CallbackCodeUsed: nil, issuertest.CallbackDenied: nil, issuertest.CallbackServerError: nil,
		issuertest.CallbackResponseKey: jarm, issuertest.CallbackResponseIssuer: jarm, issuertest.CallbackResponseClient: jarm,
		issuertest.CallbackResponseOld: jarm, issuertest.CallbackResponsePlain: jarm,
		issuertest.TokenTypeMissing: nil, issuertest.TokenTypeUnknown: nil, issuertest.TokenAccessMissing: nil,
		issuertest.TokenIDMissing: nil, issuertest.TokenDuplicateMember: nil, issuertest.TokenErrorWithStatusOK: nil,
		issuertest.PushedURIMissing: nil,
	} {
		t.Run(string(fault), func(t *testing.T) {
			issuer := issuertest.New(t, issuertest.Config{})
			c := newClient(t, issuer, change)
			mustLogin(t, issuer, c)
			issuer.Inject(fault)
			if _, err := login(t, issuer, c, client.Request{}); err == nil {
				t.Error("the login succeeds")
			}
			issuer.Behave(fault)
			mustLogin(t, issuer, c)
		})
	}
}

// TestHTTPFaults: the client rejects each fault of HTTP at every endpoint.
func TestHTTPFaults(t *testing.T) {
	faults := []issuertest.Fault{issuertest.Slow, issuertest.HangUp, issuertest.Truncated, issuertest.Redirecting, issuertest.HTML,
		issuertest.NotJSON, issuertest.Empty, issuertest.TooLarge, issuertest.ServerError, issuertest.Unavailable}
	for _, fault := range faults {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			issuer := issuertest.New(t, issuertest.Config{Faults: []issuertest.Fault{fault}})
			c := newClient(t, issuer, nil)
			failing := c
			if fault == issuertest.Slow {
				failing = newClient(t, issuer, func(c *client.Config) { c.HTTP.Timeout = time.Second })
			}
			if _, err := login(t, issuer, failing, client.Request{}); err == nil {
				t.Error("the login succeeds")
			}
			issuer.Behave()
			tokens := mustLogin(t, issuer, c)
			issuer.Inject(fault.At(issuertest.UserInfoEndpoint))
			if _, err := failing.UserInfo(t.Context(), tokens); err == nil {
				t.Error("UserInfo succeeds")
			}
		})
	}
}

func TestUnknownFault(t *testing.T) {
	for _, fault := range []issuertest.Fault{"id_token_nonsense", "slow@/nowhere", issuertest.TokenIDMissing.At(issuertest.TokenEndpoint)} {
		if _, err := issuertest.Start(issuertest.Config{Faults: []issuertest.Fault{fault}}); err == nil {
			t.Errorf("%s: no error", fault)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, config := range map[string]issuertest.Config{
		"algorithm": {Algorithm: "none"}, "issuer": {Issuer: "issuer.example"}, "client": {Clients: []issuertest.Client{{}}},
		"two clients": {Clients: []issuertest.Client{{ID: "a"}, {ID: "a"}}}, "user": {Users: []issuertest.User{{}}},
		"two users": {Users: []issuertest.User{{Subject: "a"}, {Subject: "a"}}}, "address": {Listen: "127.0.0.1:-1"},
	} {
		if i, err := issuertest.Start(config); err == nil {
			i.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// TestManyIssuers: a thousand issuers in one process leave no goroutine.
func TestManyIssuers(t *testing.T) {
	issuertest.New(t, issuertest.Config{}).Close()
	before := runtime.NumGoroutine()
	for range 1000 {
		i, err := issuertest.Start(issuertest.Config{})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := i.Client().Get(i.URL + string(issuertest.JWKSEndpoint))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		i.Close()
		i.Close()
	}
	wantGoroutines(t, before)
}

// TestCloseEndsWhatIsSlow: Close does not wait for a slow response.
func TestCloseEndsWhatIsSlow(t *testing.T) {
	before := runtime.NumGoroutine()
	i, err := issuertest.Start(issuertest.Config{Faults: []issuertest.Fault{issuertest.Slow.At(issuertest.JWKSEndpoint)}})
	if err != nil {
		t.Fatal(err)
	}
	failed := make(chan error)
	go func() {
		_, err := i.Client().Get(i.URL + string(issuertest.JWKSEndpoint))
		failed <- err
	}()
	for stacks := make([]byte, 1<<20); !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("(*Issuer).pause(")); {
		time.Sleep(time.Millisecond) // until the request has arrived
	}
	i.Close()
	if <-failed == nil {
		t.Error("the delayed response came")
	}
	wantGoroutines(t, before)
}

func wantGoroutines(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// TestHandler: a program serves the issuer itself, under a path.
func TestHandler(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	i, err := issuertest.NewHandler(issuertest.Config{Issuer: "http://" + l.Addr().String() + "/tenant/one"})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	server := &http.Server{Handler: i}
	go server.Serve(l)
	defer server.Close()
	mustLogin(t, i, newClient(t, i, nil))
}

func TestObserve(t *testing.T) {
	seen := make(chan issuertest.Exchange, 100)
	issuer := issuertest.New(t, issuertest.Config{Observe: func(x issuertest.Exchange) { seen <- x }})
	mustLogin(t, issuer, newClient(t, issuer, nil))
	found := issuer.Exchanges(issuertest.TokenEndpoint)
	if len(found) != 1 || found[0].Status != 200 || !strings.Contains(string(found[0].RequestBody), "grant_type=authorization_code") {
		t.Errorf("%d exchanges at the token endpoint", len(found))
	}
	if all := issuer.Exchanges(""); len(all) != len(seen) || len(all) < 4 {
		t.Errorf("%d exchanges, %d observed", len(all), len(seen))
	}
}

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	m.Run()
}
