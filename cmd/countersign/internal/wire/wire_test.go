package wire

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestMask: a secret is replaced under its name and wherever it is repeated. The same secret has
// the same label.
func TestMask(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		w.Header().Set("Set-Cookie", "session=canary-cookie-1")
		w.Header().Set("Location", "https://app.example/cb?code=canary-code-1&state=canary-state-1&iss=https%3A%2F%2Fas.example")
		w.Header().Set("X-Echo", r.Form.Get("client_secret"))
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"canary-access-1","nested":{"refresh_token":"canary-refresh-1"},"error_description":"you sent canary-secret+1/ here","scope":"openid"}`)
	}))
	defer server.Close()
	var seen []*Exchange
	hc := &http.Client{Transport: &Recorder{http.DefaultTransport, func(x *Exchange) { seen = append(seen, x) }},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, _ := http.NewRequest("POST", server.URL+"/token?request_uri=urn%3Ax&code_verifier=canary-verifier-1", strings.NewReader("client_secret=canary-secret%2B1%2F&grant_type=x&code=canary-code-1"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Basic Y2FuYXJ5LWJhc2ljLTE=")
	req.Header.Set("DPoP", "canary.proof.1")
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	if !strings.Contains(string(body), "canary-access-1") {
		t.Error("the recorder changed the body")
	}
	m := &Mask{}
	shown := m.Show(seen[0])
	var b bytes.Buffer
	shown.Print(&b)
	for _, out := range []string{b.String(), shown.Curl()} {
		if strings.Contains(out, "canary") || strings.Contains(out, "Y2FuYXJ5") {
			t.Errorf("a secret is shown:\n%s", out)
		}
	}
	for _, want := range []string{"grant_type=x", `"scope": "openid"`, "request_uri=urn", "Basic ‹credentials 1›", "‹code 1›"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing:\n%s", want, b.String())
		}
	}
	if strings.Count(b.String(), "‹code 1›") != 2 || strings.Contains(b.String(), "‹code 2›") {
		t.Errorf("the code does not have the same label twice:\n%s", b.String())
	}
}

// TestMaskOtherBodies: a body of an unknown type is not shown.
func TestMaskOtherBodies(t *testing.T) {
	m := &Mask{}
	for _, kind := range []string{"application/jwt", "text/html; charset=utf-8", "", "application/json", "application/x-www-form-urlencoded"} {
		body := "canary%zz.eyJ"
		if out := m.Body(kind, []byte(body)); strings.Contains(out, "canary") {
			t.Errorf("%s: %s", kind, out)
		}
	}
}

// TestCurlQuotes: a value is quoted for the shell.
func TestCurlQuotes(t *testing.T) {
	s := Shown{Request: Message{Line: "POST https://as.example/'; rm -rf /", Body: "a=b' $(x)"}}
	if got := s.Curl(); !strings.Contains(got, `/'\''; rm`) || !strings.Contains(got, `'a=b'\'' $(x)'`) {
		t.Error(got)
	}
}

// TestNoResponse: an error of the transport may contain secrets, and is not shown.
func TestNoResponse(t *testing.T) {
	var seen *Exchange
	hc := &http.Client{Transport: &Recorder{failingTransport{}, func(x *Exchange) { seen = x }}}
	if _, err := hc.Get("http://127.0.0.1/"); err == nil {
		t.Fatal("no error")
	}
	if s := (&Mask{}).Show(seen); s.Response.Line != "no response" || strings.Contains(seen.Failure, "canary") {
		t.Errorf("%+v", s)
	}
}

type failingTransport struct{}

func (failingTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("canary-in-an-error")
}
