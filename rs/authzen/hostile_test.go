package authzen_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/authzen"
)

const (
	js   = "application/json"
	yes  = `{"decision":true}`
	yes2 = `{"evaluations":[{"decision":true},{"decision":true}]}`
)

// TestForms: answers that are almost of the form that the specification requires
// (Authorization API 1.0, "Access Evaluation API" and "Access Evaluations API").
func TestForms(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, test := range []struct {
		name, answer  string
		single, batch int
	}{
		{"decision is text", `{"decision":"true"}`, 503, 503},
		{"decision is text in a batch", `{"evaluations":[{"decision":true},{"decision":"true"}]}`, 503, 503},
		{"decision is a list", `{"decision":[true]}`, 503, 503},
		{"decision is an object", `{"decision":{"decision":true}}`, 503, 503},
		{"decision is allow", `{"decision":"ALLOW"}`, 503, 503},
		{"decision twice", `{"decision":true,"decision":true}`, 503, 503},
		{"decision twice, escaped", `{"decision":false,"d\u0065cision":true}`, 503, 503},
		{"decision twice in a batch", `{"evaluations":[{"decision":true},{"decision":false,"decision":true}]}`, 503, 503},
		{"a member twice elsewhere", `{"decision":true,"context":{"a":1,"a":2}}`, 503, 503},
		{"evaluations twice", `{"evaluations":[{"decision":false},{"decision":false}],"evaluations":[{"decision":true},{"decision":true}]}`, 503, 503},
		{"two answers", yes + `{"decision":false}`, 503, 503},
		{"text after it", yes + `x`, 503, 503},
		{"a mark", "\ufeff" + yes, 503, 503},
		{"not UTF-8", "{\"decision\":true,\"context\":{\"a\":\"\xff\"}}", 503, 503},
		{"a list", `[` + yes + `]`, 503, 503},
		{"a list in a batch", `{"evaluations":[[true],[true]]}`, 503, 503},
		{"true in a batch", `{"evaluations":[true,true]}`, 503, 503},
		{"null in a batch", `{"evaluations":[null,{"decision":true}]}`, 503, 503},
		{"null for the batch", `{"evaluations":null}`, 503, 503},
		{"an object for the batch", `{"evaluations":{"0":{"decision":true},"1":{"decision":true}}}`, 503, 503},
		{"no answers", `{"evaluations":[]}`, 503, 503},
		{"stopped at the first denial", `{"evaluations":[{"decision":false}]}`, 503, 503},
		{"denied, and one more", `{"evaluations":[{"decision":true},{"decision":false},{"decision":true}]}`, 503, 503},
		{"a decision beside the batch", `{"decision":true,"evaluations":[{"decision":true},{"decision":false}]}`, 200, 403},
		{"the context is text", `{"decision":true,"context":"x"}`, 503, 503},
		{"the context is a list in a batch", `{"evaluations":[{"decision":true,"context":[]},{"decision":true}]}`, 503, 503},
		{"the context is null", `{"decision":true,"context":null}`, 200, 503},
		{"the context is deep", `{"decision":true,"context":` + deep + `}`, 503, 503},
		{"unknown members", `{"decision":true,"x":{"decision":false}}`, 200, 503},
		{"no body", ``, 503, 503},
	} {
		d := newDecisionPoint(t, says(200, js, test.answer))
		pdp := &authzen.PDP{URL: d.URL}
		t.Run(test.name+"/single", visits(pdp, one, test.single))
		t.Run(test.name+"/batch", visits(pdp, two, test.batch))
	}
}

// TestContentTypes: the answer is application/json ("HTTPS Access Evaluation Response").
func TestContentTypes(t *testing.T) {
	for contentType, want := range map[string]int{
		js: 200, "application/json; charset=utf-8": 200, "Application/JSON": 200,
		"": 503, "text/plain": 503, "text/json": 503, "application/jose+json": 503, "application/problem+json": 503,
		"application/jsonx": 503, "text/html; a=application/json": 503,
	} {
		for body, ask := range map[string]asks{yes: one, yes2: two} {
			d := newDecisionPoint(t, says(200, contentType, body))
			if status, _ := visit(t, &authzen.PDP{URL: d.URL}, ask); status != want {
				t.Errorf("%q: %d, want %d", contentType, status, want)
			}
		}
	}
}

type asks = func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error)

// TestRedirects: none is followed, also if it leads to a decision.
func TestRedirects(t *testing.T) {
	other := newDecisionPoint(t, says(200, js, yes))
	for _, status := range []int{300, 301, 302, 303, 307, 308} {
		for name, target := range map[string]string{"elsewhere": other.URL + "/access/v1/evaluation", "here": "/access/v1/evaluation?again"} {
			d := newDecisionPoint(t, nil)
			d.answer = func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != "" {
					says(200, js, yes)(w, r)
					return
				}
				says(status, js, yes, "Location", target)(w, r)
			}
			if got, _ := visit(t, &authzen.PDP{URL: d.URL}, one); got != 503 || d.asked.Load() != 1 {
				t.Errorf("%d, %s: %d, %d requests", status, name, got, d.asked.Load())
			}
		}
	}
	if other.asked.Load() != 0 {
		t.Errorf("%d requests elsewhere", other.asked.Load())
	}
}

// TestSizes: answers that do not end, or that are small only before decompression.
func TestSizes(t *testing.T) {
	var written atomic.Int64
	endless := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", js)
		block := []byte(strings.Repeat(" ", 64<<10))
		for written.Load() < 256<<20 {
			n, err := w.Write(block)
			written.Add(int64(n))
			if err != nil {
				return
			}
		}
	}
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", js)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		io.WriteString(z, `{"decision":true,"context":{"x":"`)
		for range 256 {
			io.WriteString(z, strings.Repeat("x", 64<<10))
		}
		io.WriteString(z, `"}}`)
		z.Close()
	}
	for name, answer := range map[string]http.HandlerFunc{"endless": endless, "compressed": bomb} {
		for ask, question := range map[string]asks{"single": one, "batch": two} {
			d := newDecisionPoint(t, answer)
			if status, _ := visit(t, &authzen.PDP{URL: d.URL, Timeout: 5 * time.Second}, question); status != 503 {
				t.Errorf("%s, %s: %d", name, ask, status)
			}
		}
	}
	if n := written.Load(); n > 64<<20 {
		t.Errorf("%d bytes were read of an answer of at most 1 MiB", n)
	}
}

// TestStalls: a decision that is late, or whose body never ends, is rejected.
func TestStalls(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"before the header": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", js)
			io.WriteString(w, yes)
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
		"cut off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", js)
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, yes)
		},
	} {
		d := newDecisionPoint(t, answer)
		if status, _ := visit(t, &authzen.PDP{URL: d.URL, Timeout: 100 * time.Millisecond}, one); status != 503 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestErrorsAreNotCached: an answer without a decision is requested again, even if its
// Cache-Control allows caching.
func TestErrorsAreNotCached(t *testing.T) {
	for _, answer := range []http.HandlerFunc{
		says(503, js, yes, "Cache-Control", "max-age=60"), says(200, js, `{}`, "Cache-Control", "max-age=60"),
		says(200, "text/html", yes, "Cache-Control", "max-age=60"), says(302, js, yes, "Cache-Control", "max-age=60", "Location", "/x"),
	} {
		d := newDecisionPoint(t, answer)
		pdp := &authzen.PDP{URL: d.URL}
		if _, err := pdp.Evaluate(t.Context(), question("1")); err == nil {
			t.Error("a decision")
		}
		d.answer = says(200, js, yes)
		if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || !got.Allowed {
			t.Errorf("%v, %v", got, err)
		}
	}
}

// TestCacheKeepsDenials: a denial is cached with its context, and only for the same question.
func TestCacheKeepsDenials(t *testing.T) {
	d := newDecisionPoint(t, says(200, js, `{"decision":false,"context":{"need":"photos.write"}}`, "Cache-Control", "max-age=60"))
	pdp := &authzen.PDP{URL: d.URL, StepUp: func(d authzen.Decision) *rs.Error {
		var reason struct{ Need string }
		json.Unmarshal(d.Context, &reason)
		return &rs.Error{Status: 403, Code: rs.InsufficientScope, Scope: reason.Need}
	}}
	for range 2 {
		if status, challenge := visit(t, pdp, one); status != 403 || !strings.Contains(challenge, `scope="photos.write"`) {
			t.Errorf("%d %s", status, challenge)
		}
	}
	e := question("1")
	for _, change := range []func(*authzen.Evaluation){
		func(e *authzen.Evaluation) { e.Subject.ID = "bob" }, func(e *authzen.Evaluation) { e.Subject.Type = "client" },
		func(e *authzen.Evaluation) { e.Subject.Properties = map[string]any{"a": 1} }, func(e *authzen.Evaluation) { e.Action.Name = "write" },
		func(e *authzen.Evaluation) { e.Resource.Type = "album" }, func(e *authzen.Evaluation) { e.Context = map[string]any{"a": 1} },
	} {
		changed := e
		change(&changed)
		before := d.asked.Load()
		if _, err := pdp.Evaluate(t.Context(), changed); err != nil || d.asked.Load() != before+1 {
			t.Errorf("%+v was not asked: %v", changed, err)
		}
	}
}

// TestStepUpInBatch: the first denial decides, and an allowed evaluation beside it does not help.
func TestStepUpInBatch(t *testing.T) {
	d := newDecisionPoint(t, says(200, js, `{"evaluations":[{"decision":true,"context":{"need":"a"}},{"decision":false,"context":{"need":"b"}}]}`))
	var seen []string
	pdp := &authzen.PDP{URL: d.URL, StepUp: func(d authzen.Decision) *rs.Error {
		seen = append(seen, string(d.Context))
		return &rs.Error{Status: 401, Code: rs.InsufficientUserAuthentication, ACRValues: "gold"}
	}}
	status, challenge := visit(t, pdp, two)
	if status != 401 || !strings.Contains(challenge, `acr_values="gold"`) || len(seen) != 1 || seen[0] != `{"need":"b"}` {
		t.Errorf("%d %s, %q", status, challenge, seen)
	}
}

// TestCallerGone: a request whose client has disconnected is rejected.
func TestCallerGone(t *testing.T) {
	d := newDecisionPoint(t, says(200, js, yes))
	pdp := &authzen.PDP{URL: d.URL}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := pdp.Evaluate(ctx, question("1")); err == nil || got.Allowed {
		t.Errorf("%v, %v", got, err)
	}
}
