package endpoint_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/endpoint"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func get(t *testing.T, u string) (*endpoint.Response, error) {
	return endpoint.Client{}.Get(t.Context(), u, "*/*", nil, 1000)
}

// TestCheckURL: DISC-03, TE-01.
func TestCheckURL(t *testing.T) {
	for _, u := range []string{"https://as.example", "https://as.example:8443/x?y=z", "http://127.0.0.1:1/x", "http://[::1]/", "http://localhost/"} {
		if err := endpoint.CheckURL(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
	for _, u := range []string{"", "as.example", "//as.example", "http://as.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example",
		"http://10.0.0.1", "ftp://as.example", "https://", "https://:443/", "https://u@as.example", "https://as.example/#", "https://as.example/#x", "https://as\x00.example"} {
		if endpoint.CheckURL(u) == nil {
			t.Errorf("%q was accepted", u)
		}
	}
	if _, err := get(t, "http://as.example"); err == nil {
		t.Error("a request without TLS was sent")
	}
}

// TestLimit: the limit applies to the decompressed size. DISC-04, H23.
func TestLimit(t *testing.T) {
	u := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			t.Errorf("Accept-Encoding is %q", r.Header.Get("Accept-Encoding"))
		}
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.Copy(z, io.LimitReader(zeros{}, 20<<20))
		z.Close()
	})
	if resp, err := get(t, u); err == nil {
		t.Errorf("read %d bytes", len(resp.Body))
	}
	u = serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1000)) })
	if resp, err := get(t, u); err != nil || len(resp.Body) != 1000 {
		t.Errorf("%v", err)
	}
	u = serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 1001)) })
	if _, err := get(t, u); err == nil {
		t.Error("read one byte too many")
	}
	u = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		fmt.Fprint(w, "x")
	})
	if _, err := get(t, u); err == nil {
		t.Error("an encoding nobody asked for")
	}
	u = serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "Identity")
		fmt.Fprint(w, "x")
	})
	if _, err := get(t, u); err != nil {
		t.Errorf("no encoding, by its name: %v", err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// TestNoRedirect: neither GET nor POST follows a redirect, even if the caller's client would. No
// cookie is stored.
func TestNoRedirect(t *testing.T) {
	var elsewhere atomic.Int32
	target := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	jar, _ := cookiejar.New(nil)
	var cookies atomic.Int32
	for _, status := range []int{301, 302, 303, 307, 308} {
		u := serve(t, func(w http.ResponseWriter, r *http.Request) {
			cookies.Add(int32(len(r.Cookies())))
			http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
			http.Redirect(w, r, target, status)
		})
		c := endpoint.Client{HTTP: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}}
		for range 2 {
			if _, err := c.Get(t.Context(), u, "*/*", nil, 10); err == nil {
				t.Errorf("GET, %d: no error", status)
			}
			if _, err := c.PostForm(t.Context(), u, nil, url.Values{"secret": {"x"}}, "application/json"); err == nil {
				t.Errorf("POST, %d: no error", status)
			}
		}
	}
	if elsewhere.Load() != 0 || cookies.Load() != 0 {
		t.Errorf("%d requests went elsewhere, %d cookies were sent", elsewhere.Load(), cookies.Load())
	}
}

// TestErrors: an error contains no query, no form and no body. It says whether a later try may
// succeed.
func TestErrors(t *testing.T) {
	gone := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := endpoint.Client{}.PostForm(t.Context(), gone+"/token?q=canary", nil, url.Values{"secret": {"canary"}}, "application/json")
	var e *endpoint.Error
	if !errors.As(err, &e) || !e.Temporary() || strings.Contains(err.Error(), "canary") || e.URL != gone+"/token" {
		t.Errorf("got %v", err)
	}
	for _, test := range []struct {
		status            int
		contentType, body string
		temporary         bool
		code, description string
		retry             string
		after             time.Duration
	}{
		{400, "application/json", `{"error":"invalid_grant","error_description":"a\u001b[31mb"}`, false, "invalid_grant", "a?[31mb", "", 0},
		{400, "application/problem+json", `{"error":"x"}`, false, "x", "", "", 0},
		{400, "text/html", `{"error":"x"}`, false, "", "", "", 0},
		{429, "", "", true, "", "", "120", 2 * time.Minute},
		{503, "", "", true, "", "", "-1", 0},
		{500, "", "", true, "", "", "soon", 0},
	} {
		r := &endpoint.Response{Status: test.status, MediaType: test.contentType, Body: []byte(test.body), Header: http.Header{"Retry-After": {test.retry}}}
		e := r.Failure("no error in it")
		if e.Temporary() != test.temporary || e.Code != test.code || e.Description != test.description || e.RetryAfter != test.after {
			t.Errorf("%+v gives %+v", test, e)
		}
	}
	at := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	e = (&endpoint.Response{Status: 503, Header: http.Header{"Retry-After": {at}}}).Failure("")
	if e.RetryAfter < 59*time.Minute || e.RetryAfter > time.Hour {
		t.Errorf("a date gives %v", e.RetryAfter)
	}
	e = (&endpoint.Response{Status: 503, Header: http.Header{"Retry-After": {"Fri, 31 Dec 2199 23:59:59 GMT"}}}).Failure("")
	if e.RetryAfter > 1<<20*time.Second {
		t.Errorf("a far date gives %v", e.RetryAfter)
	}
}

// TestPrivateAuthority: the error says how to trust the certificate of a private authority.
func TestPrivateAuthority(t *testing.T) {
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, err := get(t, s.URL)
	if err == nil || !strings.Contains(err.Error(), "set HTTP to a client whose Transport trusts it, or SSL_CERT_FILE") {
		t.Errorf("received %v", err)
	}
}

// TestPostOnce: a POST is sent once, a GET up to three times.
func TestPostOnce(t *testing.T) {
	var n atomic.Int32
	u := serve(t, func(w http.ResponseWriter, _ *http.Request) { n.Add(1); w.WriteHeader(503) })
	endpoint.Client{}.PostForm(t.Context(), u, nil, url.Values{}, "application/json")
	if n.Load() != 1 {
		t.Errorf("POST came %d times", n.Load())
	}
	get(t, u)
	if n.Load() != 1+3 {
		t.Errorf("GET came %d times", n.Load()-1)
	}
}

// TestFlight: one call serves many callers, and ends when the last caller has left.
func TestFlight(t *testing.T) {
	var f endpoint.Flight[int]
	var calls atomic.Int32
	ended := make(chan error, 1)
	fn := func(ctx context.Context) (int, error) {
		calls.Add(1)
		<-ctx.Done()
		ended <- ctx.Err()
		return 0, ctx.Err()
	}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(20+i)*time.Millisecond)
			defer cancel()
			if _, err := f.Do(ctx, fn); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if err := <-ended; err != context.Canceled || calls.Load() != 1 {
		t.Errorf("%d calls, ended by %v", calls.Load(), err)
	}
	if v, err := f.Do(t.Context(), func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("a later caller gets %d, %v", v, err)
	}
	release := make(chan struct{})
	_, _, done := f.Wait(t.Context(), 10*time.Millisecond, func(context.Context) (int, error) { <-release; return 1, nil })
	if done {
		t.Error("waited for the end")
	}
	close(release)
}

// TestFlightPanic: the waiting callers get the panic, so that a server can recover.
func TestFlightPanic(t *testing.T) {
	var f endpoint.Flight[int]
	for range 2 {
		func() {
			defer func() {
				if recover() != "canary" {
					t.Error("no panic")
				}
			}()
			f.Do(t.Context(), func(context.Context) (int, error) { panic("canary") })
		}()
	}
	if _, err := f.Do(t.Context(), func(context.Context) (int, error) { runtime.Goexit(); return 0, nil }); err == nil {
		t.Error("a call that never returned has an answer")
	}
	if v, err := f.Do(t.Context(), func(context.Context) (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("the next caller gets %d, %v", v, err)
	}
}

// TestPrivateAddresses: the metadata of a remote server cannot cause requests to this machine. The
// metadata of a server on this machine can cause requests only to its own host. DISC-03, H23.
func TestPrivateAddresses(t *testing.T) {
	var asked atomic.Int32
	u := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	_, port, _ := strings.Cut(strings.TrimPrefix(u, "http://"), ":")
	for _, at := range []string{u, "http://localhost:" + port} {
		ctx := endpoint.For(t.Context(), "https://192.0.2.1")
		_, err := endpoint.Client{}.Get(ctx, at, "*/*", nil, 10)
		if err == nil || !strings.Contains(err.Error(), "private address") || asked.Load() != 0 {
			t.Errorf("%s: %v", at, err)
		}
	}
	for _, issuer := range []string{"http://127.0.0.1:1", u} {
		if _, err := (endpoint.Client{}).Get(endpoint.For(t.Context(), issuer), u, "*/*", nil, 10); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
	}
	if _, err := get(t, u); err != nil {
		t.Errorf("named by the operator: %v", err)
	}
}

// TestGuarded: an address that another party chose never leads to a private address, for any
// issuer.
func TestGuarded(t *testing.T) {
	var asked atomic.Int32
	u := serve(t, func(http.ResponseWriter, *http.Request) { asked.Add(1) })
	for _, issuer := range []string{u, "https://192.0.2.1"} {
		c := endpoint.Client{HTTP: endpoint.Guarded("https://api.example/mcp", false)}
		_, err := c.Get(endpoint.For(t.Context(), issuer), u, "*/*", nil, 10)
		if err == nil || !strings.Contains(err.Error(), "private address") || asked.Load() != 0 {
			t.Errorf("%s: %v", issuer, err)
		}
		c = endpoint.Client{HTTP: endpoint.Guarded(u+"/mcp", false)}
		if _, err := c.Get(endpoint.For(t.Context(), u), u, "*/*", nil, 10); err != nil {
			t.Errorf("%s: %v", issuer, err)
		}
		asked.Store(0)
	}
}

// TestRetryAfter: a server gets no further request before its Retry-After.
func TestRetryAfter(t *testing.T) {
	var n atomic.Int32
	for _, value := range []string{"1", "120", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)} {
		n.Store(0)
		get(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
			n.Add(1)
			w.Header().Set("Retry-After", value)
			w.WriteHeader(503)
		}))
		if n.Load() != 1 {
			t.Errorf("Retry-After %s: %d requests", value, n.Load())
		}
	}
}
