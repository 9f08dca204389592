package interop

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/idtoken"
)

var parModes = []struct {
	name string
	mode client.PARMode
}{
	{"par-auto", client.PARAuto}, {"par-required", client.PARRequired}, {"par-off", client.PAROff},
}

// TestPath makes the whole path, from a visitor's request to the app to the response of an API,
// in every combination.
func TestPath(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		for clientID := range auths {
			for _, push := range parModes {
				if push.mode == client.PARRequired && !pushes(s.metadata) {
					continue
				}
				for _, kind := range s.tokens {
					t.Run(clientID+"/"+push.name+"/"+kind.name, func(t *testing.T) {
						s.show(t, shownBy(clientID, push.mode, kind)...)
						config := s.config(clientID)
						config.PAR = push.mode
						walk(t, s, config, kind)
					})
				}
			}
		}
	})
}

// shownBy are the features that a whole path shows.
func shownBy(clientID string, push client.PARMode, kind tokenKind) []*feature {
	out := []*feature{challengeS256, responseIssuer, refreshing}
	out = append(out, map[string]*feature{"basic": secretBasic, "post": secretPost, "public": publicClient}[clientID])
	if push != client.PAROff {
		out = append(out, pushedRequest)
	}
	if !kind.apiOnly {
		out = append(out, userInfo)
	}
	return append(out, kind.shows)
}

// show records the features that a test shows, and those that the server lacks.
func (s *server) show(t *testing.T, shown ...*feature) {
	t.Helper()
	for _, f := range shown {
		if f.offers(s) {
			note(t, s, f)
		} else {
			f.end(s.name, absent)
		}
	}
}

// eachPushing runs f with every server that has an endpoint for pushed requests.
func eachPushing(t *testing.T, f func(*testing.T, *server)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) {
		if pushes(s.metadata) {
			f(t, s)
		}
	})
}

// TestOpaque makes the path with a client of hydra that gets opaque access tokens, its default.
func TestOpaque(t *testing.T) {
	withServer(t, hydra, func(t *testing.T, s *server) {
		note(t, s, introspected)
		walk(t, s, s.config("opaque"), s.tokens[1])
	})
}

// TestPARClient makes the path with a client whose registration requires pushed requests.
func TestPARClient(t *testing.T) {
	eachPushing(t, func(t *testing.T, s *server) {
		walk(t, s, s.config("par"), s.tokens[0])
	})
}

// walk makes a login and calls the API, refreshes the tokens, and calls the API again.
func walk(t *testing.T, s *server, config client.Config, kind tokenKind) {
	t.Helper()
	api := newAPI(t, kind.verifier(s)) + "/photos"
	a := newApp(t, config, kind, api)
	v := newVisitor(t, a)
	answer, err := v.visit(appURL)
	if err != nil || a.err != nil {
		t.Fatalf("the visitor gets no answer: %v, %v", err, a.err)
	}
	checkRedirect(t, a.redirect, config.PAR != client.PAROff && pushes(s.metadata))
	checkCallback(t, s, a)
	checkReport(t, a.tokens.Report)
	checkUserInfo(t, a, kind)
	checkCaller(t, s, config.ClientID, a, answer.status, answer.body)
	checkRefresh(t, s, config.ClientID, a)
	works(t, "the visitor %s; the API knows user, client and scope; and again after a refresh", strings.Join(v.seen, " and "))
}

// works logs what a test has shown, in a fixed format that can be searched for.
func works(t *testing.T, format string, args ...any) {
	t.Helper()
	if !t.Failed() {
		t.Logf("works: %s: %s", strings.TrimPrefix(t.Name(), "Test"), fmt.Sprintf(format, args...))
	}
}

// checkRedirect checks the parameters in the browser's address. A pushed request has only
// client_id and request_uri.
func checkRedirect(t *testing.T, redirect string, pushed bool) {
	t.Helper()
	u, err := url.Parse(redirect)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if pushed {
		if len(q) != 2 || !q.Has("client_id") || !q.Has("request_uri") {
			t.Errorf("the browser carries %v, not client_id and request_uri alone", q)
		}
		return
	}
	if q.Get("code_challenge_method") != "S256" || !q.Has("code_challenge") || !q.Has("state") || !q.Has("nonce") {
		t.Errorf("the browser carries %v", q)
	}
}

func checkCallback(t *testing.T, s *server, a *app) {
	t.Helper()
	if a.callback.Get("iss") != s.iss() || a.callback.Get("state") != a.pending.State {
		t.Errorf("callback has iss %q, state %q; want %q, %q",
			a.callback.Get("iss"), a.callback.Get("state"), s.iss(), a.pending.State)
	}
}

// iss is the parameter of authorization responses; "" for a server that does not send it.
func (s *server) iss() string {
	if responseIssuer.offers(s) {
		return s.issuer
	}
	return ""
}

// checkReport: the report must have 14 steps, and the steps that a code flow with these servers
// allows must be valid.
func checkReport(t *testing.T, r *idtoken.Report) {
	t.Helper()
	if len(r.Steps) != 14 || r.Err() != nil {
		t.Errorf("report:\n%v", r)
	}
	for _, step := range r.Steps {
		if slices.Contains([]int{2, 3, 6, 7, 9, 10, 11}, step.Number) && step.Result != idtoken.Valid {
			t.Errorf("step %d, %s: %v (%s)", step.Number, step.Test, step.Result, step.Reason)
		}
	}
}

// checkUserInfo: the response has the user's address, or the server rejects a token for the API.
func checkUserInfo(t *testing.T, a *app, kind tokenKind) {
	t.Helper()
	if kind.apiOnly {
		var e *client.Error
		if !errors.As(a.infoErr, &e) || e.Step != client.StepUserInfo {
			t.Errorf("UserInfo = %v, %v; want a refusal", a.info, a.infoErr)
		}
		works(t, "a token for the API alone: %v", a.infoErr)
		return
	}
	if a.infoErr != nil {
		t.Fatal(a.infoErr)
	}
	var claims struct {
		Email string `json:"email"`
	}
	if err := a.info.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if a.info.Subject != a.tokens.IDToken.Subject || claims.Email != user+"@example.com" {
		t.Errorf("UserInfo is of %q (%s), the ID token of %q", a.info.Subject, claims.Email, a.tokens.IDToken.Subject)
	}
	works(t, "UserInfo is about the user of the ID token")
}

// checkCaller: the API must get user, client and scope.
func checkCaller(t *testing.T, s *server, clientID string, a *app, status int, body []byte) {
	t.Helper()
	var got caller
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		t.Fatalf("the API answers %d %s", status, body)
	}
	if got.Issuer != s.issuer || got.User != a.tokens.IDToken.Subject || got.Client != clientID {
		t.Errorf("the API knows %+v; want user %s of client %s at %s", got, a.tokens.IDToken.Subject, clientID, s.issuer)
	}
	if !slices.Contains(got.Scopes, "photos.read") || slices.Contains(got.Scopes, "photos.write") {
		t.Errorf("the API knows scopes %q; photos.read was asked for, photos.write was not", got.Scopes)
	}
}

// checkRefresh refreshes the tokens. The new ones must differ and be accepted.
func checkRefresh(t *testing.T, s *server, clientID string, a *app) {
	t.Helper()
	old := a.tokens
	fresh, err := a.client.Refresh(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	a.tokens = fresh
	if fresh.AccessToken == old.AccessToken || fresh.RefreshToken == "" || fresh.IDToken.Subject != old.IDToken.Subject {
		t.Errorf("refreshed: %v, from %v", fresh, old)
	}
	resp, err := call(t.Context(), a.api, fresh.AccessToken)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	checkCaller(t, s, clientID, a, resp.StatusCode, body)
}
