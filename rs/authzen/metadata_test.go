package authzen_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/rs/authzen"
)

// discoverable is a decision point with metadata. Its endpoints are not at the default paths.
type discoverable struct {
	*decisionPoint
	path     string
	document func(w http.ResponseWriter, r *http.Request)
	fetched  atomic.Int32
	at       []string // the paths of the questions
}

func newDiscoverable(t *testing.T, path string) *discoverable {
	d := &discoverable{path: path}
	d.decisionPoint = newDecisionPoint(t, nil)
	d.document = func(w http.ResponseWriter, r *http.Request) { says(200, js, d.metadata(""))(w, r) }
	d.answer = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			d.fetched.Add(1)
			d.document(w, r)
			return
		}
		d.at = append(d.at, r.URL.Path)
		body := yes
		if strings.HasSuffix(r.URL.Path, "s") {
			body = yes2
		}
		says(200, js, body)(w, r)
	}
	return d
}

func (d *discoverable) id() string { return d.URL + d.path }

// metadata is a document. more is added to it.
func (d *discoverable) metadata(more string) string {
	return fmt.Sprintf(`{"policy_decision_point":%q,"access_evaluation_endpoint":%q%s}`, d.id(), d.URL+"/ask", more)
}

// TestMetadata: questions go to the endpoints of the document, or else to the default paths
// (Authorization API 1.0, "HTTPS JSON Binding").
func TestMetadata(t *testing.T) {
	for _, test := range []struct{ path, wellKnown, more, batch string }{
		{"", "/.well-known/authzen-configuration", "", "/access/v1/evaluations"},
		{"/tenant1", "/.well-known/authzen-configuration/tenant1", "", "/tenant1/access/v1/evaluations"},
		{"/a%2Fb", "/.well-known/authzen-configuration/a/b", "", "/a/b/access/v1/evaluations"},
		{"/", "/.well-known/authzen-configuration", `,"access_evaluations_endpoint":"%s/asks"`, "/asks"},
		{"", "/.well-known/authzen-configuration", `,"access_evaluations_endpoint":"%s/asks","capabilities":["urn:x"],"search_subject_endpoint":"x"`, "/asks"},
	} {
		d := newDiscoverable(t, test.path)
		if test.more != "" {
			d.document = says(200, js, d.metadata(fmt.Sprintf(test.more, d.URL)))
		}
		pdp := &authzen.PDP{URL: d.id(), Discover: true}
		for _, ask := range []asks{one, two} {
			if status, _ := visit(t, pdp, ask); status != 200 {
				t.Errorf("%s: %d, %q", test.path, status, d.bodies)
			}
		}
		if !strings.HasPrefix(d.bodies[0], test.wellKnown+" ") || fmt.Sprint(d.at) != fmt.Sprint([]string{"/ask", test.batch}) || d.fetched.Load() != 1 {
			t.Errorf("%s: %q, asked at %q, fetched %d times", test.path, d.bodies[0], d.at, d.fetched.Load())
		}
	}
}

// TestWrongMetadata: nothing is asked at an endpoint of a document that is not valid, and the
// default paths are not tried either.
func TestWrongMetadata(t *testing.T) {
	d := newDiscoverable(t, "/tenant1")
	named := func(id, endpoint string) string {
		return fmt.Sprintf(`{"policy_decision_point":%q,"access_evaluation_endpoint":%q}`, id, endpoint)
	}
	for name, document := range map[string]http.HandlerFunc{
		"another name":           says(200, js, named(d.URL+"/tenant2", d.URL+"/ask")),
		"no tenant":              says(200, js, named(d.URL, d.URL+"/ask")),
		"a slash more":           says(200, js, named(d.id()+"/", d.URL+"/ask")),
		"another case":           says(200, js, named(strings.ToUpper(d.id()), d.URL+"/ask")),
		"no name":                says(200, js, named("", d.URL+"/ask")),
		"a name in capitals":     says(200, js, strings.Replace(named(d.id(), d.URL+"/ask"), "policy", "Policy", 1)),
		"two names":              says(200, js, strings.Replace(named(d.id(), d.URL+"/ask"), "{", `{"policy_decision_point":"x",`, 1)),
		"a list of names":        says(200, js, fmt.Sprintf(`{"policy_decision_point":[%q],"access_evaluation_endpoint":%q}`, d.id(), d.URL+"/ask")),
		"no endpoint":            says(200, js, fmt.Sprintf(`{"policy_decision_point":%q}`, d.id())),
		"plain http":             says(200, js, named(d.id(), "http://pdp.example/ask")),
		"a relative endpoint":    says(200, js, named(d.id(), "/ask")),
		"user info":              says(200, js, named(d.id(), strings.Replace(d.URL, "http://", "http://a:b@", 1)+"/ask")),
		"a fragment":             says(200, js, named(d.id(), d.URL+"/ask#x")),
		"a private address":      says(200, js, named(d.id(), "https://10.0.0.1/ask")),
		"another private one":    says(200, js, named(d.id(), "https://[::ffff:169.254.169.254]/ask")),
		"another batch address":  says(200, js, d.metadata(`,"access_evaluations_endpoint":"http://pdp.example/asks"`)),
		"an empty batch address": says(200, js, d.metadata(`,"access_evaluations_endpoint":""`)),
		"a list":                 says(200, js, "["+d.metadata("")+"]"),
		"another type":           says(200, "text/html", d.metadata("")),
		"not found":              says(404, js, d.metadata("")),
		"created":                says(201, js, d.metadata("")),
		"redirect":               says(302, js, d.metadata(""), "Location", d.URL+"/elsewhere"),
		"large":                  says(200, js, d.metadata(`,"x":"`+strings.Repeat("x", 2<<20)+`"`)),
		"compressed":             says(200, js, d.metadata(""), "Content-Encoding", "br"),
	} {
		d.document, d.at = document, nil
		if status, _ := visit(t, &authzen.PDP{URL: d.id(), Discover: true}, one); status != 503 || len(d.at) != 0 {
			t.Errorf("%s: %d, asked at %q", name, status, d.at)
		}
	}
	for _, u := range []string{d.URL + "/a?tenant=1", d.URL + "/a?", d.URL + "/#a", "", "http://pdp.example"} {
		if status, _ := visit(t, &authzen.PDP{URL: u, Discover: true}, one); status != 503 {
			t.Errorf("%q: %d", u, status)
		}
	}
}

// TestMetadataAge: the document is fetched again after an hour. While that fails, the last one
// is used for a day.
func TestMetadataAge(t *testing.T) {
	d := newDiscoverable(t, "")
	valid := d.document
	now := time.Now()
	pdp := &authzen.PDP{URL: d.id(), Discover: true, Now: func() time.Time { return now }}
	for i, step := range []struct {
		after   time.Duration
		down    bool
		fetched int32
		fails   bool
	}{
		{0, true, 1, true}, {0, false, 2, false}, {59 * time.Minute, false, 2, false}, {time.Minute, false, 3, false},
		{time.Hour, true, 4, false}, {time.Second, true, 4, false}, {time.Minute, true, 5, false}, {24 * time.Hour, true, 6, true}, {0, false, 7, false},
	} {
		now = now.Add(step.after)
		d.document = valid
		if step.down {
			d.document = says(404, js, "{}") // 5xx would be tried again
		}
		_, err := pdp.Evaluate(t.Context(), question("1"))
		if (err != nil) != step.fails || d.fetched.Load() != step.fetched {
			t.Errorf("step %d: %v, fetched %d times, want %d", i, err, d.fetched.Load(), step.fetched)
		}
	}
}

// TestPlainHTTP: InsecureHTTP accepts http on a host that is not loopback.
func TestPlainHTTP(t *testing.T) {
	d := newDiscoverable(t, "")
	d.document = says(200, js, `{"policy_decision_point":"http://pdp.example","access_evaluation_endpoint":"http://pdp.example/ask"}`)
	to := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(d.URL, "http://"))
	}}}
	for _, discover := range []bool{false, true} {
		pdp := &authzen.PDP{URL: "http://pdp.example", InsecureHTTP: true, Discover: discover, HTTP: to}
		if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || !got.Allowed {
			t.Errorf("Discover %t: %v, %v", discover, got, err)
		}
	}
}

// TestRequestID: every request has an identifier. A response with another one is not the answer
// to it (Authorization API 1.0, "Request Identification").
func TestRequestID(t *testing.T) {
	seen := map[string]bool{}
	for name, test := range map[string]struct {
		back func(sent string) []string
		want bool
	}{
		"the same":          {func(sent string) []string { return []string{sent} }, true},
		"none":              {func(string) []string { return nil }, true},
		"another":           {func(string) []string { return []string{"bfe9eb29-ab87-4ca3-be83-a1d5d8305716"} }, false},
		"empty":             {func(string) []string { return []string{""} }, false},
		"lower case":        {func(sent string) []string { return []string{strings.ToLower(sent)} }, false},
		"a prefix":          {func(sent string) []string { return []string{sent[:10]} }, false},
		"it and another":    {func(sent string) []string { return []string{sent, "x"} }, false},
		"it in a list":      {func(sent string) []string { return []string{sent + ", " + sent} }, false},
		"of the wrong kind": {func(string) []string { return []string{strings.Repeat("canary", 100)} }, false},
	} {
		d := newDecisionPoint(t, func(w http.ResponseWriter, r *http.Request) {
			sent := r.Header.Get("X-Request-ID")
			if len(sent) < 20 || seen[sent] {
				t.Errorf("the identifier is %q", sent)
			}
			seen[sent] = true
			w.Header()["X-Request-Id"] = test.back(sent)
			says(200, js, yes)(w, r)
		})
		pdp := &authzen.PDP{URL: d.URL}
		for range 2 {
			got, err := pdp.Evaluate(t.Context(), question("1"))
			if (err == nil) != test.want || got.Allowed != test.want || test.want && !seen[got.RequestID] {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "X-Request-ID") || len(err.Error()) > 500) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// TestOwnRequestID: Authorize may choose the identifier, or remove it for a proxy that replaces
// it.
func TestOwnRequestID(t *testing.T) {
	d := newDecisionPoint(t, func(w http.ResponseWriter, r *http.Request) {
		says(200, js, yes, "X-Request-ID", "of a proxy", "X-Sent", r.Header.Get("X-Request-ID"))(w, r)
	})
	pdp := &authzen.PDP{URL: d.URL, Authorize: func(r *http.Request) error { r.Header.Set("X-Request-ID", "of a proxy"); return nil }}
	if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || got.RequestID != "of a proxy" {
		t.Errorf("%+v, %v", got, err)
	}
	pdp.Authorize = func(r *http.Request) error { r.Header.Del("X-Request-ID"); return nil }
	if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || got.RequestID != "" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestRequestIDInLog: the log has the identifier of a denial and of an error. The log of the
// decision point has it too.
func TestRequestIDInLog(t *testing.T) {
	var sent string
	for name, answer := range map[string]string{"denied": `{"decision":false}`, "invalid": `{}`} {
		d := newDecisionPoint(t, func(w http.ResponseWriter, r *http.Request) {
			sent = r.Header.Get("X-Request-ID")
			says(200, js, answer)(w, r)
		})
		log := &strings.Builder{}
		if status := visitLogged(t, &authzen.PDP{URL: d.URL}, one, log); status == 200 || !strings.Contains(log.String(), sent) {
			t.Errorf("%s: %d, the log has no %s: %s", name, status, sent, log)
		}
	}
	if _, err := (&authzen.PDP{URL: "http://127.0.0.1:1"}).Evaluate(t.Context(), question("1")); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestMetadataHangs: while a decision point does not answer a request for its metadata, questions
// go to the endpoints of the last document, and in time.
func TestMetadataHangs(t *testing.T) {
	var fetched atomic.Int32
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/ask", says(200, js, yes))
	mux.HandleFunc("/.well-known/authzen-configuration", func(w http.ResponseWriter, r *http.Request) {
		if fetched.Add(1) > 1 {
			<-r.Context().Done()
			return
		}
		says(200, js, fmt.Sprintf(`{"policy_decision_point":%q,"access_evaluation_endpoint":%q}`, server.URL, server.URL+"/ask"))(w, r)
	})
	now := time.Now()
	pdp := &authzen.PDP{URL: server.URL, Discover: true, HTTP: server.Client(), Now: func() time.Time { return now }}
	for range 3 {
		if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || !got.Allowed {
			t.Errorf("%+v, %v", got, err)
		}
		now = now.Add(time.Hour)
	}
	if fetched.Load() < 2 {
		t.Error("the metadata was not fetched again")
	}
	server.CloseClientConnections()
}
