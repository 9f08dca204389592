package playground

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// Own is a server of the person's own, at which the playground signs in. Attacks change only its
// responses.
type Own struct {
	Issuer, ClientID, Secret string
	Scopes, IDTokenAlgs      []string
	Transport                http.RoundTripper // nil means wire.NewTransport
}

// ownAttacks change the response. Text and Without are from Attacks.
var ownAttacks = []string{"state", "mixup", "replay", "none", "clock"}

// ownSwitches need no registration, only support by the server.
var ownSwitches = []string{"par", "jarm", "dpop"}

// ownLogin is a login at the person's own server that is under way.
type ownLogin struct {
	id      string
	on      map[string]bool
	attack  *Attack
	client  *client.Client
	pending *client.Pending
	mask    wire.Mask

	finishing sync.Mutex

	mu      sync.Mutex
	arrows  []*arrow
	arrived url.Values // the authorization response; nil until it has come
	result  *Result

	ahead atomic.Int64 // how far the application's clock is ahead, in nanoseconds
}

var ownTransport = wire.NewTransport(nil)

// begin makes the authorization request, and returns its address.
func (o *Own) begin(ctx context.Context, redirect string, on map[string]bool, attack *Attack) (*ownLogin, string, error) {
	l := &ownLogin{id: rand.Text(), on: on, attack: attack}
	l.mask.Learn("client_secret", o.Secret)
	var err error
	if l.client, err = client.New(o.config(l, redirect)); err != nil {
		return l, "", err
	}
	address, pending, err := l.client.Begin(ctx, client.Request{})
	l.pending = pending
	return l, address, err
}

// config configures the client of a login with its switches.
func (o *Own) config(l *ownLogin, redirect string) client.Config {
	config := client.Config{
		Issuer: o.Issuer, ClientID: o.ClientID, Auth: auth.Public(), RedirectURL: redirect, Scopes: o.Scopes, IDTokenAlgs: o.IDTokenAlgs,
		HTTP: &http.Client{Transport: &wire.Recorder{Base: o.transport(l), Record: func(x *wire.Exchange) { l.record(laneApp, laneServer, x) }}},
		Now:  func() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) },
	}
	if o.Secret != "" {
		config.Auth = auth.Secret(o.Secret)
	}
	if l.on["par"] {
		config.PAR = client.PARRequired
	}
	if l.on["jarm"] {
		config.ResponseMode, config.ResponseAlgs = "query.jwt", o.IDTokenAlgs
	}
	if l.on["dpop"] {
		config.DPoP = &client.DPoP{}
	}
	return config
}

// transport changes the ID tokens that the server sends, as the attack requires.
func (o *Own) transport(l *ownLogin) http.RoundTripper {
	base := o.Transport
	if base == nil {
		base = ownTransport
	}
	switch {
	case l.attack == nil:
	case l.attack.ID == "none":
		return tampering{base, replaceIDTokenWith(withoutSignature)}
	case l.attack.ID == "clock":
		l.ahead.Store(int64(time.Hour))
		return tampering{base, replaceIDTokenWith(l.pastEnd)}
	}
	return base
}

func (l *ownLogin) record(from, to int, x *wire.Exchange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.arrows = append(l.arrows, &arrow{From: from, To: to, x: x})
}

// text is an error without secrets.
func (l *ownLogin) text(err error) string { return l.mask.Text(err.Error()) }

// arrive keeps the response of the first callback. A response with the right state replaces one
// with another state, because any page can open the callback.
func (l *ownLogin) arrive(q url.Values) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.arrived == nil || stateOf(l.arrived) != l.pending.State && stateOf(q) == l.pending.State {
		l.arrived = q
	}
}

// foreign is the state of a response with another state than the login's. Any page on the web can
// have sent it, so the login does not end before the person confirms it.
func (l *ownLogin) foreign() (state string, foreign bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state = stateOf(l.arrived)
	return state, l.arrived != nil && l.result == nil && state != l.pending.State
}

// finish ends the login once, with the response after the attack. anyState means that the person
// confirmed a response with another state.
func (l *ownLogin) finish(ctx context.Context, anyState bool) *Result {
	l.finishing.Lock()
	defer l.finishing.Unlock()
	l.mu.Lock()
	arrived, done := l.arrived, l.result
	l.mu.Unlock()
	if arrived == nil || done != nil || !anyState && stateOf(arrived) != l.pending.State {
		return done
	}
	q := l.attacked(arrived)
	l.record(laneBrowser, laneApp, &wire.Exchange{Time: time.Now(), Method: http.MethodGet, URL: l.client.Config().RedirectURL + "?" + q.Encode(), Header: http.Header{}, Status: http.StatusOK, Answer: http.Header{}})
	issued, err := l.client.Finish(ctx, l.pending, q)
	if err == nil && l.attack != nil && l.attack.ID == "replay" {
		issued, err = l.client.Finish(ctx, l.pending, q)
	}
	r := l.describe(issued, err)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.result = r
	return r
}

// attacked returns a copy of the authorization response with the change of the attack.
func (l *ownLogin) attacked(response url.Values) url.Values {
	q := url.Values{}
	for name, values := range response {
		q[name] = append([]string(nil), values...)
	}
	switch {
	case l.attack == nil:
	case l.attack.ID == "state":
		q.Set("state", "another-state-of-another-browser-000000000000")
	case l.attack.ID == "mixup":
		q.Set("iss", "https://attacker.example")
	}
	return q
}

// learn masks the secrets of all messages in every text that is shown: a server may repeat them.
func (l *ownLogin) learn() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.arrows {
		masked(&l.mask, a.x)
	}
}

// describe returns what the page shows of the run.
func (l *ownLogin) describe(issued *client.Tokens, err error) *Result {
	l.learn()
	r := &Result{Attack: l.attack, Note: "A login at your own server has no API.", Screen: screen{Status: http.StatusOK, Text: "Signed in."}}
	if err != nil {
		r.Step = cmp.Or(l.mask.Text(step(err, nil)), l.text(err))
		r.Screen = screen{Status: http.StatusBadRequest, Text: "The sign-in failed."}
		r.Logs = []string{l.text(err) + "\n"}
	}
	if l.attack != nil {
		l.describeAttack(r, err)
	}
	if report := reportOf(issued, err); report != nil {
		r.Steps = stepsOf(report)
	}
	l.showArrows(r)
	return r
}

func (l *ownLogin) describeAttack(r *Result, err error) {
	r.Outcome = notRejected
	if ahead := time.Duration(l.ahead.Load()); ahead != 0 {
		r.Would = fmt.Sprintf("In this run the clock was set %s ahead, past exp of the ID token.", jose.Duration(ahead.Round(time.Second)))
	}
	if err != nil {
		r.Outcome = "Rejected by the application."
	}
}

// reportOf returns the report about the ID token, or nil if none was checked.
func reportOf(issued *client.Tokens, err error) *idtoken.Report {
	var rejected *idtoken.Error
	switch {
	case errors.As(err, &rejected):
		return rejected.Report
	case issued != nil:
		return issued.Report
	}
	return nil
}

// showArrows adds the messages without their secrets.
func (l *ownLogin) showArrows(r *Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, a := range l.arrows {
		r.Tokens = append(r.Tokens, tokensIn(a.x)...)
		masked := &arrow{From: a.From, To: a.To, x: masked(&l.mask, a.x)}
		r.Arrows = append(r.Arrows, masked.show(i+1))
	}
}

// masked is an exchange with labels in the place of its secrets.
func masked(m *wire.Mask, x *wire.Exchange) *wire.Exchange {
	out := *x
	out.URL, out.Header, out.Answer = m.Text(m.URL(x.URL)), maskHeader(m, x.Header), maskHeader(m, x.Answer)
	out.Body = []byte(m.Text(strings.ReplaceAll(m.Body(x.Header.Get("Content-Type"), x.Body), "\n", "&")))
	out.AnswerBody = []byte(m.Text(m.Body(x.Answer.Get("Content-Type"), x.AnswerBody)))
	return &out
}

func maskHeader(m *wire.Mask, h http.Header) http.Header {
	out := http.Header{}
	for name, values := range h {
		for _, v := range values {
			out.Add(name, m.Text(m.Header(name, v)))
		}
	}
	return out
}

// tampering changes responses on their way.
type tampering struct {
	base   http.RoundTripper
	change func(*http.Response)
}

func (t tampering) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.base.RoundTrip(r)
	if err == nil {
		t.change(resp)
	}
	return resp, err
}

// replaceIDTokenWith changes the ID token of any response that has one.
func replaceIDTokenWith(change func(string) string) func(*http.Response) {
	return func(resp *http.Response) {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		resp.Body.Close()
		var members map[string]any
		if json.Unmarshal(body, &members) == nil {
			if raw, ok := members["id_token"].(string); ok {
				members["id_token"] = change(raw)
				body, _ = json.Marshal(members)
			}
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	}
}

// pastEnd sets the application's clock further ahead if the ID token works for an hour or
// longer. It leaves the token as it is.
func (l *ownLogin) pastEnd(raw string) string {
	if exp, ok := payloadOf(raw)["exp"].(float64); ok {
		enough := time.Until(time.Unix(int64(exp), 0)) + 10*time.Minute
		l.ahead.Store(max(l.ahead.Load(), int64(enough)))
	}
	return raw
}

// withoutSignature returns the same claims with alg none.
func withoutSignature(raw string) string {
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return raw
	}
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
}
