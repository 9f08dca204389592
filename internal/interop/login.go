package interop

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
)

// newClient creates a client that can be used with authorize.
func newClient(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// landing is the application's callback for a login that the test finishes itself.
type landing struct {
	pending  *client.Pending
	mode     string // how the response was sent
	callback url.Values
}

// ServeHTTP implements http.Handler.
func (l *landing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mode, l.callback = "query", r.URL.Query()
	switch {
	case r.Method == http.MethodPost:
		if err := r.ParseForm(); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		l.mode, l.callback = "form_post", r.PostForm
	case r.URL.Fragment != "": // a page's script would hand it over
		values, err := url.ParseQuery(r.URL.EscapedFragment())
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
		l.mode, l.callback = "fragment", values
	}
}

// authorize runs a login with a new visitor, up to the callback.
func authorize(t *testing.T, c *client.Client, request client.Request, refuses bool) *landing {
	t.Helper()
	v := newVisitor(t, nil)
	v.refuses = refuses
	return authorizeAs(t, v, c, request, nil)
}

// authorizeAs is like authorize, but with a visitor who may have signed in before. If change
// is not nil, it modifies the browser's address before the visit.
func authorizeAs(t *testing.T, v *visitor, c *client.Client, request client.Request, change func(url.Values)) *landing {
	t.Helper()
	redirect, pending, err := c.Begin(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	l := &landing{pending: pending}
	v.goTo(l)
	if change != nil {
		redirect = changedAddress(t, redirect, change)
	}
	if _, err := v.visit(redirect); err != nil {
		t.Fatal(err)
	}
	return l
}

func changedAddress(t *testing.T, address string, change func(url.Values)) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return u.String()
}

// logIn runs a complete login with a new visitor.
func logIn(t *testing.T, c *client.Client, request client.Request) *client.Tokens {
	t.Helper()
	return finish(t, c, authorize(t, c, request, false))
}

func finish(t *testing.T, c *client.Client, l *landing) *client.Tokens {
	t.Helper()
	tokens, err := c.Finish(t.Context(), l.pending, l.callback)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// checkAbout checks that the UserInfo response is about the user of the tokens.
func checkAbout(t *testing.T, c *client.Client, tokens *client.Tokens) {
	t.Helper()
	info, err := c.UserInfo(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		Email string `json:"email"`
	}
	if err := info.Claims(&claims); err != nil || claims.Email != user+"@example.com" {
		t.Errorf("UserInfo knows the address %q, %v", claims.Email, err)
	}
}

// refresh exchanges old tokens for new ones.
func refresh(t *testing.T, c *client.Client, old *client.Tokens) *client.Tokens {
	t.Helper()
	tokens, err := c.Refresh(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if tokens.AccessToken == old.AccessToken {
		t.Error("the access token is the old one")
	}
	return tokens
}
