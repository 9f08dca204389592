package ssf_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/rs/ssf"
)

// TestPush: the statuses and bodies of RFC 8935 §2. SSF-12.
func TestPush(t *testing.T) {
	f := newFixture(t)
	h := f.Handler()
	for _, test := range []struct {
		name   string
		set    string
		auth   string
		status int
		err    string
	}{
		{"good", f.set(), pushSecret, 202, ""},
		{"again", f.set(), pushSecret, 202, ""},
		{"without authorization", f.set(with("jti", "x")), "", 401, ssf.AuthenticationFailed},
		{"with another", f.set(with("jti", "x")), pushSecret + "x", 401, ssf.AuthenticationFailed},
		{"for another audience", f.set(with("aud", "x")), pushSecret, 400, ssf.InvalidAudience},
		{"of another issuer", f.set(with("iss", "x")), pushSecret, 400, ssf.InvalidIssuer},
		{"no token", "x", pushSecret, 400, ssf.InvalidRequest},
		{"a large body", strings.Repeat("x", 70<<10), pushSecret, 400, ssf.InvalidRequest},
	} {
		w := post(h, test.set, test.auth)
		var body struct{ Err, Description string }
		if test.err != "" {
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Description == "" || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%s: body %v", test.name, err)
			}
		} else if w.Body.Len() > 0 {
			t.Errorf("%s: a body", test.name)
		}
		if w.Code != test.status || body.Err != test.err {
			t.Errorf("%s: %d %s", test.name, w.Code, body.Err)
		}
	}
	if got := f.effect.take(); len(got) != 1 {
		t.Errorf("applied %q", got)
	}
	get := httptest.NewRecorder()
	h.ServeHTTP(get, httptest.NewRequest(http.MethodGet, "/", nil))
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(f.set()))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", pushSecret)
	other := httptest.NewRecorder()
	h.ServeHTTP(other, r)
	if get.Code != 405 || other.Code != 400 {
		t.Errorf("GET: %d, another media type: %d", get.Code, other.Code)
	}
	if strings.Contains(f.log.String(), "canary") {
		t.Error("a secret in the log")
	}
}

// TestPoll: which tokens are acknowledged, and which are reported as errors. RFC 8936 §2.4.
// SSF-13.
func TestPoll(t *testing.T) {
	f := newFixture(t)
	f.MaxEvents = 2
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		f.queue(id, f.set(with("jti", id)))
	}
	f.queue("forged", f.set(with("jti", "forged"), with("iss", otherIssuer)))
	f.queue("mismatch", f.set(with("jti", "another")))
	f.queue("garbage", "x.y.z")
	if err := f.Poll(t.Context(), f.URL+"/poll"); err != nil {
		t.Fatal(err)
	}
	slices.Sort(f.acks)
	if !slices.Equal(f.acks, []string{"a", "b", "c", "d", "e"}) || len(f.effect.take()) != 5 {
		t.Errorf("acknowledged %q", f.acks)
	}
	if f.errs["forged"] != ssf.InvalidIssuer || f.errs["mismatch"] != ssf.InvalidRequest || f.errs["garbage"] != ssf.InvalidRequest {
		t.Errorf("errors %v", f.errs)
	}
}

// TestPollPartly: tokens that were applied before a failure are acknowledged, and the others are
// not. SSF-13.
func TestPollPartly(t *testing.T) {
	f := newFixture(t)
	f.MaxEvents = 1
	n := 0
	f.Heard = func(context.Context, ssf.Event) error {
		if n++; n > 2 {
			return errors.New("down")
		}
		return nil
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		f.queue(id, f.set(with("jti", id)))
	}
	if err := f.Poll(t.Context(), f.URL+"/poll"); !temporary(err) || !slices.Equal(f.acks, []string{"a", "b"}) || len(f.sets) != 2 {
		t.Errorf("%v, acknowledged %q, %d left", err, f.acks, len(f.sets))
	}
}

// TestRun: events arrive while Run runs. If the transmitter is down, Run tries again, and Ready
// returns an error. SSF-14.
func TestRun(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	f.queue("a", f.set(with("jti", "a")))
	go func() { done <- f.Run(ctx, f.URL+"/poll") }()
	eventually(t, func() bool { f.Lock(); defer f.Unlock(); return slices.Equal(f.acks, []string{"a"}) })
	f.Lock()
	f.down = true
	f.Unlock()
	eventually(t, func() bool { return f.Ready(t.Context()) != nil && f.counts.of(ssf.PollFailed) > 0 })
	f.Lock()
	f.down = false
	f.add("b", f.set(with("jti", "b")))
	f.Unlock()
	eventually(t, func() bool { f.Lock(); defer f.Unlock(); return len(f.acks) == 2 })
	eventually(t, func() bool { return f.Ready(t.Context()) == nil })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatal("not in time")
}

// TestStream: the stream API of SSF 1.0 §8.1, over poll. SSF-15.
func TestStream(t *testing.T) {
	f := newFixture(t)
	if all, err := f.Streams(t.Context()); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	s, err := f.Create(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if s.EndpointURL != f.URL+"/poll" || s.Audience[0] != audience || len(s.EventsDelivered) != 9 || s.MinVerification != time.Minute {
		t.Errorf("%+v", s)
	}
	if _, err := f.Create(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "already exists") {
		t.Errorf("a second stream: %v", err)
	}
	go f.Run(t.Context(), s.EndpointURL)
	if err := f.VerifyStream(t.Context(), s.ID); err != nil {
		t.Errorf("verify: %v", err)
	}
	for _, status := range []string{ssf.StatusPaused, ssf.StatusEnabled, ssf.StatusDisabled} {
		if err := f.SetStatus(t.Context(), s.ID, status); err != nil {
			t.Error(err)
		}
		if got, err := f.Status(t.Context(), s.ID); got != status || err != nil {
			t.Errorf("status %s, %v", got, err)
		}
	}
	if got, err := f.Stream(t.Context(), s.ID); err != nil || got.ID != s.ID {
		t.Error(got, err)
	}
	if all, err := f.Streams(t.Context()); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	if err := f.Delete(t.Context(), s.ID); err != nil {
		t.Error(err)
	}
	if _, err := f.Stream(t.Context(), s.ID); err == nil || !strings.Contains(err.Error(), "no such stream") {
		t.Errorf("a deleted stream: %v", err)
	}
}

// TestStreamPush: a push stream has the value of Authorization, and its verification arrives.
// SSF-15.
func TestStreamPush(t *testing.T) {
	f := newFixture(t)
	f.push = f.Handler()
	s, err := f.Create(t.Context(), "https://receiver.example/events", ssf.SessionRevoked)
	if err != nil || s.Method != ssf.MethodPush || !slices.Equal(s.EventsDelivered, []string{ssf.SessionRevoked}) {
		t.Fatal(s, err)
	}
	if err := f.VerifyStream(t.Context(), s.ID); err != nil {
		t.Error(err)
	}
}

// TestStreamRefused: a stream that differs from the request is rejected. SSF-16.
func TestStreamRefused(t *testing.T) {
	for name, edit := range map[string]func(object){
		"another issuer": func(o object) { o["iss"] = otherIssuer },
		"no issuer":      func(o object) { delete(o, "iss") },
		"no id":          func(o object) { delete(o, "stream_id") },
		"another method": func(o object) { o["delivery"] = object{"method": ssf.MethodPush} },
		"no endpoint":    func(o object) { o["delivery"] = object{"method": ssf.MethodPoll} },
		"plain http": func(o object) {
			o["delivery"] = object{"method": ssf.MethodPoll, "endpoint_url": "http://poll.example/"}
		},
		"another audience": func(o object) { o["aud"] = "x" },
		"another status":   func(o object) { o["status"] = "asleep" },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if _, err := f.Metadata(t.Context()); err != nil {
				t.Fatal(err)
			}
			f.edit = edit
			_, err := f.Create(t.Context(), "")
			if name == "another status" {
				_, err = f.Status(t.Context(), "s1")
			}
			if err == nil {
				t.Error("accepted")
			}
		})
	}
}

// TestMetadata: metadata of another transmitter is rejected. SSF-17.
func TestMetadata(t *testing.T) {
	for name, edit := range map[string]func(object){
		"another issuer":    func(o object) { o["issuer"] = otherIssuer },
		"an http endpoint":  func(o object) { o["configuration_endpoint"] = "http://x.example/" },
		"an http jwks_uri":  func(o object) { o["jwks_uri"] = "http://x.example/" },
		"an issuer of null": func(o object) { o["issuer"] = nil },
	} {
		f := newFixture(t)
		f.edit = edit
		if _, err := f.Metadata(t.Context()); err == nil {
			t.Errorf("%s: accepted", name)
		}
		if err := f.Apply(t.Context(), f.set()); !temporary(err) {
			t.Errorf("%s: a token: %v", name, err)
		}
	}
}

// TestMetadataLeadsInside: metadata of a transmitter elsewhere does not lead to a private address,
// neither with the access token nor for the keys.
func TestMetadataLeadsInside(t *testing.T) {
	var asked atomic.Int32
	inside := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer inside.Close()
	f := newFixture(t)
	f.Receiver.Issuer = "https://transmitter.example.invalid"
	f.ConfigurationURL = strings.Replace(f.URL, "127.0.0.1", "localhost", 1) + "/.well-known/ssf-configuration/tenant"
	f.edit = func(o object) {
		o["issuer"], o["jwks_uri"] = f.Receiver.Issuer, inside.URL+"/j"
		o["configuration_endpoint"], o["status_endpoint"], o["verification_endpoint"] = inside.URL+"/c", inside.URL+"/s", inside.URL+"/v"
	}
	_, streams := f.Streams(t.Context())
	_, status := f.Status(t.Context(), "s1")
	for name, err := range map[string]error{
		"Streams": streams, "Status": status, "VerifyStream": f.VerifyStream(t.Context(), "s1"),
		"Poll": f.Poll(t.Context(), inside.URL+"/p"), "Apply": f.Apply(t.Context(), f.set(with("iss", f.Receiver.Issuer))),
	} {
		if err == nil || !strings.Contains(err.Error(), "private address") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d requests to a private address", asked.Load())
	}
}

// TestVerificationState: a verification with a state that was not requested is rejected, one
// without a state is accepted. SSF-18.
func TestVerificationState(t *testing.T) {
	f := newFixture(t)
	stream := with("sub_id", object{"format": "opaque", "id": "s1"})
	if err := f.Apply(t.Context(), f.set(stream, event(ssf.Verification, object{"state": "planted"}))); code(err) != ssf.InvalidState {
		t.Errorf("a state that was not requested: %v", err)
	}
	if err := f.Apply(t.Context(), f.set(stream, with("jti", "j2"), event(ssf.Verification, nil))); err != nil {
		t.Errorf("no state: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := f.VerifyStream(ctx, "s1"); err == nil { // no receiver is running
		t.Error("verified by nothing")
	}
}

// TestStreamUpdated: after the transmitter has stopped a stream, Ready returns an error. SSF-19.
func TestStreamUpdated(t *testing.T) {
	f := newFixture(t)
	stream := with("sub_id", object{"format": "opaque", "id": "s1"})
	for i, status := range []string{"paused", "enabled", "disabled"} {
		if err := f.Apply(t.Context(), f.set(stream, with("jti", string(rune('a'+i))), event(ssf.StreamUpdated, object{"status": status}))); err != nil {
			t.Fatal(err)
		}
		if err := f.Ready(t.Context()); (err == nil) != (status == "enabled") {
			t.Errorf("%s: %v", status, err)
		}
	}
}
