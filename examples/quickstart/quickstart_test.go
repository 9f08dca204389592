package main

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// bench is a running system, with all its output.
type bench struct {
	*system
	written *recorder // logs and steps
	wire    *wire     // what the application sent to the server, and the responses
}

func startBench(t *testing.T, args ...string) *bench {
	t.Helper()
	o, err := parse(args, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{written: &recorder{}, wire: &wire{}}
	b.system, err = start(setup{
		options: o, log: slog.New(slog.NewTextHandler(b.written, &slog.HandlerOptions{Level: slog.LevelDebug})),
		say: printer(b.written), http: &http.Client{Transport: b.wire},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// recorder is a writer for several goroutines.
type recorder struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// wire is a transport that records requests and responses.
type wire struct {
	mu     sync.Mutex
	bodies []string
	tokens int // token requests
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		r.Body = w.keep(r.Body)
	}
	if strings.HasSuffix(r.URL.Path, "/token") {
		w.mu.Lock()
		w.tokens++
		w.mu.Unlock()
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		resp.Body = w.keep(resp.Body)
	}
	return resp, err
}

func (w *wire) keep(body io.ReadCloser) io.ReadCloser {
	defer body.Close()
	b, _ := io.ReadAll(body)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bodies = append(w.bodies, string(b))
	return io.NopCloser(bytes.NewReader(b))
}

func (w *wire) tokenRequests() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tokens
}

// find returns what the pattern's group matches in the bodies.
func (w *wire) find(t *testing.T, pattern string) string {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	m := regexp.MustCompile(pattern).FindStringSubmatch(strings.Join(w.bodies, "\n"))
	if m == nil {
		t.Fatalf("nothing on the wire matches %s", pattern)
	}
	return m[1]
}

func (w *wire) accessToken(t *testing.T) string { return w.find(t, `"access_token":"([^"]+)"`) }

func TestHeadless(t *testing.T) {
	for _, test := range []struct{ token, verified string }{
		{"jwt", "a JWT, with the server's keys"},
		{"opaque", "an opaque token, by introspection"},
	} {
		t.Run(test.token, func(t *testing.T) {
			t.Parallel()
			o, err := parse([]string{"-headless", "-token", test.token}, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			out := &recorder{}
			if err := run(t.Context(), o, out); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{
				"\n2. The application pushed the authorization request", "redirects back with code and iss.", "\n7. ",
				"\n6     Signature verifies", demoUser.Subject, test.verified, "tea-party.jpg",
			} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("the output lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestHeadlessFails(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-headless", "-cancel"}, "step 3: the server answers access_denied"},
		{[]string{"-headless", "-scopes", "openid"}, "step 6: the API answers"},
		{[]string{"-headless", "-scopes", "openid nonsense"}, "step 1: the application says configuration_error"},
	} {
		t.Run(strings.Join(test.args, " "), func(t *testing.T) {
			t.Parallel()
			b := startBench(t, test.args...)
			err := visit(t.Context(), b.system, io.Discard)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-token", "paper"},
		{"-cancel"},
		{"-issuer", "https://as.example"},
		{"-client-id", "me"},
		{"-client-secret", "mine"},
	} {
		if _, err := parse(args, io.Discard); err == nil {
			t.Errorf("%v: no error", args)
		}
	}
}
