package client

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/endpoint"
)

// FuzzCallback: no callback succeeds except with the code of this login.
func FuzzCallback(f *testing.F) {
	for _, q := range []string{
		"code=c&state=the-state&iss=https%3A%2F%2Fas.example", "state=the-state&error=access_denied&error_description=x", "code=c&code=d&state=the-state", "code=c&state=the-state",
		"code=c&state=the-state&iss=https://evil.example", "code=c;state=the-state", "code=%00&state=the-state", "response=a.b.c", "code=c&state=the-state&id_token=x", "",
	} {
		f.Add(q)
	}
	c, err := New(Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"})
	if err != nil {
		f.Fatal(err)
	}
	pending := &Pending{Issuer: "https://as.example", ClientID: "rp", State: "the-state", CreatedAt: time.Now()}
	m := &discovery.Metadata{AuthorizationResponseIssParameterSupported: true}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		r, err := c.readCallback(t.Context(), q, pending, m)
		if err != nil {
			if len(err.Error()) > 1024 || strings.ContainsAny(err.Error(), "\r\n\x1b\x00") {
				t.Errorf("the error is %q", err)
			}
			return
		}
		if len(q["state"]) != 1 || q.Get("state") != "the-state" || len(q["iss"]) != 1 || q.Get("iss") != "https://as.example" || len(q["code"]) != 1 || r.code != q.Get("code") || r.code == "" {
			t.Errorf("%q was taken for %+v", raw, r)
		}
	})
}

// FuzzTokenResponse: an accepted access token can be sent in a header, and its lifetime is
// limited.
func FuzzTokenResponse(f *testing.F) {
	for _, s := range []string{
		`{"access_token":"a","token_type":"Bearer"}`, `{"access_token":"a","token_type":"bearer","expires_in":3600,"refresh_token":"r","scope":"a b","id_token":"x.y.z"}`,
		`{"access_token":"a","token_type":"Bearer","expires_in":"3600"}`, `{"access_token":"a","token_type":"Bearer","expires_in":3599.5}`, `{"error":"invalid_grant"}`,
		`{"access_token":"a\r\nb","token_type":"Bearer"}`, `{"access_token":"a","access_token":"b","token_type":"Bearer"}`, `{"access_token":"a","token_type":"Bearer","expires_in":1e400}`, `null`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := parseTokenResponse(&endpoint.Response{Status: http.StatusOK, MediaType: "application/json", Body: body}, &Config{}, "")
		if err != nil {
			if len(err.Error()) > 1024 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		tokens := r.tokens(nil, auth.SigningKey{}, time.Now())
		header := http.Header{}
		header.Set("Authorization", tokens.Type()+" "+tokens.AccessToken)
		if tokens.AccessToken == "" || tokens.Type() != "Bearer" || strings.ContainsAny(header.Get("Authorization")[7:], " \r\n\x00") || tokens.Expiry.After(time.Now().AddDate(11, 0, 0)) || r.Error != nil {
			t.Errorf("%q gives %+v", body, r)
		}
	})
}
