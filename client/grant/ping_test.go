package grant_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/client/grant"
)

// TestPing: OpenID Connect CIBA Core 1.0 §10.2.
func TestPing(t *testing.T) {
	const id, token = "canary-auth-req-id", "canary-notification-token"
	good := `{"auth_req_id":"` + id + `"}`
	for _, test := range []struct {
		name   string
		edit   func(*http.Request)
		body   string
		status int
	}{
		{"right", nil, good, 204},
		{"with more in it", nil, `{"auth_req_id":"` + id + `","x":1}`, 204},
		{"a charset", func(r *http.Request) { r.Header.Set("Content-Type", "application/json; charset=utf-8") }, good, 204},
		{"the scheme in small letters", func(r *http.Request) { r.Header.Set("Authorization", "bearer "+token) }, good, 204},
		{"a GET", func(r *http.Request) { r.Method = "GET" }, good, 405},
		{"no token", func(r *http.Request) { r.Header.Del("Authorization") }, good, 400},
		{"an empty token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer ") }, good, 400},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic "+token) }, good, 400},
		{"two tokens", func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }, good, 400},
		{"another token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, good, 401},
		{"the token of another login", func(r *http.Request) { r.Header.Set("Authorization", "Bearer canary-other") }, good, 401},
		{"a login of the poll mode", nil, `{"auth_req_id":"polled"}`, 401},
		{"an unknown login", nil, `{"auth_req_id":"unknown"}`, 401},
		{"a store that is down", nil, `{"auth_req_id":"down"}`, 500},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, "auth_req_id=" + id, 400},
		{"not JSON", nil, "auth_req_id", 400},
		{"nothing in it", nil, "{}", 400},
		{"a number", nil, `{"auth_req_id":7}`, 400},
		{"twice", nil, `{"auth_req_id":"x","auth_req_id":"` + id + `"}`, 400},
		{"too large", nil, `{"auth_req_id":"` + id + `","x":"` + strings.Repeat("a", 20<<10) + `"}`, 400},
		{"a push", nil, `{"auth_req_id":"` + id + `","access_token":"a","id_token":"b"}`, 400},
		{"a push of an ID token", nil, `{"auth_req_id":"` + id + `","id_token":"b"}`, 400},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told []*grant.Backchannel
			kept := map[string]*grant.Backchannel{
				id: {AuthReqID: id, NotificationToken: token}, "other": {AuthReqID: "other", NotificationToken: "canary-other"}, "polled": {AuthReqID: "polled"},
			}
			h := &grant.PingHandler{
				Find: func(_ context.Context, id string) (*grant.Backchannel, error) {
					if id == "down" {
						return nil, errors.New("canary: down")
					}
					return kept[id], nil
				},
				Notify: func(_ context.Context, b *grant.Backchannel) { told = append(told, b) },
			}
			r := httptest.NewRequest("POST", "/ping", strings.NewReader(test.body))
			r.Header.Set("Authorization", "Bearer "+token)
			r.Header.Set("Content-Type", "application/json")
			if test.edit != nil {
				test.edit(r)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != test.status || w.Body.Len() != 0 || (w.Code == 401) != (w.Header().Get("WWW-Authenticate") != "") {
				t.Errorf("status %d, %q", w.Code, w.Body)
			}
			if (len(told) == 1) != (test.status == 204) {
				t.Fatalf("%d logins were notified", len(told))
			}
			if len(told) == 1 && (!told[0].Notified || told[0].AuthReqID != id || kept[id].Notified) {
				t.Errorf("notified is %+v", *told[0])
			}
		})
	}
}

// TestPingOfAnother: a ping is rejected if Find returns another login.
func TestPingOfAnother(t *testing.T) {
	r := httptest.NewRequest("POST", "/ping", strings.NewReader(`{"auth_req_id":"a"}`))
	r.Header.Set("Authorization", "Bearer canary-token")
	r.Header.Set("Content-Type", "application/json")
	p, err := grant.ReadPing(r)
	if err != nil || !p.IsFor(&grant.Backchannel{AuthReqID: "a", NotificationToken: "canary-token"}) {
		t.Fatalf("%v, %v", p, err)
	}
	for name, b := range map[string]*grant.Backchannel{
		"nothing": nil, "another ID": {AuthReqID: "b", NotificationToken: "canary-token"}, "another token": {AuthReqID: "a", NotificationToken: "canary-other"}, "no token": {AuthReqID: "a"},
	} {
		if p.IsFor(b) {
			t.Errorf("taken for %s", name)
		}
	}
	if (&grant.Ping{AuthReqID: "a"}).IsFor(&grant.Backchannel{AuthReqID: "a"}) {
		t.Error("a ping without a token was taken for a login without one")
	}
	r.Body = io.NopCloser(iotest{})
	if _, err := grant.ReadPing(r); err == nil {
		t.Error("a body that breaks off was read")
	}
	r.Body = nil
	if _, err := grant.ReadPing(r); err == nil {
		t.Error("a request without a body was read")
	}
}

// TestPingHandlerEmpty: a PingHandler without configuration answers 500, and does not panic.
func TestPingHandlerEmpty(t *testing.T) {
	r := httptest.NewRequest("POST", "/ping", strings.NewReader(`{"auth_req_id":"a"}`))
	r.Header.Set("Authorization", "Bearer canary-token")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	(&grant.PingHandler{}).ServeHTTP(w, r)
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}

// iotest is a body that ends with an error.
type iotest struct{}

func (iotest) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
