package playground

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

// The lanes of the diagram.
const (
	laneBrowser = iota
	laneApp
	laneServer
	laneAPI
)

var laneNames = [...]string{"Browser", "Application", "Server", "API"}

// arrow is a request from one lane to another, and its response.
type arrow struct {
	From, To int
	x        *wire.Exchange
}

// lane is whose address it is.
func (l *lab) lane(address string) int {
	switch {
	case strings.HasPrefix(address, l.app+"/"):
		return laneApp
	case strings.HasPrefix(address, l.api+"/"):
		return laneAPI
	}
	return laneServer
}

// Result is one run, to be shown.
type Result struct {
	Failure string // why the run could not start: what a profile rejects, say
	Attack  *Attack
	Screen  screen
	Outcome string // of an attack: where it was rejected
	Step    string
	Logs    []string
	Arrows  []Arrow
	Tokens  []Token
	Steps   []Step
	Took    time.Duration
}

// Run runs a login and what the switches add to it, or an attack on it.
func Run(ctx context.Context, on map[string]bool, attackID string) *Result {
	begun := time.Now()
	l, err := newLab(on)
	if err != nil {
		return &Result{Failure: err.Error()}
	}
	defer l.close()
	r := &Result{}
	if a := attackByID(attackID); a != nil {
		r.Attack = a
		r.Screen, r.Outcome = a.run(ctx, l)
	} else {
		r.Screen = l.visit(ctx)
	}
	r.Took = time.Since(begun).Round(time.Millisecond)
	l.describe(r)
	return r
}

// visit is a login, and what the switches add.
func (l *lab) visit(ctx context.Context) screen {
	shown := l.get(l.browser, l.app+"/photos")
	for _, s := range Switches {
		if s.then != nil && l.on[s.ID] && shown.Status == http.StatusOK {
			shown = s.then(ctx, l)
		}
	}
	return shown
}

// describe gives what the run left behind.
func (l *lab) describe(r *Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortStableFunc(l.arrows, func(a, b *arrow) int { return a.x.Time.Compare(b.x.Time) })
	for i, a := range l.arrows {
		r.Arrows = append(r.Arrows, a.show(i+1))
		r.Tokens = append(r.Tokens, tokensIn(a.x)...)
	}
	r.Tokens = slices.CompactFunc(r.Tokens, func(a, b Token) bool { return a.raw == b.raw })
	r.Logs = l.logs
	var report *idtoken.Report
	if l.tokens != nil {
		report = l.tokens.Report
	}
	var rejected *idtoken.Error
	if errors.As(l.reason, &rejected) {
		report = rejected.Report
		r.Step = fmt.Sprintf("Step %d of 14: %s", rejected.Step.Number, rejected.Step.Test)
	}
	var at *client.Error
	if r.Step == "" && errors.As(l.reason, &at) {
		r.Step = fmt.Sprintf("Step %q of the login", at.Step)
	}
	if report != nil {
		r.Steps = stepsOf(report)
	}
}

// Arrow is an arrow to be shown.
type Arrow struct {
	Number             int
	From, To           string
	Left, Right        int // columns of the diagram, from 1
	Back               bool
	Title              string
	Request, Response  []string
	Parameters         []Parameter
	Status             int
	RequestBody, Reply string
}

// Parameter is one of a request or a response, with what it is for.
type Parameter struct{ Name, Value, Text, Clause string }

func (a *arrow) show(number int) Arrow {
	u, err := url.Parse(a.x.URL)
	if err != nil {
		u = &url.URL{}
	}
	out := Arrow{
		Number: number, From: laneNames[a.From], To: laneNames[a.To], Left: min(a.From, a.To) + 1, Right: max(a.From, a.To) + 1, Back: a.From > a.To,
		Title: title(a, u), Status: a.x.Status, RequestBody: string(a.x.Body), Reply: cut(string(a.x.AnswerBody)),
		Request:  append([]string{a.x.Method + " " + u.RequestURI(), "Host: " + u.Host}, fields(a.x.Header)...),
		Response: append([]string{fmt.Sprintf("%d %s", a.x.Status, http.StatusText(a.x.Status))}, fields(a.x.Answer)...),
	}
	out.Parameters = parameters(a.x, u)
	return out
}

func cut(s string) string {
	if len(s) > 6000 {
		return s[:6000] + "…"
	}
	return s
}

func fields(h http.Header) (lines []string) {
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

var titles = map[string]string{
	"/authorize": "Authorization request", "/par": "Pushed authorization request", "/token": "Token request", "/jwks": "Key set",
	"/.well-known/openid-configuration": "Metadata", "/introspect": "Introspection", "/revoke": "Revocation", "/userinfo": "UserInfo",
	"/device": "Device authorization", "/activate": "The person allows the device", "/callback": "Authorization response",
	"/backchannel-logout": "Back-channel logout", "/photos": "A page with photos", "/delete": "Delete a photo", "/login": "Sign in", "/logout": "Sign out",
}

func title(a *arrow, u *url.URL) string {
	name := cmp.Or(titles[u.Path], u.Path)
	switch {
	case a.To == laneAPI:
		return "Call with the access token"
	case a.To == laneApp && u.Path == "/device":
		return "Sign in a device"
	case a.To == laneApp && u.Path == "/revoke":
		return "Ask to revoke the tokens"
	case u.Path == "/token":
		form, _ := url.ParseQuery(string(a.x.Body))
		parts := strings.Split(form.Get("grant_type"), ":")
		return name + ": " + parts[len(parts)-1]
	}
	return name
}

// parameters are those of the query, the form, and the JSON of the response, once each.
func parameters(x *wire.Exchange, u *url.URL) (all []Parameter) {
	seen := map[string]bool{}
	add := func(name, value string) {
		if e, ok := explanations[name]; ok && !seen[name] {
			seen[name] = true
			all = append(all, Parameter{name, value, e.text, e.clause})
		}
	}
	sources := []string{u.RawQuery, string(x.Body)}
	if to, err := url.Parse(x.Answer.Get("Location")); err == nil {
		sources = append(sources, to.RawQuery)
	}
	for _, raw := range sources {
		values, _ := url.ParseQuery(raw)
		for _, name := range sortedNames(values) {
			add(name, values.Get(name))
		}
	}
	if x.Header.Get("DPoP") != "" {
		add("DPoP", x.Header.Get("DPoP"))
	}
	if x.Header.Get("Authorization") != "" {
		add("Authorization", x.Header.Get("Authorization"))
	}
	if s := x.Answer.Get("WWW-Authenticate"); s != "" {
		add("WWW-Authenticate", s)
	}
	var members map[string]any
	if json.Unmarshal(x.AnswerBody, &members) == nil && !strings.Contains(u.Path, ".well-known") {
		for _, name := range sortedNames(members) {
			add(name, fmt.Sprint(members[name]))
		}
	}
	return all
}

func sortedNames[V any](m map[string]V) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Token is a JWT, decoded.
type Token struct {
	Name   string
	Header []Claim
	Claims []Claim
	raw    string
}

// Claim is a member of a header or of the claims. Steps are the checks that read it.
type Claim struct{ Name, Value, Steps string }

func tokensIn(x *wire.Exchange) (found []Token) {
	var members map[string]any
	_ = json.Unmarshal(x.AnswerBody, &members)
	for _, name := range []string{"id_token", "access_token"} {
		raw, _ := members[name].(string)
		parts := strings.Split(raw, ".")
		switch {
		case len(parts) == 3:
			found = append(found, Token{name, claimsOf(parts[0]), claimsOf(parts[1]), raw})
		case len(parts) == 5:
			found = append(found, Token{name + ", encrypted: only its header can be read", claimsOf(parts[0]), nil, raw})
		}
	}
	form, _ := url.ParseQuery(string(x.Body))
	if parts := strings.Split(form.Get("logout_token"), "."); len(parts) == 3 {
		found = append(found, Token{"logout_token", claimsOf(parts[0]), claimsOf(parts[1]), form.Get("logout_token")})
	}
	return found
}

func claimsOf(part string) (all []Claim) {
	data, _ := base64.RawURLEncoding.DecodeString(part)
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	for _, name := range sortedNames(members) {
		all = append(all, Claim{name, string(members[name]), claimSteps[name]})
	}
	return all
}

// Step is one of the 14 steps. Claims are those that it reads.
type Step struct {
	Number               int
	Test, Result, Reason string
}

func stepsOf(report *idtoken.Report) (all []Step) {
	for _, s := range report.Steps {
		reason := s.Reason
		if s.Err != nil {
			reason = s.Err.Error()
		}
		all = append(all, Step{s.Number, s.Test, fmt.Sprint(s.Result), reason})
	}
	return all
}

var claimSteps = map[string]string{
	"typ": "1", "iss": "2", "sub": "2", "aud": "3 4", "azp": "4 5", "alg": "1 7", "kid": "6 8", "exp": "9", "iat": "10", "nbf": "10",
	"nonce": "11", "acr": "12", "auth_time": "13", "at_hash": "14", "c_hash": "14",
}
