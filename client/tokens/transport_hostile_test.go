package tokens_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// roundTrip is a Base made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// over returns a Transport with alice's tokens that sends through base.
func over(t *testing.T, s *optest.Server, base http.RoundTripper, origins ...string) *tokens.Transport {
	t.Helper()
	r := refresher(t, s, ending(time.Hour))
	return &tokens.Transport{Client: r.Client, Tokens: r.Source("alice"), Origins: origins, Base: base}
}

// TestOriginLetters: origins are compared as the DNS does. A letter that becomes another one in
// lower case makes another host: İ becomes i, but is xn--… on the wire.
func TestOriginLetters(t *testing.T) {
	for host, same := range map[string]bool{
		"photos.example": true, "PHOTOS.Example:443": true, "photos.example:": true,
		"photos.example.": false, "photos.example:0443": false, "photos.example:80": false, "api.photos.example": false,
		"photoſ.example": false, "ｐhotos.example": false, "photos.ex\u0430mple": false, "[::1]": false,
	} {
		sent := false
		tr := over(t, optest.New(t), roundTrip(func(*http.Request) (*http.Response, error) {
			sent = true
			return nil, errors.New("as far as that")
		}), "https://photos.example")
		(&http.Client{Transport: tr}).Get("https://" + host + "/")
		if sent != same {
			t.Errorf("%s: sent %v", host, sent)
		}
	}
	tr := over(t, optest.New(t), refuse{t}, "https://pics.example")
	if _, err := (&http.Client{Transport: tr}).Get("https://p\u0130cs.example/"); err == nil {
		t.Error("a token for pİcs.example")
	}
}

// TestWayBack: after a redirect to another origin, a redirect back to the API has no token,
// because the other origin would choose the request.
func TestWayBack(t *testing.T) {
	s := optest.New(t)
	var a *api
	elsewhere := newAPI(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, a.URL+"/delete", http.StatusTemporaryRedirect)
	})
	a = newAPI(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}
	})
	resp, err := alice(t, s, a.URL).Get(a.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if len(a.tokens) != 2 || a.tokens[0] == "" || a.tokens[1] != "" {
		t.Errorf("the API got %d requests, the second with a token: %v", len(a.tokens), len(a.tokens) > 1 && a.tokens[1] != "")
	}
}

// TestSlowChallenge: a challenge with an endless body does not block the caller.
func TestSlowChallenge(t *testing.T) {
	over := make(chan struct{})
	a := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		challenge(w, 403, `Bearer error="insufficient_scope"`)
		w.(http.Flusher).Flush()
		select {
		case <-over:
		case <-r.Context().Done():
		}
	}))
	defer a.Close()
	defer close(over)
	done := make(chan error, 1)
	go func() {
		_, err := alice(t, optest.New(t), a.URL).Get(a.URL)
		done <- err
	}()
	var got *tokens.ChallengeError
	select {
	case err := <-done:
		if !errors.As(err, &got) {
			t.Errorf("got %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("the caller still waits")
	}
}

// odd is a source whose second tokens cannot be used.
type odd struct{ first *client.Tokens }

func (o odd) Tokens(context.Context) (*client.Tokens, error) { return o.first, nil }

func (o odd) Renew(context.Context, *client.Tokens) (*client.Tokens, error) {
	return &client.Tokens{}, nil
}

// body counts the calls of Close.
type body struct {
	io.Reader
	closed int
}

func (b *body) Close() error { b.closed++; return nil }

// TestBodyClosed: the request's body is always closed, as net/http requires of a RoundTripper.
func TestBodyClosed(t *testing.T) {
	fails := roundTrip(func(r *http.Request) (*http.Response, error) { r.Body.Close(); return nil, errors.New("down") })
	refuses := roundTrip(func(r *http.Request) (*http.Response, error) {
		r.Body.Close()
		w := httptest.NewRecorder()
		challenge(w, 401, `Bearer error="invalid_token"`)
		return w.Result(), nil
	})
	for name, test := range map[string]struct {
		tr   *tokens.Transport
		want int // bodies
	}{
		"not configured": {&tokens.Transport{}, 1},
		"another place":  {over(t, optest.New(t), refuse{t}, "https://other.example"), 1},
		"no network":     {over(t, optest.New(t), fails, "https://api.example"), 1},
		"refused":        {over(t, optest.New(t), refuses, "https://api.example"), 1},
		"no token":       {&tokens.Transport{Client: newClient(t, config(optest.New(t))), Tokens: odd{ending(time.Hour)}, Origins: []string{"https://api.example"}, Base: refuses}, 2},
	} {
		var bodies []*body
		get := func() (io.ReadCloser, error) {
			b := &body{Reader: strings.NewReader("x")}
			bodies = append(bodies, b)
			return b, nil
		}
		first, _ := get()
		r, _ := http.NewRequest("POST", "https://api.example/", first)
		r.GetBody = get
		if resp, err := test.tr.RoundTrip(r); resp != nil || err == nil {
			t.Errorf("%s: %v, %v", name, resp, err)
		}
		for i, b := range bodies {
			if b.closed == 0 || len(bodies) != test.want {
				t.Errorf("%s: body %d of %d was closed %d times", name, i, len(bodies), b.closed)
			}
		}
	}
}

// TestBareRequest: zero values in a request do not cause a panic. The method in a proof is then
// GET.
func TestBareRequest(t *testing.T) {
	s := optest.New(t)
	s.Token = func(m map[string]any) { m["token_type"] = "DPoP" }
	cfg := config(s)
	cfg.DPoP = &client.DPoP{}
	c := newClient(t, cfg)
	issued, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	source, err := tokens.NewSource(c, issued)
	if err != nil {
		t.Fatal(err)
	}
	a := newAPI(t, func(http.ResponseWriter, *http.Request, int) {})
	tr := &tokens.Transport{Client: c, Tokens: source, Origins: []string{a.URL}}
	u, _ := url.Parse(a.URL)
	resp, err := tr.RoundTrip(&http.Request{URL: u})
	if err != nil || len(a.proofs) != 1 {
		t.Fatal(err)
	}
	resp.Body.Close()
	if _, payload, _ := strings.Cut(a.proofs[0], "."); !strings.Contains(unB64(t, payload), `"htm":"GET"`) {
		t.Errorf("the proof's payload is %q", payload)
	}
	if _, err := tr.RoundTrip(&http.Request{}); err == nil {
		t.Error("a request without a URL")
	}
}

func unB64(t *testing.T, payload string) string {
	t.Helper()
	payload, _, _ = strings.Cut(payload, ".")
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestNewTokenRefused: if an API rejects every token, the token is not refreshed for each
// request.
func TestNewTokenRefused(t *testing.T) {
	s := optest.New(t)
	rotation := s.RotateRefreshTokens()
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, _ int) { challenge(w, 401, `Bearer error="invalid_token"`) })
	hc := alice(t, s, a.URL)
	for range 5 {
		var got *tokens.ChallengeError
		if _, err := hc.Get(a.URL); !errors.As(err, &got) || got.Code != tokens.InvalidToken {
			t.Fatalf("got %v", err)
		}
	}
	if rotation.Posts() != 1 || len(a.tokens) != 6 {
		t.Errorf("%d refreshes for %d requests", rotation.Posts(), len(a.tokens))
	}
}

// TestChallengeEchoElsewhere: LOG-01. If an API repeats the token, it is not in the error.
func TestChallengeEchoElsewhere(t *testing.T) {
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		_, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		text := fmt.Sprintf(`error_description="%[1]s%[2]s has ended", scope="a-%[2]s", acr_values="%[2]s", resource_metadata="https://api.example/%[2]s"`, strings.Repeat("-", 190), token)
		challenge(w, 403, `Bearer error="insufficient_scope", `+text)
	})
	_, err := alice(t, optest.New(t), a.URL).Get(a.URL)
	var got *tokens.ChallengeError
	if !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	if text := fmt.Sprintf("%v %+v", err, *got); strings.Contains(text, "canary") {
		t.Errorf("the token is in it: %s", strings.ReplaceAll(text, "canary", "c-"))
	}
}

// TestChallengesOfBothSchemes: the response has two challenges with errors. The one of the used
// scheme is read.
func TestChallengesOfBothSchemes(t *testing.T) {
	for sent, want := range map[string]string{"DPoP": "use_dpop_nonce", "Bearer": "invalid_token", "": "invalid_token"} {
		r, _ := http.NewRequest("GET", "https://api.example/", nil)
		r.Header.Set("Authorization", sent+" canary-access")
		resp := &http.Response{StatusCode: 401, Request: r, Header: http.Header{}}
		resp.Header.Set("WWW-Authenticate", `Bearer error="invalid_token", DPoP error="use_dpop_nonce", algs="ES256"`)
		if got := tokens.ReadChallenge(resp); got.Code != want {
			t.Errorf("%q: %s, want %s", sent, got.Code, want)
		}
	}
}
