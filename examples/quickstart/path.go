package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/idtoken"
)

// step is one of the seven steps of a login.
type step struct {
	Party page.Party // who acts
	Text  string
}

// Who is the party's name in the list.
func (s step) Who() string {
	return map[page.Party]string{page.App: "Application", page.Server: "Server", page.API: "API"}[s.Party]
}

// tell prints a step.
func (a *app) tell(number int, s step) { a.say(fmt.Sprintf("%d. %s", number, s.Text)) }

// narrate prints the first two steps when next sends the browser to the server.
func (a *app) narrate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		to, err := url.Parse(w.Header().Get("Location"))
		if err == nil && to.Query().Has("client_id") {
			a.tell(1, a.asked())
			a.tell(2, a.requested(to.Query().Has("request_uri")))
		}
	})
}

// path returns the four steps until the session begins.
func (a *app) path(ctx context.Context, subject string) ([]step, error) {
	server, err := a.client.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	q := callbackOf(ctx).query
	return []step{
		a.asked(), a.requested(server.PushedAuthorizationRequestEndpoint != ""), {page.Server, describeCallback(q)},
		{page.App, fmt.Sprintf("%s; the application exchanged the code with the code_verifier; the ID token of %s passed the 14 steps; UserInfo has the same sub.",
			describeChecks(q), subject)},
	}, nil
}

func (a *app) asked() step {
	return step{page.App, fmt.Sprintf("The visitor asks the print shop for photos, which are at the API %s.", a.api)}
}

// requested says how the authorization request was sent.
func (a *app) requested(pushed bool) step {
	if !pushed {
		return step{page.App, "The server accepts no pushed requests: the application redirects the browser with the request in the address (PKCE S256, state, nonce)."}
	}
	return step{page.App, fmt.Sprintf("The application pushed the authorization request (client authentication %s, PKCE S256, state, nonce) and redirects the browser with client_id and request_uri.", a.method)}
}

// callback is what the pages show about a callback: its parameters, and the report on an ID token
// that was rejected.
type callback struct {
	query  url.Values
	report *idtoken.Report
}

type callbackKey struct{}

// remember keeps the parameters of a callback for the description of the path.
func remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callbackKey{}, &callback{query: r.URL.Query()})))
	})
}

// callbackOf returns an empty callback for any other request.
func callbackOf(ctx context.Context) *callback {
	if c, ok := ctx.Value(callbackKey{}).(*callback); ok {
		return c
	}
	return &callback{}
}

// keepReport keeps the report on an ID token that was rejected. The login calls it before it
// calls ErrorPage.
func keepReport(ctx context.Context, _ login.Problem, reason error) {
	var rejected *idtoken.Error
	if errors.As(reason, &rejected) {
		callbackOf(ctx).report = rejected.Report
	}
}

// describeCallback names the parameters of a callback without their values.
func describeCallback(q url.Values) string {
	did, came := "signed in and consented", []string{"code"}
	if q.Has("error") {
		did, came = "did not sign in or did not consent", []string{"error"}
	}
	for _, name := range []string{"error_description", "iss"} {
		if q.Has(name) {
			came = append(came, name)
		}
	}
	return fmt.Sprintf("The visitor %s; the server redirects back with %s.", did, strings.Join(came, " and "))
}

// describeChecks says what was compared; not every server sends iss.
func describeChecks(q url.Values) string {
	if q.Has("iss") {
		return "State and iss are right"
	}
	return "State is right (the server sends no iss)"
}
