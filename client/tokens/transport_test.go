package tokens_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// api is an API with the handler h. It records the headers of every request.
type api struct {
	*httptest.Server
	tokens, proofs, bodies []string
}

func newAPI(t *testing.T, h func(w http.ResponseWriter, r *http.Request, n int)) *api {
	a := &api{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		a.tokens, a.proofs = append(a.tokens, r.Header.Get("Authorization")), append(a.proofs, r.Header.Get("DPoP"))
		a.bodies = append(a.bodies, string(body))
		h(w, r, len(a.tokens))
	}))
	t.Cleanup(a.Close)
	return a
}

func challenge(w http.ResponseWriter, status int, fields ...string) {
	for _, f := range fields {
		w.Header().Add("WWW-Authenticate", f)
	}
	w.WriteHeader(status)
}

// alice is an HTTP client with the tokens of a login.
func alice(t *testing.T, s *optest.Server, origins ...string) *http.Client {
	t.Helper()
	r := refresher(t, s, ending(time.Hour))
	return &http.Client{Transport: &tokens.Transport{Client: r.Client, Tokens: r.Source("alice"), Origins: origins}}
}

// TestTransport adds the token of the moment when the request is sent.
func TestTransport(t *testing.T) {
	s := optest.New(t)
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, _ int) { io.WriteString(w, "photos") })
	r, err := http.NewRequest("POST", a.URL, strings.NewReader("a body"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := alice(t, s, a.URL).Do(r)
	if err != nil || resp.StatusCode != 200 || a.tokens[0] != "Bearer canary-access-0" || a.bodies[0] != "a body" {
		t.Fatalf("got %v, %v; the API got a token %v and %q", resp, err, a.tokens[0] != "", a.bodies)
	}
	resp.Body.Close()
	if r.Header.Get("Authorization") != "" {
		t.Error("the caller's request has the token in it")
	}
}

// TestOrigins: the token is sent only to Origins, also after a redirect.
func TestOrigins(t *testing.T) {
	s := optest.New(t)
	elsewhere := newAPI(t, func(w http.ResponseWriter, _ *http.Request, _ int) { io.WriteString(w, "elsewhere") })
	a := newAPI(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		to := map[string]string{"/away": elsewhere.URL, "/here": "/there"}[r.URL.Path]
		if to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
		}
	})
	hc := alice(t, s, strings.ToUpper(a.URL[:4])+a.URL[4:]+"/")
	for _, path := range []string{"/away", "/here"} {
		r, _ := http.NewRequest("GET", a.URL+path, nil)
		r.Header.Set("DPoP", "canary-proof")
		resp, err := hc.Do(r)
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("%s: %v, %v", path, resp, err)
		}
		resp.Body.Close()
	}
	if !slices.Equal(elsewhere.tokens, []string{""}) || !slices.Equal(elsewhere.proofs, []string{""}) || len(a.tokens) != 3 || slices.Contains(a.tokens, "") {
		t.Errorf("the other place got %d tokens; the API %d", len(elsewhere.tokens), len(a.tokens))
	}
	if _, err := hc.Get(elsewhere.URL); err == nil || len(elsewhere.tokens) != 1 {
		t.Errorf("a request to another place is sent: %v", err)
	}
	if _, err := hc.Get(strings.Replace(a.URL, "127.0.0.1", "localhost", 1)); err == nil {
		t.Error("another name is taken for the same place")
	}
}

// TestTransportConfigured: a missing field and an invalid origin are errors.
func TestTransportConfigured(t *testing.T) {
	c := newClient(t, config(optest.New(t)))
	issued, err := tokens.NewSource(c, ending(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	origin, odd := []string{"https://api.example"}, "expected https origins"
	for _, test := range []struct {
		tr    *tokens.Transport
		wants []string
	}{
		{&tokens.Transport{}, []string{"Transport.Client is nil", "Transport.Tokens is nil", "Transport.Origins is empty"}},
		{&tokens.Transport{Client: c, Tokens: issued}, []string{"Transport.Origins is empty"}},
		{&tokens.Transport{Client: c, Origins: origin}, []string{"Transport.Tokens is nil"}},
		{&tokens.Transport{Tokens: issued, Origins: origin}, []string{"Transport.Client is nil"}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{""}}, []string{odd}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{"http://api.example"}}, []string{odd}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{"https://api.example/path"}}, []string{odd}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{"https://api.example?q"}}, []string{odd}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{"https://a@api.example"}}, []string{odd}},
		{&tokens.Transport{Client: c, Tokens: issued, Origins: []string{"api.example"}}, []string{odd}},
	} {
		test.tr.Base = refuse{t}
		_, err := (&http.Client{Transport: test.tr}).Get("https://api.example/")
		if err == nil || strings.Count(err.Error(), "tokens: ") != len(test.wants) {
			t.Errorf("%v: %v, expected %q", test.tr.Origins, err, test.wants)
			continue
		}
		for _, want := range test.wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%v: %v, expected %q", test.tr.Origins, err, want)
			}
		}
	}
}

type refuse struct{ t *testing.T }

func (f refuse) RoundTrip(*http.Request) (*http.Response, error) {
	f.t.Error("a request was sent")
	return nil, errors.New("refused")
}

// TestChallengeText: the text lists scopes only if the API requires scopes. For a rejected token it
// says where the reason is.
func TestChallengeText(t *testing.T) {
	for _, test := range []struct {
		e         tokens.ChallengeError
		has, lack string
	}{
		{tokens.ChallengeError{Status: 403, Scheme: "Bearer", Code: tokens.InsufficientScope, Description: "lacks a claim", Granted: []string{"openid"}}, "lacks a claim", "required"},
		{tokens.ChallengeError{Status: 403, Scheme: "Bearer", Code: tokens.InsufficientScope, Scopes: []string{"a"}, Granted: []string{"openid"}}, `["a"] are required`, "log of the API"},
		{tokens.ChallengeError{Status: 401, Scheme: "Bearer", Code: tokens.InvalidToken}, "the log of the API has the reason", "required"},
	} {
		if got := test.e.Error(); !strings.Contains(got, test.has) || strings.Contains(got, test.lack) {
			t.Errorf("%q: expected %q and not %q", got, test.has, test.lack)
		}
	}
}

// TestChallenge reads what an API requires, and returns the request for the next login. RFC 6750
// §3, RFC 9470 §3, RFC 9728 §5.1.
func TestChallenge(t *testing.T) {
	minute := time.Minute
	for _, test := range []struct {
		name   string
		status int
		fields []string
		want   *tokens.ChallengeError
	}{
		{"scope", 403, []string{`Bearer error="insufficient_scope", scope="photos.read photos.write"`},
			&tokens.ChallengeError{Code: tokens.InsufficientScope, Scopes: []string{"photos.read", "photos.write"}}},
		{"step-up", 401, []string{`Bearer error="insufficient_user_authentication", error_description="stronger", acr_values="gold silver", max_age="60"`},
			&tokens.ChallengeError{Code: tokens.InsufficientUserAuthentication, Description: "stronger", ACRValues: []string{"gold", "silver"}, MaxAge: &minute}},
		{"no token", 401, []string{`Bearer resource_metadata="https://api.example/.well-known/oauth-protected-resource"`},
			&tokens.ChallengeError{ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource"}},
		{"the one that says what is wrong", 401, []string{`Basic realm="x", DPoP algs="ES256"`, `DPoP error="insufficient_scope"`},
			&tokens.ChallengeError{Code: tokens.InsufficientScope}},
		{"hostile values", 403, []string{`Bearer error="a\"b", scope="ok no\\pe", acr_values="", max_age="-1", resource_metadata="http://169.254.169.254/"`},
			&tokens.ChallengeError{Code: "invalid_error_code", Scopes: []string{"ok"}}},
		{"an endless age", 401, []string{`Bearer max_age=99999999999999999999`}, &tokens.ChallengeError{}},
		{"another scheme", 401, []string{`Basic realm="x"`}, nil},
		{"none", 403, nil, nil},
		{"another status", 400, []string{`Bearer error="invalid_request"`}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, _ int) { challenge(w, test.status, test.fields...) })
			resp, err := alice(t, optest.New(t), a.URL).Get(a.URL)
			var got *tokens.ChallengeError
			if test.want == nil {
				if err != nil || resp.StatusCode != test.status {
					t.Fatalf("got %v, %v", resp, err)
				}
				return
			}
			if !errors.As(err, &got) {
				t.Fatalf("got %v, %v", resp, err)
			}
			test.want.Status, test.want.Granted, test.want.Scheme = test.status, []string{"openid"}, "Bearer"
			if strings.HasPrefix(test.name, "the one") {
				test.want.Scheme = "DPoP"
			}
			if !reflect.DeepEqual(got, test.want) || got.Error() == "" {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestRejectedToken: a token that the API rejects is refreshed once. The request is sent again if
// its body can be read again.
func TestRejectedToken(t *testing.T) {
	invalid := `Bearer error="invalid_token"`
	for _, test := range []struct {
		name     string
		body     io.Reader
		refuses  int // how many requests the API rejects
		requests int
		good     bool
	}{
		{"no body", nil, 1, 2, true},
		{"a body that can be had again", strings.NewReader("body"), 1, 2, true},
		{"a body that cannot", io.MultiReader(strings.NewReader("body")), 1, 1, false},
		{"refused again", nil, 9, 2, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			rotation := s.RotateRefreshTokens()
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n <= test.refuses {
					challenge(w, 401, invalid)
				}
			})
			r, _ := http.NewRequest("POST", a.URL, test.body)
			resp, err := alice(t, s, a.URL).Do(r)
			var got *tokens.ChallengeError
			if (err == nil) != test.good || err != nil && (!errors.As(err, &got) || got.Code != tokens.InvalidToken) {
				t.Fatalf("got %v, %v", resp, err)
			}
			if len(a.tokens) != test.requests || rotation.Posts() != 1 || test.good && (a.tokens[1] != "Bearer canary-access-1" || a.bodies[0] != a.bodies[1]) {
				t.Errorf("%d requests, %d refreshes", len(a.tokens), rotation.Posts())
			}
		})
	}
}

// TestLoginIsOver: if a rejected token cannot be refreshed, the result has both errors.
func TestLoginIsOver(t *testing.T) {
	s := optest.New(t)
	s.Replace("/token", func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 400, map[string]any{"error": "invalid_grant"})
	})
	a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, _ int) { challenge(w, 401, `Bearer error="invalid_token"`) })
	_, err := alice(t, s, a.URL).Get(a.URL)
	var got *tokens.ChallengeError
	if !errors.As(err, &got) || !errors.Is(err, tokens.ErrLoginRequired) || len(a.tokens) != 1 {
		t.Errorf("got %v after %d requests", err, len(a.tokens))
	}
}

// TestTransportDPoP: DPOP-02. The API's nonce is in the next proof. A request is sent again once,
// not twice.
func TestTransportDPoP(t *testing.T) {
	for _, test := range []struct {
		name     string
		stubborn bool
		requests int
	}{{"takes the nonce", false, 2}, {"wants another each time", true, 2}} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Token = func(m map[string]any) { m["token_type"] = "DPoP" }
			cfg := config(s)
			cfg.DPoP = &client.DPoP{}
			c := newClient(t, cfg)
			issued, err := login(t, s, c)
			if err != nil {
				t.Fatal(err)
			}
			a := newAPI(t, func(w http.ResponseWriter, _ *http.Request, n int) {
				if n == 1 || test.stubborn {
					w.Header().Set("DPoP-Nonce", fmt.Sprint("nonce", n))
					challenge(w, 401, `DPoP error="use_dpop_nonce", algs="ES256"`)
				}
			})
			source, err := tokens.NewSource(c, issued)
			if err != nil {
				t.Fatal(err)
			}
			hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{a.URL}}}
			_, err = hc.Get(a.URL)
			if (err != nil) != test.stubborn || len(a.tokens) != test.requests || !strings.HasPrefix(a.tokens[1], "DPoP ") || a.proofs[0] == a.proofs[1] || a.proofs[0] == "" {
				t.Errorf("%v after %d requests", err, len(a.tokens))
			}
		})
	}
}

// TestTransportContext: a cancelled request does not wait for a refresh.
func TestTransportContext(t *testing.T) {
	s := optest.New(t)
	arrived, goOn := make(chan struct{}), make(chan struct{})
	s.Replace("/token", func(http.ResponseWriter, *http.Request) { close(arrived); <-goOn })
	defer close(goOn)
	r := refresher(t, s, ending(-time.Second))
	hc := &http.Client{Transport: &tokens.Transport{Client: r.Client, Tokens: r.Source("alice"), Origins: []string{"https://api.example"}}}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	req, _ := http.NewRequestWithContext(ctx, "GET", "https://api.example/", nil)
	if _, err := hc.Do(req); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// BenchmarkTransport compares a request through the Transport with one through the bare
// http.Client with a fixed header.
func BenchmarkTransport(b *testing.B) {
	s := optest.New(b)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "photos") }))
	defer api.Close()
	c, err := client.New(config(s))
	if err != nil {
		b.Fatal(err)
	}
	source, err := tokens.NewSource(c, ending(24*time.Hour))
	if err != nil {
		b.Fatal(err)
	}
	fixed := func(r *http.Request) { r.Header.Set("Authorization", "Bearer canary-access-0") }
	bare := getting(b, &http.Client{}, api.URL, fixed)
	ours := getting(b, &http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{api.URL}}}, api.URL, func(*http.Request) {})
	var times [2][]time.Duration
	for b.Loop() { // alternating, so that other work on the machine affects both
		for i, get := range []func(){bare, ours} {
			start := time.Now()
			for range 20 {
				get()
			}
			times[i] = append(times[i], time.Since(start))
		}
	}
	median := func(d []time.Duration) float64 { slices.Sort(d); return float64(d[len(d)/2]) }
	b.ReportMetric(0, "ns/op") // the value of one round is noise
	b.ReportMetric(median(times[0])/20, "ns/bare")
	b.ReportMetric(median(times[1])/median(times[0]), "x-bare")
}

func getting(b *testing.B, hc *http.Client, address string, edit func(*http.Request)) func() {
	return func() {
		r, _ := http.NewRequest("GET", address, nil)
		edit(r)
		resp, err := hc.Do(r)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

// TestChallengeEcho: if an API repeats the token, it is not in the error. LOG-01.
func TestChallengeEcho(t *testing.T) {
	r := httptest.NewRequest("GET", "https://api.example/", nil)
	r.Header.Set("Authorization", "Bearer canary-token")
	for _, field := range []string{`Bearer error="invalid_token", error_description="canary-token is expired"`, `Bearer error="canary-token"`} {
		e := tokens.ReadChallenge(&http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {field}}, Request: r})
		if e == nil || e.Code == "" {
			t.Fatalf("%s: %v", field, e)
		}
		noCanary(t, e.Error()+e.Code)
	}
	if e := tokens.ReadChallenge(&http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}}); e.Code != "invalid_token" {
		t.Errorf("got %v", e)
	}
}
