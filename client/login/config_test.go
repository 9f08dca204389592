package login_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
)

func newClient(t testing.TB, issuer, redirect string, edit func(*client.Config)) *client.Client {
	t.Helper()
	cfg := client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Public(), RedirectURL: redirect}
	if edit != nil {
		edit(&cfg)
	}
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNewRefuses: New reports all faults of a configuration at once.
func TestNewRefuses(t *testing.T) {
	const a, b = "https://a.example", "https://b.example"
	good := newClient(t, a, "https://app.example/callback", nil)
	idTokenAlone := newClient(t, a, "https://app.example/cb", func(c *client.Config) { c.ResponseType, c.ResponseMode = client.ResponseIDToken, "form_post" })
	signIn := func(context.Context, *login.User, *client.Tokens, url.Values) error { return nil }
	one := func(c *client.Client) map[string]*client.Client { return map[string]*client.Client{"main": c} }
	for _, test := range []struct {
		name   string
		config login.Config
		want   []string // "": New accepts it
	}{
		{"the least", login.Config{Clients: one(good)}, nil},
		{"nothing", login.Config{}, []string{"Clients is empty"}},
		{"nil client", login.Config{Clients: one(nil)}, []string{`Clients["main"] is nil`}},
		{"a name with a slash", login.Config{Clients: map[string]*client.Client{"a/b": good}}, []string{`the name is "a/b"`}},
		{"short key", login.Config{Clients: one(good), Keys: [][]byte{key("a"), []byte("canary short")}}, []string{"key 2 of Config.Keys has 12 bytes, expected 32: make one with `openssl rand -base64 32`"}},
		{"no key of an empty list", login.Config{Clients: one(good), Keys: [][]byte{}}, []string{"Keys has 0 keys"}},
		{"negative times", login.Config{Clients: one(good), Idle: -1, Lifetime: -1}, []string{"expected 0 or more"}},
		{"a Lifetime shorter than the usual Idle", login.Config{Clients: one(good), Lifetime: 30 * time.Minute}, nil},
		{"idle over lifetime", login.Config{Clients: one(good), Idle: 13 * time.Hour}, []string{"expected at most Lifetime"}},
		{"paths elsewhere", login.Config{Clients: one(good), HomePath: "//evil.example", StartPath: "login"}, []string{"HomePath", "StartPath"}},
		{"cookie name", login.Config{Clients: one(good), CookieName: "a=b"}, []string{"CookieName"}},
		{"no web site", login.Config{Clients: one(newClient(t, a, "com.example.app:/cb", nil))}, []string{"expected an https URL"}},
		{"no RedirectURL", login.Config{Clients: one(newClient(t, a, "", nil))}, []string{"expected an https URL"}},
		{"http", login.Config{Clients: one(newClient(t, a, "http://127.0.0.1/cb", nil))}, []string{"InsecureHTTP is false"}},
		{"http for development", login.Config{Clients: one(newClient(t, a, "http://127.0.0.1/cb", nil)), InsecureHTTP: true}, nil},
		{"InsecureHTTP on a site", login.Config{Clients: one(good), InsecureHTTP: true}, []string{"set InsecureHTTP to false"}},
		{"fragment", login.Config{Clients: one(newClient(t, a, "https://app.example/cb", func(c *client.Config) { c.ResponseType = client.ResponseCodeIDToken }))}, []string{"fragment"}},
		{"RP-23", login.Config{SignInPath: "/choose", Clients: map[string]*client.Client{
			"a": good, "b": newClient(t, b, "https://app.example/callback", nil),
		}}, []string{"client web at https://a.example", "client web at https://b.example", "RequireIss"}},
		{"RP-23 kept", login.Config{SignInPath: "/choose", Clients: map[string]*client.Client{
			"a": good, "b": newClient(t, b, "https://app.example/callback/b", nil),
		}}, nil},
		{"no ID token and nothing in its place", login.Config{Clients: one(newClient(t, a, "https://app.example/cb", func(c *client.Config) { c.Scopes = []string{"read:user"} }))}, []string{"Clients[\"main\"] does not request an ID token", `its Scopes are ["read:user"]`, "SignIn"}},
		{"no ID token, but SignIn", login.Config{SignIn: signIn, Clients: one(newClient(t, a, "https://app.example/cb", func(c *client.Config) { c.Scopes = []string{"read:user"} }))}, nil},
		{"openid of Request", login.Config{Request: client.Request{Scopes: []string{"openid"}}, Clients: one(newClient(t, a, "https://app.example/cb", func(c *client.Config) { c.Scopes = []string{} }))}, nil},
		{"UserInfo without an access token", login.Config{UserInfo: true, Clients: one(idTokenAlone)}, []string{"UserInfo is true"}},
		{"KeepTokens without an access token", login.Config{KeepTokens: true, Clients: one(idTokenAlone)}, []string{"KeepTokens is true"}},
		{"an ID token alone", login.Config{Clients: one(idTokenAlone)}, nil},
		{"MaxCalls", login.Config{MaxCalls: -1, Clients: one(good)}, []string{"MaxCalls"}},
		{"BasePath that RedirectURL is not under", login.Config{BasePath: "/app", Clients: one(good)}, []string{"BasePath", "RedirectURL"}},
		{"BasePath", login.Config{BasePath: "/app/", Clients: one(newClient(t, a, "https://app.example/app/cb", nil))}, nil},
		{"BasePath with a query", login.Config{BasePath: "/app?x", Clients: one(newClient(t, a, "https://app.example/app?x/cb", nil))}, []string{"BasePath"}},
		{"BasePath elsewhere", login.Config{BasePath: "//app", Clients: one(newClient(t, a, "https://app.example//app/cb", nil))}, []string{"BasePath"}},
		{"nowhere to choose", login.Config{Clients: map[string]*client.Client{"a": good, "b": good}}, []string{"SignInPath is empty"}},
		{"all at once", login.Config{Clients: one(nil), Idle: -1, CookieName: " "}, []string{"is nil", "expected 0 or more", "CookieName"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.config.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
			_, err := login.New(test.config)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("%v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v lacks %q", err, want)
				}
			}
		})
	}
}

func TestParseKeys(t *testing.T) {
	one, two := base64.StdEncoding.EncodeToString(key("a")), base64.StdEncoding.EncodeToString(key("b"))
	for _, test := range []struct {
		text string
		want int // -1: it is refused
	}{
		{"", 0}, {" ", 0}, {one, 1}, {one + "," + two, 2}, {" " + one + " ,\n" + two + "\n", 2},
		{one + ",", -1}, {one[:40], -1}, {"canary-not-base64", -1}, {one + one, -1}, {strings.Repeat(one+",", 10) + two, -1},
	} {
		keys, err := login.ParseKeys(test.text)
		if (err != nil) != (test.want < 0) || err == nil && len(keys) != test.want {
			t.Errorf("%d keys, %v; want %d", len(keys), err, test.want)
		}
		if err != nil && (strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), one[:8])) {
			t.Error("LOG-01: the error has a key in it")
		}
	}
}

// TestKeyRemedies: an error counts keys from 1, and says how to make one.
func TestKeyRemedies(t *testing.T) {
	one, long := base64.StdEncoding.EncodeToString(key("a")), base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{255}, 48))
	const remedy = ": make one with `openssl rand -base64 32`"
	for text, says := range map[string]string{
		strings.Repeat("0aF1", 16):  "login: key 1 consists of 64 hex digits, expected 32 bytes in base64" + remedy,
		long:                        "login: key 1 decodes to 48 bytes, expected 32" + remedy,
		one + "," + one[:40]:        "login: key 2 decodes to 30 bytes, expected 32" + remedy,
		one + ",":                   "login: key 2 is empty: remove the comma, or add the missing key",
		"," + one:                   "login: key 1 is empty: remove the comma, or add the missing key",
		one + ", ," + one + ",\xff": "login: key 2 is empty: remove the comma, or add the missing key\nlogin: key 4 is not base64, expected 32 random bytes in base64" + remedy,
	} {
		if keys, err := login.ParseKeys(text); keys != nil || err == nil || err.Error() != says {
			t.Errorf("%v, expected %q", err, says)
		}
	}
}

// TestSecrets is LOG-01: no format verb and no log prints the secrets in the types.
func TestSecrets(t *testing.T) {
	var log strings.Builder
	config := login.Config{Clients: map[string]*client.Client{"main": newClient(t, "https://a.example", "https://app.example/cb", nil)}, Keys: [][]byte{key("a")}}
	l, err := login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{config, &config, l, login.User{Subject: "alice"}, &login.User{}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&log, verb, v)
		}
		logger.Info("x", "v", v)
	}
	if strings.Contains(log.String(), "canary") || strings.Contains(log.String(), fmt.Sprintf("%x", "canary")) {
		t.Error("a key is printed")
	}
}
