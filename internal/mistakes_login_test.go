package internal_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
	"github.com/countersign/countersign/discovery/issuertest"
)

// with makes a change, and opens the application in a browser.
func with(change func(d *firstDay)) func(*firstDay) (int, string) {
	return func(d *firstDay) (int, string) { change(d); return d.visit() }
}

// faulty opens the application at a server with a fault.
func faulty(fault issuertest.Fault) func(*firstDay) (int, string) {
	return with(func(d *firstDay) { d.issuer.Inject(fault) })
}

// registrationMistakes are settings that differ from the registration at the server.
func registrationMistakes() []mistake {
	registered := []string{"Config.ClientID", "Config.Auth", "registration"}
	return []mistake{
		{"wrong secret", with(func(d *firstDay) { d.client.Auth = auth.Secret("canary-wrong") }),
			"ERROR", "invalid_client", append(registered, `client_id \"web\"`, "authentication client_secret_basic"), 500, "configuration_error", false},
		{"wrong secret in the header", with(func(d *firstDay) { d.client.Auth = auth.SecretBasic("canary-wrong") }),
			"ERROR", "invalid_client", append(registered, "authentication client_secret_basic"), 500, "configuration_error", false},
		{"wrong secret in the form", with(func(d *firstDay) { d.client.Auth = auth.SecretPost("canary-wrong") }),
			"ERROR", "invalid_client", append(registered, "authentication client_secret_post"), 500, "configuration_error", false},
		{"wrong secret without pushed requests", with(func(d *firstDay) { d.client.Auth, d.client.PAR = auth.SecretPost("canary-wrong"), client.PAROff }),
			"ERROR", "invalid_client", append(registered, "token request", "authentication client_secret_post"), 500, "configuration_error", false},
		{"no secret", with(func(d *firstDay) { d.client.Auth = auth.Public() }),
			"ERROR", "invalid_client", append(registered, "authentication none"), 500, "configuration_error", false},
		{"unknown client", with(func(d *firstDay) { d.client.ClientID = "wed" }),
			"ERROR", "invalid_client", append(registered, `client_id \"wed\"`), 500, "configuration_error", false},
		{"unregistered redirect URI", with(func(d *firstDay) { d.client.RedirectURL = d.app.URL + "/login/callback" }),
			"ERROR", "invalid_request", []string{"Config.RedirectURL", `/login/callback\"`}, 500, "configuration_error", false},
		{"redirect URI with a slash at the end", with(func(d *firstDay) { d.client.RedirectURL += "/" }),
			"ERROR", "invalid_request", []string{"Config.RedirectURL", `/callback/\"`}, 500, "configuration_error", false},
		{"grant that the client may not use", with(func(d *firstDay) { d.serve(answering("unauthorized_client")) }),
			"ERROR", "unauthorized_client", []string{"Config.Auth", "token request", "allow this grant"}, 500, "configuration_error", false},
		{"wrong secret at GitHub", with(func(d *firstDay) { d.serve(answering("incorrect_client_credentials")) }),
			"ERROR", "incorrect_client_credentials", registered, 500, "configuration_error", false},
		{"wrong redirect URI at GitHub", with(func(d *firstDay) { d.serve(answering("redirect_uri_mismatch")) }),
			"ERROR", "redirect_uri_mismatch", []string{"Config.RedirectURL"}, 500, "configuration_error", false},
		{"scope that the client may not get", with(func(d *firstDay) { d.client.Scopes = []string{"openid", "photos.read"} }),
			"ERROR", "invalid_scope", []string{"Config.Scopes", "photos.read"}, 500, "configuration_error", false},
		{"scope without pushed requests", with(func(d *firstDay) { d.client.Scopes, d.client.PAR = []string{"openid", "photos.read"}, client.PAROff }),
			"ERROR", "invalid_scope", []string{"callback", "Config.Scopes"}, 500, "configuration_error", false},
	}
}

// answering starts an issuer whose token endpoint responds with an error and status 200, as
// GitHub's does.
func answering(code string) issuertest.Config {
	return issuertest.Config{Edit: issuertest.Edit{Token: func(m map[string]any) { clear(m); m["error"] = code }}}
}

// signInMistakes are settings that do not fit the server's documents and tokens.
func signInMistakes() []mistake {
	return []mistake{
		{"issuer with a slash too many", with(func(d *firstDay) { d.client.Issuer += "/" }),
			"ERROR", "the metadata is of issuer …, expected …", []string{"set Issuer to the first value"}, 500, "configuration_error", false},
		{"issuer without its slash", with(func(d *firstDay) {
			d.serve(issuertest.Config{Metadata: map[string]any{"issuer": "https://login.example/"}})
		}), "ERROR", "the metadata is of issuer …, expected …", []string{`issuer \"https://login.example/\"`, "Config.DiscoveryURL"}, 500, "configuration_error", false},
		{"issuer of another realm", with(func(d *firstDay) { d.client.Issuer += "/realms/none" }),
			"ERROR", "the server has no metadata at this address", []string{"status 404", "set Issuer", "/.well-known/oauth-authorization-server"}, 500, "configuration_error", false},
		{"a page instead of the metadata", faulty(issuertest.HTML.At(issuertest.OpenIDMetadata)),
			"ERROR", "Content-Type of the response is …, expected …", []string{"text/html", "Config.Metadata"}, 500, "configuration_error", false},
		{"a redirect instead of the metadata", faulty(issuertest.Redirecting.At(issuertest.OpenIDMetadata)),
			"ERROR", "the server redirects to …, but redirects are not followed", []string{"Config.DiscoveryURL"}, 500, "configuration_error", false},
		{"a server that fails", faulty(issuertest.Unavailable.At(issuertest.OpenIDMetadata)),
			"ERROR", "the server is not available", []string{"status 503"}, 503, "temporarily_unavailable", true},
		{"a server that signs with ES256", with(func(d *firstDay) { d.serve(issuertest.Config{Algorithm: "ES256"}) }),
			"ERROR", "signed with …, expected one of …", []string{"Config.IDTokenAlgs"}, 500, "configuration_error", false},
		{"no ID token", with(func(d *firstDay) {
			d.serve(issuertest.Config{Edit: issuertest.Edit{Token: func(m map[string]any) { delete(m, "id_token") }}})
		}), "ERROR", "the token response has no id_token", []string{"enable OpenID Connect", "request no openid"}, 500, "configuration_error", false},
		{"ID token for another login", faulty(issuertest.IDTokenNonceWrong),
			"INFO", "nonce does not match the request", nil, 400, "login_failed", true},
		{"ID token for another client", faulty(issuertest.IDTokenAudienceForeign),
			"ERROR", "aud is …, expected the client_id …", []string{"ClientID"}, 500, "configuration_error", false},
		{"wrong audience of ID tokens", faulty(issuertest.IDTokenAudienceMore),
			"ERROR", "aud also contains …", []string{"TrustedAudiences"}, 500, "configuration_error", false},
		{"ID token signed by other keys", faulty(issuertest.IDTokenKeySwapped),
			"ERROR", "the signature does not verify", []string{"JWKS"}, 500, "configuration_error", false},
		{"the local clock is behind", with(func(d *firstDay) { d.issuer.Advance(10 * time.Minute) }),
			"ERROR", "in the future by …", []string{"expected at most 30s (Skew)", "behind the server's clock"}, 500, "configuration_error", false},
		{"the local clock is ahead", with(func(d *firstDay) { d.issuer.Advance(-10 * time.Minute) }),
			"ERROR", "expired at …", []string{"this machine's clock is 10m", "ahead of the server's clock", "synchronize the clocks"}, 500, "configuration_error", false},
		{"a claim that ID tokens lack", with(func(d *firstDay) { d.login.Claims = []string{"picture", "sub", "locale"} }),
			"WARN", "the ID token lacks a claim of Config.Claims", []string{"Config.UserInfo", "client.Config.Scopes", `claims="[picture locale]"`}, 200, "hello", false},
	}
}

// deploymentMistakes are about hosts, cookies, processes and servers that are down.
func deploymentMistakes() []mistake {
	return []mistake{
		{"localhost and 127.0.0.1", func(d *firstDay) (int, string) {
			return d.get("/callback?code=canary-code&state=canary-state")
		}, "INFO", "no login is under way in this browser", []string{"localhost instead of 127.0.0.1"}, 400, "login_unknown", true},
		{"processes with different keys", func(d *firstDay) (int, string) {
			d.routes()
			other, err := login.New(login.Config{Clients: d.login.Clients, Keys: otherKeys, Log: d.login.Log})
			if err != nil {
				d.t.Fatal(err)
			}
			r := logintest.WithSession(httptest.NewRequest("GET", "/", nil), other, logintest.User{Subject: "alice"})
			r.Header.Set("Sec-Fetch-Mode", "cors")
			w := httptest.NewRecorder()
			d.app.Config.Handler.ServeHTTP(w, r)
			return w.Code, w.Body.String()
		}, "WARN", "Config.Keys do not open a cookie", []string{"Config.CookieName", "same Config.Keys"}, 401, "login_required", false},
		{"two applications with one cookie name", (*firstDay).visitBoth,
			"WARN", "Config.Keys do not open a cookie", []string{"Config.CookieName", "same Config.Keys"}, 200, "hello", false},
		{"two applications with the same keys", (*firstDay).visitBothWithSameKeys,
			"WARN", "a session cookie belongs to another registration", []string{"Config.CookieName", "Config.Keys"}, 200, "hello", false},
		{"a response at a page", func(d *firstDay) (int, string) {
			d.client.RedirectURL = d.app.URL + "/"
			return d.get("/?code=canary-code&state=canary-state")
		}, "ERROR", "the response of a login arrived at", []string{"Require, because RedirectURL has the path /", "such as /callback"}, 500, "configuration_error", false},
		{"the server is down", func(d *firstDay) (int, string) { d.issuer.Close(); return d.get("/") },
			"ERROR", "connection refused", []string{"client=main", "start the server", "Issuer"}, 503, "temporarily_unavailable", true},
		{"the server does not exist", func(d *firstDay) (int, string) {
			d.client.Issuer, d.client.HTTP = "https://login.invalid", &http.Client{Transport: &http.Transport{DialContext: unknownHost}}
			return d.get("/")
		},
			"ERROR", "host not found", []string{"login.invalid", "DNS"}, 503, "temporarily_unavailable", true},
		{"the server's certificate is private", func(d *firstDay) (int, string) { d.client.HTTP = nil; return d.get("/") },
			"ERROR", "certificate signed by unknown authority", []string{"the server's certificate is not trusted"}, 500, "configuration_error", false},
		{"the server goes down during the login", with(func(d *firstDay) {
			d.before = func(r *http.Request) {
				if r.URL.Path == "/callback" {
					d.issuer.Close()
				}
			}
		}), "ERROR", "connection refused", []string{"token request", "client=main"}, 503, "temporarily_unavailable", true},
	}
}

// unknownHost is the error for an unknown name. The test uses no resolver.
func unknownHost(context.Context, string, string) (net.Conn, error) {
	return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
}

var otherKeys = [][]byte{bytes.Repeat([]byte{1}, 32)}

// get sends a request to the application without a cookie.
func (d *firstDay) get(target string) (int, string) {
	d.routes()
	w := httptest.NewRecorder()
	d.app.Config.Handler.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
	return w.Code, w.Body.String()
}

// visitBoth signs in at another application on this host first. Browsers do not separate the
// cookies of ports.
func (d *firstDay) visitBoth() (int, string) { return d.visitAfter(otherKeys) }

// visitBothWithSameKeys is visitBoth with the same SESSION_KEYS for both.
func (d *firstDay) visitBothWithSameKeys() (int, string) { return d.visitAfter(d.login.Keys) }

func (d *firstDay) visitAfter(keys [][]byte) (int, string) {
	other := newFirstDay(d.t)
	other.login.Keys = keys
	other.routes()
	d.routes()
	browser := d.issuer.Browser(d.app.Certificate())
	browser.Transport = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // of two issuers
	for _, app := range []*firstDay{other, d} {
		status, page := app.open(browser)
		if status != http.StatusOK || !strings.HasPrefix(page, "hello") {
			d.t.Fatalf("status %d: %s", status, page)
		}
	}
	return http.StatusOK, "hello"
}

// TestMistakesAtStart: New names every setting that is missing or wrong.
func TestMistakesAtStart(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *firstDay)
		says   []string
	}{
		"http issuer":           {func(d *firstDay) { d.client.Issuer = "http://login.example" }, []string{"Config.Issuer", "not an https URL", "InsecureHTTP"}},
		"issuer without scheme": {func(d *firstDay) { d.client.Issuer = "login.example" }, []string{"Config.Issuer", "not an absolute URL"}},
		"no issuer":             {func(d *firstDay) { d.client.Issuer = "" }, []string{"Config.Issuer is empty"}},
		"no client ID":          {func(d *firstDay) { d.client.ClientID = "" }, []string{"Config.ClientID is empty"}},
		"no authentication":     {func(d *firstDay) { d.client.Auth = auth.Method{} }, []string{"Config.Auth is not set", "auth.Public"}},
		"empty secret":          {func(d *firstDay) { d.client.Auth = auth.Secret("") }, []string{"Config.Auth has an empty secret"}},
		"http redirect URI":     {func(d *firstDay) { d.client.RedirectURL = "http://app.example/callback" }, []string{"Config.RedirectURL", "not an https URL", "InsecureHTTP"}},
		"short key":             {func(d *firstDay) { d.login.Keys = [][]byte{[]byte("canary")} }, []string{"key 1 of Config.Keys has 6 bytes, expected 32"}},
		"no openid":             {func(d *firstDay) { d.client.Scopes = []string{"profile"} }, []string{"openid", "SignIn"}},
	} {
		d := newFirstDay(t)
		test.change(d)
		err := d.start()
		for _, says := range test.says {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v, expected %q", name, err, says)
			}
		}
	}
}
