package authzen_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/authzen"
)

// decisionPoint sends the response of the test, and counts the requests.
type decisionPoint struct {
	*httptest.Server
	asked  atomic.Int32
	bodies []string
	answer http.HandlerFunc
}

func newDecisionPoint(t *testing.T, answer http.HandlerFunc) *decisionPoint {
	d := &decisionPoint{answer: answer}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.asked.Add(1)
		body, _ := io.ReadAll(r.Body)
		d.bodies = append(d.bodies, r.URL.Path+" "+string(body))
		d.answer(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func says(status int, contentType, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		for i := 0; i < len(header); i += 2 {
			if header[i+1] != "" {
				w.Header().Set(header[i], header[i+1])
			}
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func question(id string) authzen.Evaluation {
	return authzen.Evaluation{Subject: authzen.Subject{Type: "user", ID: "alice"}, Action: authzen.Action{Name: "read"}, Resource: authzen.Resource{Type: "photo", ID: id}}
}

// visit sends a request of alice through the guard.
func visit(t *testing.T, pdp *authzen.PDP, ask func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error)) (status int, challenge string) {
	t.Helper()
	w := through(t, pdp, ask, slog.DiscardHandler)
	return w.Code, w.Header().Get("WWW-Authenticate")
}

// visitLogged is visit with a log.
// visits is the test of one visit. Its issuer's key is the next test's.
func visits(pdp *authzen.PDP, ask asks, want int) func(*testing.T) {
	return func(t *testing.T) {
		if status, _ := visit(t, pdp, ask); status != want {
			t.Errorf("status %d, expected %d", status, want)
		}
	}
}

func visitLogged(t *testing.T, pdp *authzen.PDP, ask asks, log io.Writer) (status int) {
	t.Helper()
	return through(t, pdp, ask, slog.NewTextHandler(log, nil)).Code
}

func through(t *testing.T, pdp *authzen.PDP, ask asks, log slog.Handler) *httptest.ResponseRecorder {
	t.Helper()
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true})
	api := &rs.Protection{
		Tokens: &rs.JWT{Issuer: issuer.URL, Audience: issuertest.Audience, Keys: (&discovery.Provider{Issuer: issuer.URL}).Keys()},
		Logger: slog.New(log), ResourceMetadata: "https://api.example/.well-known/oauth-protected-resource",
	}
	h := api.Handler(pdp.Require(ask)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "photo") })))
	r := httptest.NewRequest("GET", "/photos/1", nil)
	r.Header.Set("Authorization", "Bearer "+issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.read"}}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func one(_ *http.Request, who *rs.Principal) ([]authzen.Evaluation, error) {
	e := question("1")
	e.Subject = authzen.User(who)
	return []authzen.Evaluation{e}, nil
}

func two(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) {
	return []authzen.Evaluation{question("1"), question("2")}, nil
}

// TestAnswers: only a well-formed response with decision true allows the request.
func TestAnswers(t *testing.T) {
	const js = "application/json"
	for _, test := range []struct {
		name   string
		answer http.HandlerFunc
		single int
		batch  int
	}{
		{"allowed", says(200, js, `{"decision":true}`), 200, 503},
		{"denied", says(200, js, `{"decision":false}`), 403, 503},
		{"both allowed", says(200, js, `{"evaluations":[{"decision":true},{"decision":true}]}`), 503, 200},
		{"one denied", says(200, js, `{"evaluations":[{"decision":true},{"decision":false}]}`), 503, 403},
		{"one missing", says(200, js, `{"evaluations":[{"decision":true}]}`), 503, 503},
		{"one more", says(200, js, `{"evaluations":[{"decision":true},{"decision":true},{"decision":true}]}`), 503, 503},
		{"one without decision", says(200, js, `{"evaluations":[{"decision":true},{}]}`), 503, 503},
		{"a decision for all", says(200, js, `{"decision":true,"evaluations":[]}`), 200, 503},
		{"no decision", says(200, js, `{}`), 503, 503},
		{"null", says(200, js, `{"decision":null}`), 503, 503},
		{"text", says(200, js, `{"decision":"true"}`), 503, 503},
		{"number", says(200, js, `{"decision":1}`), 503, 503},
		{"another case", says(200, js, `{"Decision":true}`), 503, 503},
		{"twice", says(200, js, `{"decision":false,"decision":true}`), 503, 503},
		{"not JSON", says(200, js, `true`), 503, 503},
		{"another type", says(200, "text/html", `{"decision":true}`), 503, 503},
		{"created", says(201, js, `{"decision":true}`), 503, 503},
		{"no content", says(204, js, ``), 503, 503},
		{"unauthorized", says(401, js, `{"decision":true}`), 503, 503},
		{"forbidden", says(403, js, `{"decision":true}`), 503, 503},
		{"down", says(500, js, `{"decision":true}`), 503, 503},
		{"redirect", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, 503, 503},
		{"too large", says(200, js, `{"decision":true,"context":{"x":"`+strings.Repeat("x", 2<<20)+`"}}`), 503, 503},
	} {
		d := newDecisionPoint(t, test.answer)
		for name, ask := range map[string]func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error){"single": one, "batch": two} {
			want := test.single
			if name == "batch" {
				want = test.batch
			}
			t.Run(test.name+"/"+name, visits(&authzen.PDP{URL: d.URL}, ask, want))
		}
	}
}

// TestUnreachable: a decision point that is slow, down, or not configured.
func TestUnreachable(t *testing.T) {
	slow := newDecisionPoint(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Second):
		}
	})
	gone := newDecisionPoint(t, says(200, "application/json", `{"decision":true}`))
	gone.Close()
	for name, pdp := range map[string]*authzen.PDP{
		"slow": {URL: slow.URL, Timeout: 50 * time.Millisecond}, "away": {URL: gone.URL}, "no URL": {},
		"plain http": {URL: "http://pdp.example"}, "time-out": {URL: slow.URL, Timeout: time.Hour},
		"authorize": {URL: slow.URL, Authorize: func(*http.Request) error { return fmt.Errorf("no key") }},
	} {
		if status, _ := visit(t, pdp, one); status != 503 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestAsk: an application function that returns no evaluation, an incomplete one, or an error.
func TestAsk(t *testing.T) {
	d := newDecisionPoint(t, says(200, "application/json", `{"decision":true}`))
	for name, test := range map[string]struct {
		ask  func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error)
		want int
	}{
		"nil":      {nil, 503},
		"none":     {func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) { return nil, nil }, 403},
		"an error": {func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) { return nil, fmt.Errorf("no photo") }, 403},
		"rs.Error": {func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) {
			return nil, &rs.Error{Status: 400, Code: rs.InvalidRequest}
		}, 400},
		"incomplete": {func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) { return []authzen.Evaluation{{}}, nil }, 503},
		"too many": {func(*http.Request, *rs.Principal) ([]authzen.Evaluation, error) {
			return make([]authzen.Evaluation, 101), nil
		}, 503},
	} {
		if status, _ := visit(t, &authzen.PDP{URL: d.URL}, test.ask); status != test.want {
			t.Errorf("%s: %d, want %d", name, status, test.want)
		}
	}
	if d.asked.Load() != 0 {
		t.Errorf("%d questions", d.asked.Load())
	}
}

// TestRequest: the request to the decision point, and its credentials.
func TestRequest(t *testing.T) {
	var key string
	d := newDecisionPoint(t, func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("Authorization")
		says(200, "application/json", `{"decision":true}`)(w, r)
	})
	pdp := &authzen.PDP{URL: d.URL + "/", Authorize: func(r *http.Request) error { r.Header.Set("Authorization", "Bearer canary-pdp-key"); return nil }}
	if status, _ := visit(t, pdp, one); status != 200 || key != "Bearer canary-pdp-key" {
		t.Errorf("%d, key sent: %t", status, key != "")
	}
	path, body, _ := strings.Cut(d.bodies[0], " ")
	var sent struct {
		Subject, Resource struct {
			Type, ID   string
			Properties map[string]any
		}
		Action struct{ Name string }
	}
	if err := json.Unmarshal([]byte(body), &sent); err != nil || path != "/access/v1/evaluation" || sent.Subject.Type != "user" ||
		sent.Subject.ID != "alice" || sent.Action.Name != "read" || sent.Resource.ID != "1" || fmt.Sprint(sent.Subject.Properties["scopes"]) != "[photos.read]" {
		t.Errorf("%s %s, %v", path, body, err)
	}
	d.answer = says(200, "application/json", `{"evaluations":[{"decision":true},{"decision":true}]}`)
	if status, _ := visit(t, pdp, two); status != 200 || !strings.HasPrefix(d.bodies[1], `/access/v1/evaluations {"evaluations":[{"subject"`) {
		t.Errorf("%d %s", status, d.bodies[1])
	}
}

// TestStepUp: a reason of the decision point becomes a request for more scope. It never allows
// the request.
func TestStepUp(t *testing.T) {
	d := newDecisionPoint(t, says(200, "application/json", `{"decision":false,"context":{"need":"photos.write"}}`))
	pdp := &authzen.PDP{URL: d.URL, StepUp: func(d authzen.Decision) *rs.Error {
		var reason struct{ Need string }
		if json.Unmarshal(d.Context, &reason) != nil || reason.Need == "" {
			return nil
		}
		return &rs.Error{Status: 403, Code: rs.InsufficientScope, Scope: reason.Need, Description: "the policy needs another scope"}
	}}
	status, challenge := visit(t, pdp, one)
	if status != 403 || !strings.Contains(challenge, `error="insufficient_scope"`) || !strings.Contains(challenge, `scope="photos.write"`) || !strings.Contains(challenge, "resource_metadata=") {
		t.Errorf("%d %s", status, challenge)
	}
	for _, e := range []*rs.Error{nil, {Status: 200}, {}} {
		pdp.StepUp = func(authzen.Decision) *rs.Error { return e }
		if status, _ := visit(t, pdp, one); status != 403 {
			t.Errorf("%v: %d", e, status)
		}
	}
}

// TestCache: a decision is cached as long as the response and PDP.MaxAge allow.
func TestCache(t *testing.T) {
	for _, test := range []struct {
		name, control, age string
		maxAge             time.Duration
		after              time.Duration
		want               int32
	}{
		{"nothing said", "", "", 0, time.Second, 2},
		{"max-age", "max-age=30", "", 0, 29 * time.Second, 1},
		{"max-age is over", "max-age=30", "", 0, 30 * time.Second, 2},
		{"private, max-age", "private, max-age=30", "", 0, time.Second, 1},
		{"no-store", "max-age=30, no-store", "", 0, time.Second, 2},
		{"no-cache", "no-cache, max-age=30", "", 0, time.Second, 2},
		{"age", "max-age=30", "20", 0, 11 * time.Second, 2},
		{"age and more", "max-age=30", " 20 ", 0, 9 * time.Second, 1},
		{"age above max-age", "max-age=30", "31", 0, 0, 2},
		{"age that is large", "max-age=30", "99999999999999999999", 0, 0, 2},
		{"age that is negative", "max-age=30", "-1", 0, 0, 2},
		{"age that is a list", "max-age=30", "1, 2", 0, 0, 2},
		{"age that is no number", "max-age=30", "x", 0, 0, 2},
		{"age with a fraction", "max-age=30", "1.5", 0, 0, 2},
		{"age with a sign", "max-age=30", "+1", 0, 0, 2},
		{"the default limit", "max-age=3600", "", 0, 61 * time.Second, 2},
		{"a limit", "max-age=3600", "", 5 * time.Second, 6 * time.Second, 2},
		{"off", "max-age=3600", "", -1, time.Second, 2},
		{"not a number", "max-age=-1", "", 0, 0, 2},
		{"too large a number", "max-age=99999999999999", "", 0, 0, 2},
		{"quoted", `max-age="30"`, "", 0, 29 * time.Second, 1},
		{"in capitals", "Max-Age=30", "", 0, 29 * time.Second, 1},
		{"two values", "max-age=5, max-age=30", "", 0, 6 * time.Second, 2},
		{"two values, the small one last", "max-age=30, max-age=5", "", 0, 6 * time.Second, 2},
		{"a value that is none", "max-age=30, max-age=x", "", 0, 0, 2},
		{"zero", "max-age=0", "", 0, 0, 2},
		{"for shared caches", "s-maxage=30", "", 0, 0, 2},
		{"stale", "max-age=0, stale-while-revalidate=60", "", 0, 0, 2},
	} {
		d := newDecisionPoint(t, says(200, "application/json", `{"decision":true}`, "Cache-Control", test.control, "Age", test.age))
		now := time.Now()
		pdp := &authzen.PDP{URL: d.URL, MaxAge: test.maxAge, Now: func() time.Time { return now }}
		for range 2 {
			if got, err := pdp.Evaluate(t.Context(), question("1")); err != nil || !got.Allowed {
				t.Fatalf("%s: %v, %v", test.name, got, err)
			}
			now = now.Add(test.after)
		}
		if got := d.asked.Load(); got != test.want {
			t.Errorf("%s: %d questions, want %d", test.name, got, test.want)
		}
		before := d.asked.Load()
		if _, err := pdp.Evaluate(t.Context(), question("2")); err != nil || d.asked.Load() != before+1 {
			t.Errorf("%s: another question was not asked", test.name)
		}
	}
}

// TestVary: an answer that fits no other request is not cached.
func TestVary(t *testing.T) {
	for vary, want := range map[string]int32{"": 1, "Accept": 1, "*": 2, "Accept, *": 2} {
		d := newDecisionPoint(t, says(200, "application/json", `{"decision":true}`, "Cache-Control", "max-age=30", "Vary", vary))
		pdp := &authzen.PDP{URL: d.URL}
		for range 2 {
			if _, err := pdp.Evaluate(t.Context(), question("1")); err != nil {
				t.Fatal(err)
			}
		}
		if got := d.asked.Load(); got != want {
			t.Errorf("Vary: %q: %d questions, want %d", vary, got, want)
		}
	}
}

// TestCacheBound: the size of the cache is limited, and the latest decision is kept.
func TestCacheBound(t *testing.T) {
	pdp := &authzen.PDP{}
	if n := pdp.Fill(3 * authzen.MaxEntries); n > authzen.MaxEntries || n < authzen.MaxEntries/2 {
		t.Errorf("%d decisions, at most %d", n, authzen.MaxEntries)
	}
}
