package playground

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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
	Outcome string // of an attack: by what it was rejected
	Step    string // where
	Would   string // what a library without the check would have done in this run
	Logs    []string
	Arrows  []Arrow
	Tokens  []Token
	Steps   []Step
	Rows    []Step // of the API's list for the access token
	Note    string // why there is no list
	Took    time.Duration
}

// Run runs a login and what the switches add to it, or an attack on it. It sets in on what the
// attack needs.
func Run(ctx context.Context, on map[string]bool, attackID string) *Result {
	begun, attack := time.Now(), attackByID(attackID)
	if attack != nil {
		maps.Copy(on, attack.Needs)
	}
	l, err := newLab(on)
	if err != nil {
		return &Result{Failure: err.Error()}
	}
	defer l.close()
	r := &Result{Attack: attack}
	if attack == nil {
		r.Screen = l.visit(ctx)
	} else {
		r.Screen, r.Outcome = attack.run(ctx, l)
		l.set(func() { l.quiet = true })
		if attack.would != nil && !r.Bad() {
			r.Would = attack.would(ctx, l)
		}
	}
	r.Took = time.Since(begun).Round(time.Millisecond)
	r.Rows, r.Note = l.apiChecks(ctx)
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

// describe returns what the page shows of the run.
func (l *lab) describe(r *Result) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.SortStableFunc(l.arrows, func(a, b *arrow) int { return a.x.Time.Compare(b.x.Time) })
	for i, a := range l.arrows {
		r.Arrows = append(r.Arrows, a.show(i+1))
		r.Tokens = append(r.Tokens, tokensIn(a.x)...)
	}
	r.Tokens = slices.CompactFunc(r.Tokens, func(a, b Token) bool { return a.raw == b.raw })
	r.Logs = shortened(l.logs)
	var report *idtoken.Report
	if l.tokens != nil {
		report = l.tokens.Report
	}
	var rejected *idtoken.Error
	if errors.As(l.reason, &rejected) {
		report = rejected.Report
	}
	if r.Attack != nil {
		r.Step = step(l.reason, l.logs)
	}
	if report != nil {
		r.Steps = stepsOf(report)
	}
}

// step returns the check that rejected a run, from the reason of the application or from the log.
func step(reason error, logs []string) string {
	var token *idtoken.Error
	var login *client.Error
	switch {
	case errors.As(reason, &token):
		return fmt.Sprintf("Step %d of 14 of the ID token: %s", token.Step.Number, token.Step.Test)
	case errors.As(reason, &login):
		return fmt.Sprintf("The %s of the login: %s", login.Step, cmp.Or(lastReason(logs), login.Error()))
	}
	return lastReason(logs)
}

var (
	logReason  = regexp.MustCompile(`reason=("(?:[^"\\]|\\.)*"|\S+)`)
	logMessage = regexp.MustCompile(`msg=("(?:[^"\\]|\\.)*"|\S+)`)
)

// lastReason is the reason of the last log line, or its message.
func lastReason(logs []string) string {
	if len(logs) == 0 {
		return ""
	}
	for _, attribute := range []*regexp.Regexp{logReason, logMessage} {
		if found := attribute.FindStringSubmatch(logs[len(logs)-1]); found != nil {
			if s, err := strconv.Unquote(found[1]); err == nil {
				return s
			}
			return found[1]
		}
	}
	return ""
}

// shortened drops log lines that differ from the one before in their time and id only.
func shortened(logs []string) (kept []string) {
	repeated, last := 0, ""
	end := func() {
		if repeated > 0 {
			kept = append(kept, fmt.Sprintf("… and %d more lines like this one\n", repeated))
		}
		repeated = 0
	}
	for _, line := range logs {
		if same := logVaries.ReplaceAllString(line, ""); same == last {
			repeated++
		} else {
			end()
			kept, last = append(kept, line), same
		}
	}
	end()
	return kept
}

var logVaries = regexp.MustCompile(`(time|id)=\S+`)

// Arrow is an arrow to be shown.
type Arrow struct {
	Number             int
	From, To           string
	Left, Right        int // columns of the diagram, from 1
	Middle             int // their sum
	Back               bool
	Title              string
	Request, Response  []string
	Groups             []Group
	Status             int
	RequestBody, Reply string
}

func (a *arrow) show(number int) Arrow {
	u, err := url.Parse(a.x.URL)
	if err != nil {
		u = &url.URL{}
	}
	out := Arrow{
		Number: number, From: laneNames[a.From], To: laneNames[a.To], Left: min(a.From, a.To) + 1, Right: max(a.From, a.To) + 1, Middle: a.From + a.To + 2, Back: a.From > a.To,
		Title: title(a, u), Status: a.x.Status, RequestBody: string(a.x.Body), Reply: cut(string(a.x.AnswerBody)),
		Request:  append([]string{a.x.Method + " " + u.RequestURI(), "Host: " + u.Host}, fields(a.x.Header)...),
		Response: append([]string{fmt.Sprintf("%d %s", a.x.Status, http.StatusText(a.x.Status))}, fields(a.x.Answer)...),
	}
	if a.x.Status == 0 {
		out.Response = []string{"no response"}
	}
	out.Groups = groups(a, u)
	return out
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
	"/device": "Device authorization", "/activate": "The user allows the device", "/callback": "Authorization response",
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
