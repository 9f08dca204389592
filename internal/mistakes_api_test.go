package internal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// calling makes a change, and calls the API with a valid token.
func calling(change func(d *firstDay)) func(*firstDay) (int, string) {
	return func(d *firstDay) (int, string) { change(d); return d.call(d.accessToken("photos.read")) }
}

// apiMistakes are mistakes of APIs and of their callers.
func apiMistakes() []mistake {
	return []mistake{
		{"API whose server is down", func(d *firstDay) (int, string) {
			token := d.accessToken("photos.read")
			d.issuer.Close()
			return d.call(token)
		}, "ERROR", "connection refused", []string{"path=/photos", "start the server", "Issuer"}, 503, "", false},
		{"API without an audience", calling(func(d *firstDay) { d.api.Audience = "" }),
			"ERROR", "JWT.Audience is empty", []string{"the server's name for this API"}, 503, "", false},
		{"API without an issuer", calling(func(d *firstDay) { d.api.Issuer = "" }),
			"ERROR", "JWT.Issuer is empty", []string{"method=GET", "path=/photos"}, 503, "", false},
		{"API with another audience", calling(func(d *firstDay) { d.api.Audience = "https://photos.example" }),
			"INFO", "aud is …, expected …", []string{"audience mapper", "JWT.Audience", "method=GET", "path=/photos"}, 401, "invalid_token", false},
		{"API of another issuer", calling(func(d *firstDay) { d.api.Issuer += "/" }),
			"INFO", "iss is …, expected …", []string{"JWT.Issuer"}, 401, "invalid_token", false},
		{"ID token at an API", func(d *firstDay) (int, string) { return d.call(d.issuer.IDToken(issuertest.IDToken{})) },
			"INFO", "this may be an ID token", []string{"send the access token"}, 401, "invalid_token", false},
		{"ID token of a login at an API", func(d *firstDay) (int, string) {
			return d.call(d.issuer.IDToken(issuertest.IDToken{Nonce: "canary-nonce", AccessToken: "canary-token"}))
		}, "INFO", "this is an ID token", []string{"send the access token"}, 401, "invalid_token", false},
		{"ID token at an API that accepts its typ", func(d *firstDay) (int, string) {
			d.api.Typ = "JWT"
			return d.call(d.issuer.IDToken(issuertest.IDToken{Nonce: "canary-nonce"}))
		}, "INFO", "this is an ID token", []string{"send the access token"}, 401, "invalid_token", false},
		{"access token of a server that does not follow RFC 9068", func(d *firstDay) (int, string) {
			return d.call(d.issuer.SignJWT(map[string]any{"scope": "photos.read", "client_id": "web"}, nil))
		}, "INFO", "set JWT.Typ to the typ of the server's access tokens", []string{"JWT.Claims", "preset"}, 401, "invalid_token", false},
		{"development server was started again", calling(func(d *firstDay) { d.issuer.Inject(issuertest.AccessTokenKeySwapped) }),
			"INFO", "the signature does not verify", []string{"JWKS"}, 401, "invalid_token", false},
		{"the API's clock is behind", calling(func(d *firstDay) { d.issuer.Advance(10 * time.Minute) }),
			"INFO", "the clocks differ", []string{"ahead of the local clock", "JWT.Skew"}, 401, "invalid_token", false},
		{"the API's clock is ahead", calling(func(d *firstDay) { d.issuer.Advance(-10 * time.Minute) }),
			"INFO", "the token expired at …", []string{"the local clock is ahead by 10m"}, 401, "invalid_token", false},
		{"missing scope", func(d *firstDay) (int, string) { return d.call(d.accessToken("photos.list")) },
			"INFO", "the access token lacks a scope: required …, granted …", []string{"client=", "subject=alice"}, 403, "required photos.read, granted photos.list", false},
		{"no scope at all", func(d *firstDay) (int, string) { return d.call(d.accessToken()) },
			"INFO", "the access token lacks a scope: required …, granted …", []string{"subject=alice"}, 403, "required photos.read, granted none", false},
		{"missing role", calling(func(d *firstDay) { d.guard = rs.RequireClaim([]string{"roles"}, "admin") }),
			"INFO", "the token has no claim …: configure the server to add it", nil, 403, "required roles with one of admin", false},
	}
}

// TestMistakesBeforeListening: Ready reports the missing settings of an API.
func TestMistakesBeforeListening(t *testing.T) {
	for field, change := range map[string]func(d *firstDay){
		"":                  func(*firstDay) {},
		"JWT.Audience":      func(d *firstDay) { d.api.Audience = "" },
		"JWT.Issuer":        func(d *firstDay) { d.api.Issuer = "" },
		"JWT.Keys":          func(d *firstDay) { d.api.Keys = nil },
		"Protection.Tokens": func(d *firstDay) { d.api = nil },
	} {
		d := newFirstDay(t)
		change(d)
		p := &rs.Protection{}
		if d.api != nil {
			p.Tokens = d.api
		}
		if err := p.Ready(t.Context()); (err == nil) != (field == "") || err != nil && !strings.Contains(err.Error(), field) {
			t.Errorf("Ready without %s: %v", field, err)
		}
	}
}
