package internal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/internal/optest"
)

const maxCustomers = 1000

// customers is the code of docs/add-sign-in.md: one Login for each customer, made for the
// customer's first visitor.
type customers struct {
	find  func(ctx context.Context, host string) (*client.Config, error) // nil: no such customer
	keys  [][]byte
	store login.Store
	app   http.Handler

	mu    sync.Mutex
	known map[string]http.Handler
}

func (c *customers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, err := c.handler(r.Context(), r.Host)
	switch {
	case err != nil:
		http.Error(w, "sign-in is not available", http.StatusServiceUnavailable)
	case h == nil:
		http.NotFound(w, r)
	default:
		h.ServeHTTP(w, r)
	}
}

func (c *customers) handler(ctx context.Context, host string) (http.Handler, error) {
	c.mu.Lock()
	h := c.known[host]
	c.mu.Unlock()
	if h != nil {
		return h, nil
	}
	config, err := c.find(ctx, host)
	if err != nil || config == nil {
		return nil, err
	}
	if h, err = c.signIn(*config, host); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if earlier := c.known[host]; earlier != nil { // of another request at the same time
		return earlier, nil
	}
	if len(c.known) >= maxCustomers || c.known == nil {
		c.known = map[string]http.Handler{}
	}
	c.known[host] = h
	return h, nil
}

func (c *customers) signIn(config client.Config, host string) (http.Handler, error) {
	config.UntrustedIssuer = true // the customer chose it: no request reaches a private address
	config.RedirectURL = "https://" + host + "/callback"
	one, err := client.New(config)
	if err != nil {
		return nil, err
	}
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": one}, Keys: c.keys, Store: c.store})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/", l.Require(c.app))
	return mux, nil
}

// forget is called when a customer has changed or removed its configuration.
func (c *customers) forget(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, host)
}

// customersOf makes the application of the customers with these configurations.
func customersOf(configs map[string]*client.Config) *customers {
	return &customers{
		find:  func(_ context.Context, host string) (*client.Config, error) { return configs[host], nil },
		keys:  [][]byte{[]byte(strings.Repeat("canary-k", 4))},
		store: &login.Memory{},
		app: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			u, ok := login.FromContext(r.Context())
			if !ok {
				http.Error(w, "not signed in", http.StatusUnauthorized)
				return
			}
			w.Write([]byte(r.Host + " knows " + u.Subject))
		}),
	}
}

func customerConfig(s *optest.Server, transport http.RoundTripper) *client.Config {
	config := &client.Config{Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), Scopes: []string{"openid"}}
	if transport != nil {
		config.HTTP = &http.Client{Transport: transport}
	}
	return config
}

// getAs sends a visitor's request. It adds the cookies of the response to the visitor's cookies.
func getAs(app http.Handler, address string, cookies map[string]*http.Cookie) *http.Response {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	r.RequestURI = r.URL.RequestURI() // as a server gets it, without the host
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Accept", "text/html")
	for _, c := range cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		cookies[c.Name] = c
	}
	return w.Result()
}

// signInAt makes a login of a visitor of a customer.
func signInAt(t *testing.T, app http.Handler, s *optest.Server, host string, cookies map[string]*http.Cookie) {
	t.Helper()
	begun := getAs(app, "https://"+host+"/albums", cookies)
	callback := url.URL{Scheme: "https", Host: host, Path: "/callback", RawQuery: s.Visit(t, begun.Header.Get("Location")).Encode()}
	if done := getAs(app, callback.String(), cookies); done.Header.Get("Location") != "/albums" {
		t.Fatalf("status %d to %q", done.StatusCode, done.Header.Get("Location"))
	}
}

// TestCustomers: each customer's visitors sign in at the customer's server. Another customer does
// not accept their sessions.
func TestCustomers(t *testing.T) {
	a, b := optest.New(t), optest.New(t)
	app := customersOf(map[string]*client.Config{
		"a.app.example": customerConfig(a, http.DefaultTransport), "b.app.example": customerConfig(b, http.DefaultTransport),
	})
	cookies := map[string]*http.Cookie{}
	signInAt(t, app, a, "a.app.example", cookies)
	if got := getAs(app, "https://a.app.example/albums", cookies); got.StatusCode != http.StatusOK {
		t.Errorf("at the own customer: %d", got.StatusCode)
	}
	if got := getAs(app, "https://b.app.example/albums", cookies); got.StatusCode == http.StatusOK || !strings.HasPrefix(got.Header.Get("Location"), b.URL) {
		t.Errorf("with cookies of another customer: %d to %q", got.StatusCode, got.Header.Get("Location"))
	}
	if got := getAs(app, "https://c.app.example/albums", cookies); got.StatusCode != http.StatusNotFound {
		t.Errorf("no customer: %d", got.StatusCode)
	}
	app.forget("a.app.example")
	if len(app.known) != 1 {
		t.Errorf("%d customers are remembered", len(app.known))
	}
}

// TestCustomersBound: the number of cached customers has a limit. Many requests at once for a new
// customer make one Login.
func TestCustomersBound(t *testing.T) {
	s := optest.New(t)
	app := customersOf(nil)
	app.find = func(context.Context, string) (*client.Config, error) {
		return customerConfig(s, http.DefaultTransport), nil
	}
	made := make(chan http.Handler, 50)
	var wg sync.WaitGroup
	for range cap(made) {
		wg.Go(func() {
			h, err := app.handler(t.Context(), "a.app.example")
			if err != nil {
				t.Error(err)
			}
			made <- h
		})
	}
	wg.Wait()
	first := <-made
	for range cap(made) - 1 {
		if <-made != first {
			t.Fatal("requests of one customer have different logins")
		}
	}
	app.known = map[string]http.Handler{}
	for i := range maxCustomers {
		app.known[string(rune('a'+i%26))+strings.Repeat("x", i)] = http.NotFoundHandler()
	}
	if _, err := app.handler(t.Context(), "new.app.example"); err != nil || len(app.known) != 1 {
		t.Errorf("%d customers are remembered, %v", len(app.known), err)
	}
}

// TestCustomerInside: a customer cannot cause requests to a server inside of the operator's
// network.
func TestCustomerInside(t *testing.T) {
	inner := optest.New(t)
	app := customersOf(map[string]*client.Config{"evil.app.example": customerConfig(inner, nil)})
	got := getAs(app, "https://evil.app.example/albums", map[string]*http.Cookie{})
	if got.StatusCode < 500 || inner.Hits("/.well-known/openid-configuration") > 0 {
		t.Errorf("status %d, %d requests", got.StatusCode, inner.Hits("/.well-known/openid-configuration"))
	}
}
