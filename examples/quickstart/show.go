package main

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/examples/internal/page"
)

// kept is what the session keeps for the page.
type kept struct {
	Path   []step
	Report []row
}

// photos is the first and the last page of the path. Visitors who are signed in see their photos.
// Require sends other visitors to sign in.
func (a *app) photos(w http.ResponseWriter, r *http.Request) {
	user, ok := login.FromContext(r.Context())
	var claims kept
	if !ok || user.Claims(&claims) != nil {
		a.login.Begin(w, r, login.BeginOptions{ReturnTo: r.URL.Path})
		return
	}
	call := step{page.App, fmt.Sprintf("The application calls %s/photos with the access token.", a.api)}
	a.tell(5, call)
	body, err := a.call(r, user)
	challenge := &tokens.ChallengeError{}
	refused := errors.As(err, &challenge)
	switch {
	case !refused && errors.Is(err, tokens.ErrLoginRequired):
		a.login.Begin(w, r, login.BeginOptions{ReturnTo: r.URL.Path})
	case !refused && err != nil:
		a.apiProblem(w, r, user, err)
	default:
		a.show(w, user, claims, call, newReply(body, err, challenge))
	}
}

// apiProblem reports a call without an answer as the login reports its problems: one id is in the
// log and on the page.
func (a *app) apiProblem(w http.ResponseWriter, r *http.Request, user *login.User, err error) {
	p := login.Problem{Status: http.StatusBadGateway, Code: login.CodeUnavailable, ID: rand.Text()[:12], Retry: r.URL.Path, Reason: err.Error()}
	a.log.ErrorContext(r.Context(), "the API does not respond", slog.String("id", p.ID), slog.Any("reason", err))
	problemPage.Write(w, p.Status, map[string]any{"User": user, "Problem": p, "Says": apiDown, "Again": again(p.Code), "Report": nil})
}

// reply is what the API answered.
type reply struct {
	text      string
	step      step
	challenge bool
}

func newReply(body []byte, err error, challenge *tokens.ChallengeError) reply {
	if err != nil {
		said := fmt.Sprintf("%d %s: %s", challenge.Status, challenge.Code, challenge.Description)
		return reply{said, step{page.API, fmt.Sprintf("The API's middleware rejects the token: %d %s.", challenge.Status, challenge.Code)}, true}
	}
	return reply{indent(body), step{page.API, describeAnswer(body)}, false}
}

// show writes the page with the answer of the API.
func (a *app) show(w http.ResponseWriter, user *login.User, claims kept, call step, said reply) {
	last := step{page.App, "The application shows what the API answered."}
	a.tell(6, said.step)
	a.tell(7, last)
	status := http.StatusOK
	if said.challenge {
		status = http.StatusBadGateway
	}
	photosPage.Write(w, status, map[string]any{
		"Name": cmp.Or(user.Claim("name"), user.Subject), "User": user, "Report": claims.Report, "Summary": summary(claims.Report),
		"Answer": said.text, "Challenge": said.challenge, "Audience": a.audience, "Scope": apiScope,
		"Path": append(slices.Clip(claims.Path), call, said.step, last),
	})
}

// summary counts the results, such as "9 valid, 5 not applicable".
func summary(report []row) string {
	var counts []string
	for _, result := range []string{"valid", "not applicable", "skipped", "failed", notChecked} {
		n := 0
		for _, r := range report {
			if r.Result == result {
				n++
			}
		}
		if n > 0 {
			counts = append(counts, fmt.Sprint(n, " ", result))
		}
	}
	return strings.Join(counts, ", ")
}

// call calls the API with the user's access token, which is sent to no other place.
func (a *app) call(r *http.Request, user *login.User) ([]byte, error) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, a.api+"/photos", nil)
	if err != nil {
		return nil, err
	}
	hc := &http.Client{Timeout: 10 * time.Second, Transport: &tokens.Transport{Client: a.client, Tokens: user, Origins: []string{a.api}}}
	resp, err := hc.Do(request)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the API answers %s", resp.Status)
	}
	return body, err
}

// describeAnswer returns what the API's middleware read from the token.
func describeAnswer(body []byte) string {
	var got answer
	if err := json.Unmarshal(body, &got); err != nil {
		return "The API's answer is not JSON."
	}
	return fmt.Sprintf("The API's middleware verified the token (%s) and put user %s, scope %q and client ID %s into the request's context.",
		got.Verified, got.User, got.Scope, got.ClientID)
}

func indent(body []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, body, "", "  ") != nil {
		return string(body)
	}
	return b.String()
}
