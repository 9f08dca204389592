package internal_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// call is a request to an API: its Verifier, and what the request has as Authorization.
type call func(d *firstDay) (tokens rs.Verifier, authorization string)

// introspected is a call to an API whose server responds to introspection with this status and
// body.
func introspected(status int, body string, edit func(*rs.Introspection)) call {
	return func(d *firstDay) (rs.Verifier, string) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if strings.HasPrefix(body, "{") {
				w.Header().Set("Content-Type", "application/json")
			}
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}))
		d.t.Cleanup(server.Close)
		i := &rs.Introspection{
			Issuer: d.issuer.URL, URL: server.URL + "/introspect", Audience: issuertest.Audience,
			Auth: auth.SecretBasic("canary-secret").For("api", d.issuer.URL),
		}
		edit(i)
		return i, "Bearer canary-opaque"
	}
}

// sent is a call with a good token, which the client sends in its own way.
func sent(header func(token string) string) call {
	return func(d *firstDay) (rs.Verifier, string) { return d.api, header(d.accessToken("photos.read")) }
}

// changed is a call with a good token after a change.
func changed(change func(d *firstDay)) call {
	return func(d *firstDay) (rs.Verifier, string) {
		change(d)
		return d.api, "Bearer " + d.accessToken("photos.read")
	}
}

func unchanged(*rs.Introspection) {}

// callMistake is a mistake of an API or of its caller. ready is what Ready says, "" for nothing.
type callMistake struct {
	name   string
	do     call
	status int
	says   string
	ready  string
}

var calls = []callMistake{
	{"wrong secret of the API", introspected(401, `{"error":"invalid_client"}`, unchanged), 503, "check Introspection.Auth", ""},
	{"wrong secret of the API, at Keycloak", introspected(400, `{"error":"unauthorized_client"}`, unchanged), 503, "check Introspection.Auth", ""},
	{"wrong secret of the API, a page", introspected(401, "<html>", unchanged), 503, "check Introspection.Auth", ""},
	{"API that may not introspect", introspected(403, `{"error":"access_denied"}`, unchanged), 503, "the permissions of its client", ""},
	{"wrong introspection endpoint", introspected(404, "<html>", unchanged), 503, "correct Introspection.URL", ""},
	{"a page for introspection", introspected(200, "<html>", unchanged), 503, "check that Introspection.URL is", ""},
	{"introspection endpoint that moved", introspected(302, "", unchanged), 503, "redirects are not followed", ""},
	{"introspection that says nothing", introspected(200, "{}", unchanged), 503, "active is missing", ""},
	{"introspection without an audience", introspected(200, `{"active":true,"sub":"alice","token_type":"Bearer"}`, unchanged), 401, "aud is missing, expected", ""},
	{"API without an audience", introspected(200, `{"active":true,"sub":"alice","token_type":"Bearer","aud":"x"}`, func(i *rs.Introspection) { i.Audience = "" }), 401, "set Introspection.Audience", ""},
	{"introspection without an issuer", introspected(200, "{}", func(i *rs.Introspection) { i.Issuer = "" }), 503, "Introspection.Issuer is empty", "Introspection.Issuer is empty"},
	{"introspection by http", introspected(200, "{}", func(i *rs.Introspection) { i.URL = "http://as.example/introspect" }), 503, "Introspection.URL is not an https URL", "Introspection.URL is not an https URL"},
	{"introspection with a line end", introspected(200, "{}", func(i *rs.Introspection) { i.Audience += "\n" }), 503, "Introspection.Audience", "white space"},
	{"audience with a space", changed(func(d *firstDay) { d.api.Audience += " " }), 503, "begins or ends with white space", "JWT.Audience"},
	{"audience with a slash", changed(func(d *firstDay) { d.api.Audience += "/" }), 401, `expected \"https://api.example/\"`, ""},
	{"issuer of keys with a slash", changed(func(d *firstDay) {
		d.api.Keys = (&discovery.Provider{Issuer: d.issuer.URL + "/", HTTP: d.issuer.Client()}).Keys()
	}), 503, "the metadata is of issuer", "the metadata is of issuer"},
	{"keys behind a private certificate", changed(func(d *firstDay) { d.api.Keys = (&discovery.Provider{Issuer: d.issuer.URL}).Keys() }), 503, "unknown authority", "unknown authority"},
	{"keys of another server", changed(func(d *firstDay) {
		other := issuertest.New(d.t, issuertest.Config{})
		d.api.Keys = (&discovery.Provider{Issuer: other.URL, HTTP: other.Client()}).Keys()
	}), 401, "the key set has no key with the token's kid", ""},
	{"clock 45 seconds behind", changed(func(d *firstDay) { d.issuer.Advance(45 * time.Second) }), 401, "the local clock is behind", ""},
	{"clock three years ahead", changed(func(d *firstDay) { d.issuer.Advance(-3 * 365 * 24 * time.Hour) }), 401, "the local clock is ahead by 3 years", ""},
	{"clock thirty years behind", changed(func(d *firstDay) { d.issuer.Advance(30*365*24*time.Hour + time.Hour) }), 401, "the clocks differ: the local clock is 30 years behind", ""},
	{"no token", sent(func(string) string { return "" }), 401, "an access token is required", ""},
	{"a password", sent(func(string) string { return "Basic Y2FuYXJ5OmNhbmFyeQ==" }), 401, "does not begin with Bearer", ""},
	{"the token without its scheme", sent(func(token string) string { return token }), 401, "does not begin with Bearer", ""},
	{"a colon after the scheme", sent(func(token string) string { return "Bearer: " + token }), 401, "does not begin with Bearer", ""},
	{"the token in quotes", sent(func(token string) string { return `Bearer "` + token + `"` }), 400, "without quotes", ""},
	{"the scheme twice", sent(func(token string) string { return "Bearer Bearer " + token }), 400, "expected the scheme once", ""},
	{"the scheme without a token", sent(func(string) string { return "Bearer " }), 400, "a space and the token", ""},
	{"a variable without a value", sent(func(string) string { return "Bearer undefined" }), 401, "use Introspection", ""},
	{"an opaque token", sent(func(string) string { return "Bearer canary-opaque" }), 401, "use Introspection", ""},
	{"a token that was cut", sent(func(token string) string { return "Bearer " + token[:len(token)-10] }), 401, "the token was changed", ""},
	{"a scope in another case", func(d *firstDay) (rs.Verifier, string) { return d.api, "Bearer " + d.accessToken("photos.Read") }, 403, "required photos.read, granted photos.Read", ""},
	{"a cache of nothing", func(d *firstDay) (rs.Verifier, string) {
		d.api.Audience = ""
		return &rs.Cache{Tokens: d.api}, "Bearer a.b.c"
	}, 503, "JWT.Audience is empty", "JWT.Audience is empty"},
}

// TestMistakesOfCalls: what only the API's operator can fix is an ERROR and status 503, and what
// the caller can fix is INFO. The text names the setting or what to send.
func TestMistakesOfCalls(t *testing.T) {
	for _, m := range slices.Concat(calls, moreCalls) {
		t.Run(m.name, func(t *testing.T) {
			d := newFirstDay(t)
			tokens, authorization := m.do(d)
			p := &rs.Protection{Tokens: tokens, Logger: d.logger()}
			r := httptest.NewRequest("GET", "/photos", nil)
			if authorization != "" {
				r.Header.Set("Authorization", authorization)
			}
			w := httptest.NewRecorder()
			p.Handler(d.guard(http.NotFoundHandler())).ServeHTTP(w, r)
			// Without an audience, a token with aud may also be for another API.
			level := map[bool]string{true: "ERROR", false: "INFO"}[m.status >= 500 || m.name == "API without an audience"]
			if log := d.log.String(); w.Code != m.status || strings.Count(log, "\n") != 1 || !strings.Contains(log, "level="+level) || !strings.Contains(strings.ToLower(log), strings.ToLower(m.says)) {
				t.Errorf("status %d, expected %d, %s and %q: %s", w.Code, m.status, level, m.says, log)
			}
			if !isExplained(t, d.log.String()) {
				t.Errorf("docs/troubleshooting.md has no text of %s", &d.log)
			}
			if strings.Contains(d.log.String()+w.Body.String(), "canary") {
				t.Errorf("a secret is in the log or in the response: %s%s", &d.log, w.Body)
			}
			if err := p.Ready(t.Context()); (err == nil) != (m.ready == "") || err != nil && !strings.Contains(err.Error(), m.ready) {
				t.Errorf("Ready: %v, expected %q", err, m.ready)
			}
		})
	}
}

// TestMistakeOfJSONKey: json.Marshal reports that it would lose a key.
func TestMistakeOfJSONKey(t *testing.T) {
	key := auth.SigningKey{KeyID: "canary"}
	for _, v := range []any{key, &key, []auth.SigningKey{key}, struct{ Key auth.SigningKey }{key}} {
		if out, err := json.Marshal(v); err == nil || !strings.Contains(err.Error(), "SigningKey.Encode") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s, %v", out, err)
		}
	}
}
