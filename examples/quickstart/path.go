package main

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// path is the path of one login, in seven steps, as far as it has come.
type path struct {
	lines []string
	say   func(step string)
}

func (a *app) path(lines []string) *path { return &path{slices.Clip(lines), a.say} }

func (p *path) add(step int, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	p.lines = append(p.lines, line)
	p.say(fmt.Sprintf("%d. %s", step, line))
}

// describeRequest tells which way the authorization request went.
func describeRequest(redirect, method string) string {
	u, err := url.Parse(redirect)
	if err != nil || !u.Query().Has("request_uri") {
		return "The server takes no pushed requests: the app redirects the browser with the request in the address (PKCE S256, state, nonce)."
	}
	return fmt.Sprintf("The app pushed the authorization request (client authentication %s, PKCE S256, state, nonce) and redirects the browser with client_id and request_uri.", method)
}

// describeCallback names what came back, and repeats nothing of it.
func describeCallback(q url.Values) string {
	did, came := "signed in and consented", []string{"code"}
	if q.Has("error") {
		did, came = "did not sign in", []string{"error"}
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
