package par_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/par"
)

// secret is a client authentication for tests.
type secret struct{ id, value string }

func (s secret) Authenticate(r *http.Request, form url.Values) error {
	form.Set("client_id", s.id)
	form.Set("client_secret", s.value)
	return nil
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "3")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

var form = url.Values{"client_id": {optest.ClientID}, "state": {"s"}, "code_challenge": {"canary"}}

func push(t *testing.T, s *optest.Server) (*par.Pushed, error) {
	return par.Push(t.Context(), nil, s.URL+"/par", secret{optest.ClientID, optest.ClientSecret}, form)
}

// TestPush: PAR-01.
func TestPush(t *testing.T) {
	s := optest.New(t)
	pushed, err := push(t, s)
	if err != nil || pushed.ExpiresIn != time.Minute || pushed.RequestURI == "" {
		t.Fatalf("%v, %v", pushed, err)
	}
	if form.Has("client_secret") {
		t.Error("the caller's form was changed")
	}
	for _, test := range []struct {
		status int
		body   string
		want   par.Pushed
	}{
		{201, `{"request_uri":"zizBvZPwAmzfcDOMKTPv0QTaRA8","expires_in":90}`, par.Pushed{RequestURI: "zizBvZPwAmzfcDOMKTPv0QTaRA8", ExpiresIn: 90 * time.Second}},
		{200, `{"request_uri":"urn:x","expires_in":"60"}`, par.Pushed{RequestURI: "urn:x", ExpiresIn: time.Minute}},
		{201, `{"request_uri":"urn:x","expires_in":99999999999,"more":1}`, par.Pushed{RequestURI: "urn:x", ExpiresIn: 24 * time.Hour}},
	} {
		s.Replace("/par", answer(test.status, test.body))
		if got, err := push(t, s); err != nil || *got != test.want {
			t.Errorf("%s: %v, %v", test.body, got, err)
		}
	}
}

// TestPushRefused: PAR-01, PAR-05.
func TestPushRefused(t *testing.T) {
	s := optest.New(t)
	for _, test := range []struct {
		status int
		body   string
		code   string
	}{
		{201, `{"expires_in":60}`, ""},
		{201, `{"request_uri":"","expires_in":60}`, ""},
		{201, `{"request_uri":"a b","expires_in":60}`, ""},
		{201, `{"request_uri":"a\r\nb","expires_in":60}`, ""},
		{201, `{"request_uri":"urn:x"}`, ""},
		{201, `{"request_uri":"urn:x","expires_in":0}`, ""},
		{201, `{"request_uri":"urn:x","expires_in":-1}`, ""},
		{201, `{"request_uri":"urn:x","expires_in":1.5}`, ""},
		{201, `{"request_uri":"urn:x","expires_in":null}`, ""},
		{201, `{"request_uri":"urn:x","request_uri":"urn:y","expires_in":60}`, ""},
		{201, `{"request_uri":"urn:x","expires_in":60,"error":"invalid_request"}`, "invalid_request"},
		{200, `{"request_uri":"urn:x","expires_in":60,"error":""}`, ""},
		{201, `[]`, ""},
		{302, ``, ""},
		{400, `{"error":"invalid_request","error_description":"no\r\n"}`, "invalid_request"},
		{413, ``, ""},
		{429, `{"error":"slow_down"}`, "slow_down"},
		{503, ``, ""},
	} {
		s.Replace("/par", answer(test.status, test.body))
		got, err := push(t, s)
		var e *par.Error
		if got != nil || !errors.As(err, &e) || e.Code != test.code || e.Status != test.status || e.Temporary() != (test.status == 429 || test.status == 503) {
			t.Errorf("%d %s: %v, %v", test.status, test.body, got, err)
		}
		if test.status == 429 && e.RetryAfter != 3*time.Second {
			t.Errorf("RetryAfter is %v", e.RetryAfter)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.ContainsAny(err.Error(), "\r\n")) {
			t.Errorf("the error is %q", err)
		}
	}
	n := s.Hits("/par")
	if _, err := par.Push(t.Context(), nil, s.URL+"/par", nil, url.Values{"request_uri": {"x"}}); err == nil || s.Hits("/par") != n {
		t.Error("a request_uri was pushed")
	}
	if _, err := par.Push(t.Context(), nil, "http://as.example/par", nil, form); err == nil {
		t.Error("pushed without TLS")
	}
}

// A request is never sent over http to another machine.
func ExamplePush() {
	params := url.Values{"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {"https://app.example/cb"}}
	_, err := par.Push(context.Background(), nil, "http://as.example/par", secret{"app", "s3cret"}, params)
	fmt.Println(err)
	// Output: par: http://as.example/par: not an https URL (http is accepted only on loopback, or in development with InsecureHTTP)
}
