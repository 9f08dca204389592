package ssf_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs/ssf"
)

const (
	audience    = "https://receiver.example"
	bearer      = "canary-token of the receiver"
	pushSecret  = "Bearer canary-push"
	accountOf   = "alice"
	otherIssuer = "https://other.example"
)

// transmitter is a transmitter with one stream.
type transmitter struct {
	sync.Mutex
	*httptest.Server
	key     optest.Key
	clock   time.Time
	sets    map[string]string // not acknowledged yet
	order   []string
	acks    []string
	errs    map[string]string
	status  string
	exists  bool
	push    http.Handler
	down    bool
	polls   int
	edit    func(map[string]any) // changes every response
	granted []string
}

func newTransmitter(t testing.TB) *transmitter {
	x := &transmitter{key: optest.NewKey("k1", "RS256"), clock: time.Now().Truncate(time.Second), sets: map[string]string{}, errs: map[string]string{}, status: "enabled"}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/ssf-configuration/tenant", x.metadata)
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(optest.JWKS(x.key))
	})
	for path, h := range map[string]http.HandlerFunc{"/streams": x.streams, "/status": x.statuses, "/verify": x.verify, "/poll": x.poll} {
		mux.HandleFunc(path, x.guarded(h))
	}
	x.Server = httptest.NewServer(mux)
	t.Cleanup(x.Close)
	return x
}

func (x *transmitter) issuer() string { return x.URL + "/tenant" }

func (x *transmitter) guarded(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x.Lock()
		defer x.Unlock()
		switch {
		case x.down:
			w.WriteHeader(http.StatusBadGateway)
		case r.Header.Get("Authorization") != "Bearer "+bearer:
			w.WriteHeader(http.StatusUnauthorized)
		default:
			next(w, r)
		}
	}
}

func (x *transmitter) answer(w http.ResponseWriter, status int, v map[string]any) {
	if x.edit != nil {
		x.edit(v)
	}
	optest.JSON(w, status, v)
}

func (x *transmitter) metadata(w http.ResponseWriter, _ *http.Request) {
	x.answer(w, 200, map[string]any{
		"spec_version": "1_0", "issuer": x.issuer(), "jwks_uri": x.URL + "/jwks", "configuration_endpoint": x.URL + "/streams",
		"status_endpoint": x.URL + "/status", "verification_endpoint": x.URL + "/verify",
	})
}

func (x *transmitter) stream(method, url string) map[string]any {
	return map[string]any{
		"stream_id": "s1", "iss": x.issuer(), "aud": audience, "events_delivered": x.granted,
		"delivery": map[string]any{"method": method, "endpoint_url": url}, "min_verification_interval": 60,
	}
}

func (x *transmitter) streams(w http.ResponseWriter, r *http.Request) {
	id := r.URL.Query().Get("stream_id")
	switch {
	case r.Method == http.MethodPost && x.exists:
		w.WriteHeader(http.StatusConflict)
	case r.Method == http.MethodPost:
		var in struct {
			Delivery struct {
				Method        string
				URL           string `json:"endpoint_url"`
				Authorization string `json:"authorization_header"`
			}
			Events []string `json:"events_requested"`
		}
		json.NewDecoder(r.Body).Decode(&in)
		x.exists, x.granted = true, in.Events
		if in.Delivery.Method == ssf.MethodPoll {
			in.Delivery.URL = x.URL + "/poll"
		} else if in.Delivery.Authorization != pushSecret {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		x.answer(w, http.StatusCreated, x.stream(in.Delivery.Method, in.Delivery.URL))
	case id != "" && id != "s1" || !x.exists && id != "":
		w.WriteHeader(http.StatusNotFound)
	case r.Method == http.MethodDelete:
		x.exists = false
		w.WriteHeader(http.StatusNoContent)
	case id == "":
		list := []any{}
		if x.exists {
			list = append(list, x.stream(ssf.MethodPoll, x.URL+"/poll"))
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(list)
	default:
		x.answer(w, http.StatusOK, x.stream(ssf.MethodPoll, x.URL+"/poll"))
	}
}

func (x *transmitter) statuses(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		var in struct{ Status string }
		json.NewDecoder(r.Body).Decode(&in)
		x.status = in.Status
	}
	x.answer(w, http.StatusOK, map[string]any{"stream_id": "s1", "status": x.status})
}

func (x *transmitter) verify(w http.ResponseWriter, r *http.Request) {
	var in struct{ State string }
	json.NewDecoder(r.Body).Decode(&in)
	set := x.set(func(c map[string]any) {
		c["sub_id"] = map[string]any{"format": "opaque", "id": "s1"}
		c["events"] = map[string]any{ssf.Verification: map[string]any{"state": in.State}}
		c["jti"] = "verification " + in.State
	})
	if x.push != nil {
		go post(x.push, set, pushSecret)
	} else {
		x.add("verification "+in.State, set)
	}
	w.WriteHeader(http.StatusNoContent)
}

func (x *transmitter) poll(w http.ResponseWriter, r *http.Request) {
	x.polls++
	var in struct {
		MaxEvents *int                         `json:"maxEvents"`
		Ack       []string                     `json:"ack"`
		SetErrs   map[string]map[string]string `json:"setErrs"`
	}
	json.NewDecoder(r.Body).Decode(&in)
	for _, id := range in.Ack {
		x.acks = append(x.acks, id)
		delete(x.sets, id)
	}
	for id, e := range in.SetErrs {
		x.errs[id] = e["err"]
		delete(x.sets, id)
	}
	out := map[string]string{}
	for _, id := range x.order {
		if set, ok := x.sets[id]; ok && len(out) < *in.MaxEvents {
			out[id] = set
		}
	}
	x.answer(w, http.StatusOK, map[string]any{"sets": out, "moreAvailable": len(out) < len(x.sets)})
}

// add queues a token for polls.
func (x *transmitter) add(id, set string) {
	x.sets[id] = set
	x.order = append(x.order, id)
}

func (x *transmitter) queue(id, set string) {
	x.Lock()
	defer x.Unlock()
	x.add(id, set)
}

// set makes a token about alice's sessions, with changes.
func (x *transmitter) set(edits ...func(map[string]any)) string {
	return x.key.Sign(x.claims(edits...), map[string]any{"typ": "secevent+jwt"})
}

func (x *transmitter) claims(edits ...func(map[string]any)) map[string]any {
	c := map[string]any{
		"iss": x.issuer(), "aud": audience, "jti": "j1", "iat": x.clock.Unix(),
		"sub_id": map[string]any{"format": "iss_sub", "iss": x.issuer(), "sub": accountOf},
		"events": map[string]any{ssf.SessionRevoked: map[string]any{"event_timestamp": x.clock.Unix() - 10}},
	}
	for _, edit := range edits {
		edit(c)
	}
	return c
}

func with(name string, value any) func(map[string]any) {
	return func(c map[string]any) {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
}

func event(typ string, payload map[string]any) func(map[string]any) {
	if payload == nil {
		payload = map[string]any{}
	}
	return with("events", map[string]any{typ: payload})
}

// ended is an effect that records its calls, or fails.
type ended struct {
	mu    sync.Mutex
	calls []string
	fail  error
	at    []time.Time
}

func (e *ended) EndAccess(_ context.Context, iss, sub, sid string, before time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return e.fail
	}
	e.calls, e.at = append(e.calls, fmt.Sprintf("%s|%s|%s", iss, sub, sid)), append(e.at, before)
	return nil
}

func (e *ended) EndToken(_ context.Context, iss, id string) error {
	return e.EndAccess(context.Background(), iss, "token "+id, "", time.Time{})
}

func (e *ended) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := e.calls
	e.calls = nil
	return out
}

func (e *ended) setFail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

// counts is a Counter.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) Count(_ context.Context, event, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[event]++
	c.n[event+" "+reason]++
}

func (c *counts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[name]
}

type fixture struct {
	*transmitter
	*ssf.Receiver
	effect *ended
	counts *counts
	log    *bytes.Buffer
}

func newFixture(t testing.TB) *fixture {
	f := &fixture{transmitter: newTransmitter(t), effect: &ended{}, counts: &counts{}, log: &bytes.Buffer{}}
	f.Receiver = &ssf.Receiver{
		Issuer: f.issuer(), Audience: audience, Effects: []ssf.Effect{f.effect}, Counter: f.counts,
		Token: func(context.Context) (string, error) { return bearer, nil }, Authorization: pushSecret, Interval: 100 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(f.log, nil)),
	}
	return f
}

// post pushes a token.
func post(h http.Handler, set, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(set))
	r.Header.Set("Content-Type", "application/secevent+jwt")
	r.Header.Set("Accept", "application/json")
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func code(err error) string {
	var e *ssf.Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return "other: " + err.Error()
	}
	return ""
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}
