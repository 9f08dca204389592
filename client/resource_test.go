package client_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// TestResourceAgain: the code exchange and every refresh contain the resource of the login,
// unless OmitTokenResource is set. GRANT-01.
func TestResourceAgain(t *testing.T) {
	const api, other = "https://api.example/mcp", "https://other.example"
	for _, test := range []struct {
		name  string
		asked []string
		omit  bool
		want  []string
	}{
		{"one", []string{api}, false, []string{api}}, {"one, left out", []string{api}, true, nil},
		{"none", nil, false, nil}, {"two: the server chooses", []string{api, other}, false, nil},
	} {
		s := optest.New(t)
		cfg := config(s)
		cfg.OmitTokenResource = test.omit
		c := newClient(t, cfg)
		redirect, pending, err := c.Begin(t.Context(), client.Request{Resources: test.asked})
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Form("/par")["resource"]; !slices.Equal(got, test.asked) {
			t.Errorf("%s: the request names %q", test.name, got)
		}
		issued, err := c.Finish(t.Context(), pending, s.Visit(t, redirect))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Form("/token")["resource"]; !slices.Equal(got, test.want) || !slices.Equal(issued.Resources, test.asked) {
			t.Errorf("%s: the code's request names %q, the tokens %q", test.name, got, issued.Resources)
		}
		for range 2 {
			if issued, err = c.Refresh(t.Context(), issued); err != nil {
				t.Fatal(err)
			}
			if got := s.Form("/token")["resource"]; !slices.Equal(got, test.want) {
				t.Errorf("%s: the refresh names %q", test.name, got)
			}
		}
	}
}

// TestIssMissing: the error contains the reason why iss is required. RP-22.
func TestIssMissing(t *testing.T) {
	for says, edit := range map[string]func(*optest.Server, *client.Config){
		"metadata announces it": func(*optest.Server, *client.Config) {},
		"Config.RequireIss": func(s *optest.Server, c *client.Config) {
			c.RequireIss = true
			s.Edit = func(md map[string]any) { delete(md, "authorization_response_iss_parameter_supported") }
		},
	} {
		s := optest.New(t)
		s.Callback = func(q url.Values) { q.Del("iss") }
		cfg := config(s)
		edit(s, &cfg)
		_, err := login(t, s, newClient(t, cfg))
		if err == nil || !strings.Contains(err.Error(), says) || says != "metadata announces it" && strings.Contains(err.Error(), "announces") {
			t.Errorf("want %q: %v", says, err)
		}
	}
}

// TestUnusualErrorCode: the log contains the server's code, quoted. A page gets another code.
// RP-26.
func TestUnusualErrorCode(t *testing.T) {
	const odd = "<b>no\nway"
	s := optest.New(t)
	s.Callback = func(q url.Values) { q.Del("code"); q.Set("error", odd) }
	_, err := login(t, s, newClient(t, config(s)))
	s.Callback = nil
	s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 400, m{"error": odd}) })
	_, atToken := login(t, s, newClient(t, config(s)))
	for _, err := range []error{err, atToken} {
		var e *client.Error
		if !errors.As(err, &e) || e.Code != "invalid_error_code" || !strings.Contains(err.Error(), `"<b>no\nway"`) {
			t.Errorf("%v", err)
		}
	}
}

// TestUserInfoInformational: a malformed claim that no check needs does not make the response
// fail.
func TestUserInfoInformational(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	issued, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		answer m
		ok     bool
	}{
		"other types":    {m{"sub": optest.Subject, "name": 7, "email_verified": "yes", "updated_at": "today", "address": "home", "amr": m{}, "zoneinfo": nil}, true},
		"sub a number":   {m{"sub": 7}, false},
		"no sub":         {m{"name": "alice"}, false},
		"somebody else":  {m{"sub": "mallory", "name": 7}, false},
		"sub in a list":  {m{"sub": []string{optest.Subject}}, false},
		"another's case": {m{"Sub": optest.Subject}, false},
	} {
		s.Replace("/userinfo", func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 200, test.answer) })
		info, err := c.UserInfo(t.Context(), issued)
		if (err == nil) != test.ok {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
}

// TestIntrospectInformational: the same for an introspection response.
func TestIntrospectInformational(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for name, test := range map[string]struct {
		edit m
		ok   bool
	}{
		"username a number": {m{"username": 7}, true}, "token_type a list": {m{"token_type": []string{"x"}}, true}, "token_type null": {m{"token_type": nil}, true},
		"exp a string": {m{"exp": "tomorrow"}, false}, "aud a number": {m{"aud": 7}, false}, "sub a number": {m{"sub": 7}, false},
		"scope a number": {m{"scope": 7}, false}, "iss of another server": {m{"iss": "https://evil.example"}, false}, "client_id a number": {m{"client_id": 7}, false},
	} {
		s.Active = map[string]any{"active": true, "iss": s.URL, "sub": "alice"}
		for member, value := range test.edit {
			s.Active[member] = value
		}
		got, err := c.Introspect(t.Context(), "canary-opaque", "")
		if (err == nil) != test.ok || test.ok && (!got.Active || got.Username != "" || got.TokenType != "") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
