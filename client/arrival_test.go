package client_test

import (
	"errors"
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestFinishAt is RP-23: a response is accepted at the RedirectURL of its login. Elsewhere it is
// rejected before a token request.
func TestFinishAt(t *testing.T) {
	const own = "https://app.example/cb/own?as=own"
	for at, accepted := range map[string]bool{
		own: true,
		"http://app.example/cb/own?as=own&code=x&state=y&session_state=z": true, // behind a proxy that ends TLS
		"https://APP.example:443/cb/own?as=own":                           true,
		"https://app.example/cb/own":                                      false,
		"https://app.example/cb/own?as=other":                             false,
		"https://app.example/cb/own?as=own&as=other":                      false,
		"https://app.example/cb/other?as=own":                             false,
		"https://app.example/cb/own/?as=own":                              false,
		"https://app.example/cb/%6fwn/x?as=own":                           false,
		"https://other.example/cb/own?as=own":                             false,
		"https://app.example:8443/cb/own?as=own":                          false,
		"":                                                                false,
	} {
		s := optest.New(t)
		cfg := config(s)
		cfg.RedirectURL = own
		c := newClient(t, cfg)
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(at)
		_, err = c.FinishAt(t.Context(), pending, u, s.Visit(t, redirect))
		if (err == nil) != accepted || s.Hits("/token") != map[bool]int{true: 1}[accepted] {
			t.Errorf("%s: %v, %d token requests", at, err, s.Hits("/token"))
		}
	}
	if _, err := newClient(t, config(optest.New(t))).FinishAt(t.Context(), nil, nil, nil); err == nil {
		t.Error("nothing at all is accepted")
	}
}

// TestCheckCallback makes the checks of Finish. It sends no token request, and does not mark the
// login as used.
func TestCheckCallback(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	for range 2 {
		if err := c.CheckCallback(t.Context(), pending, q); err != nil {
			t.Error(err)
		}
	}
	bad := url.Values{"code": q["code"], "iss": q["iss"], "state": {"another"}}
	if err := c.CheckCallback(t.Context(), pending, bad); err == nil {
		t.Error("another state is accepted")
	}
	denied := url.Values{"error": {"access_denied"}, "iss": q["iss"], "state": q["state"]}
	var refused *client.CallbackError
	if err := c.CheckCallback(t.Context(), pending, denied); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	if s.Hits("/token") != 0 {
		t.Error("a token request was sent")
	}
	if _, err := c.Finish(t.Context(), pending, q); err != nil {
		t.Errorf("the login was used up: %v", err)
	}
}

// TestSubject: a user other than the expected one is rejected with a typed error.
func TestSubject(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for subject, accepted := range map[string]bool{optest.Subject: true, "bob": false, "": true} {
		redirect, pending, err := c.Begin(t.Context(), client.Request{Subject: subject, Prompt: []string{"login"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Finish(t.Context(), pending, s.Visit(t, redirect))
		var other *client.SubjectError
		if errors.As(err, &other) == accepted || (err == nil) != accepted {
			t.Errorf("%q: %v", subject, err)
		}
		if other != nil && (other.Expected != "bob" || other.Subject != optest.Subject) {
			t.Errorf("%+v", other)
		}
	}
	cfg := config(s)
	cfg.Scopes = []string{"photos.read"}
	if _, _, err := newClient(t, cfg).Begin(t.Context(), client.Request{Subject: "alice"}); err == nil {
		t.Error("a login without ID token cannot check the user")
	}
}
