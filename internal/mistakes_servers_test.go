package internal_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

// rewriting changes the responses of a server.
type rewriting struct {
	next http.RoundTripper
	edit func(*http.Response) *http.Response
}

func (t rewriting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	return t.edit(resp), nil
}

func (d *firstDay) rewrite(edit func(*http.Response) *http.Response) {
	d.client.HTTP = &http.Client{Transport: rewriting{d.issuer.Client().Transport, edit}}
}

// responds makes an endpoint respond with a body, and {…} and […] mean JSON.
func responds(path string, status int, body string) func(*firstDay) {
	kind := "text/html"
	if strings.HasPrefix(body, "{") || strings.HasPrefix(body, "[") {
		kind = "application/json"
	}
	return func(d *firstDay) {
		d.rewrite(func(resp *http.Response) *http.Response {
			if resp.Request.URL.Path != path {
				return resp
			}
			resp.Body.Close()
			resp.StatusCode, resp.ContentLength, resp.Body = status, int64(len(body)), io.NopCloser(strings.NewReader(body))
			resp.Header = http.Header{"Content-Type": {kind}}
			return resp
		})
	}
}

// userInfo is a login that reads UserInfo, which responds as change says.
func userInfo(change func(*firstDay)) func(*firstDay) {
	return func(d *firstDay) { change(d); d.login.UserInfo = true }
}

func withoutDate(resp *http.Response) *http.Response { resp.Header.Del("Date"); return resp }

// editing is an issuer whose ID tokens and token responses are changed.
func editing(edit issuertest.Edit) func(*firstDay) {
	return func(d *firstDay) { d.serve(issuertest.Config{Edit: edit}) }
}

// serverMistake is a mistake as the server of a vendor reports it. says are parts of the one line in
// the log.
type serverMistake struct {
	name string
	do   func(*firstDay)
	code string
	says []string
}

var servers = []serverMistake{
	{"wrong secret at Auth0", responds("/token", 401, `{"error":"access_denied","error_description":"Unauthorized"}`), "configuration_error", []string{"Config.ClientID and Config.Auth", `client_id \"web\"`}},
	{"wrong secret at Keycloak", responds("/token", 401, `{"error":"unauthorized_client","error_description":"Invalid client or Invalid client credentials"}`), "configuration_error", []string{"correct Config.ClientID and Config.Auth"}},
	{"wrong secret at Slack", responds("/token", 200, `{"ok":false,"error":"bad_client_secret"}`), "configuration_error", []string{"Config.Auth"}},
	{"wrong secret at Twitch", responds("/token", 403, `{"status":403,"message":"invalid client secret"}`), "configuration_error", []string{"Config.Auth", "authentication client_secret_basic"}},
	{"wrong secret at Facebook", responds("/token", 400, `{"error":{"message":"Error validating client secret.","type":"OAuthException","code":1}}`), "configuration_error", []string{"Error validating client secret.", "sent client_id", "compare Config.ClientID, Config.Auth and Config.RedirectURL"}},
	{"wrong client at Salesforce", responds("/token", 400, `{"error":"invalid_client_id"}`), "configuration_error", []string{"Config.ClientID"}},
	{"deleted client at Google", responds("/token", 401, `{"error":"deleted_client"}`), "configuration_error", []string{"register the client again"}},
	{"unknown API at Entra ID", responds("/token", 400, `{"error":"invalid_resource","error_description":"AADSTS500011"}`), "configuration_error", []string{"Request.Resources", "AADSTS500011"}},
	{"API that the client may not use", responds("/token", 400, `{"error":"invalid_target"}`), "configuration_error", []string{"Request.Resources"}},
	{"a code that is no OAuth code", responds("/token", 400, `{"error":"Invalid client!"}`), "configuration_error", []string{"Invalid client!"}},
	{"a page for a wrong secret", responds("/token", 401, "<html>"), "configuration_error", []string{"Config.ClientID and Config.Auth", "redirect_uri"}},
	{"a firewall", responds("/token", 403, "<html>"), "configuration_error", []string{"firewall"}},
	{"wrong token endpoint", responds("/token", 404, "<html>"), "configuration_error", []string{"the endpoint's address", "Config.Metadata"}},
	{"token endpoint without POST", responds("/token", 405, "<html>"), "configuration_error", []string{"the endpoint's address"}},
	{"a page for a token", responds("/token", 200, "<html>"), "configuration_error", []string{"text/html"}},
	{"token endpoint that moved", responds("/token", 302, ""), "configuration_error", []string{"redirects are not followed"}},
	{"no token_type", editing(issuertest.Edit{Token: func(m map[string]any) { delete(m, "token_type") }}), "configuration_error", []string{"Config.InsecureMissingTokenType"}},
	{"no access token", editing(issuertest.Edit{Token: func(m map[string]any) { delete(m, "access_token") }}), "configuration_error", []string{"access_token is missing"}},
	{"wrong secret at PAR, a page", responds("/par", 401, "<html>"), "configuration_error", []string{"Config.ClientID and Config.Auth", "sent client_id", "redirect_uri"}},
	{"denied at PAR", responds("/par", 403, `{"error":"access_denied"}`), "configuration_error", []string{"Config.Auth"}},
	{"wrong PAR endpoint", responds("/par", 404, "<html>"), "configuration_error", []string{"the endpoint's address", "sent client_id"}},
	{"a code that has expired", responds("/token", 400, `{"error":"invalid_grant"}`), "login_failed", []string{"the code has expired"}},
	{"a code that has expired, at GitHub", responds("/token", 200, `{"error":"bad_verification_code"}`), "login_failed", []string{"bad_verification_code"}},
	{"a second factor at the token endpoint", responds("/token", 400, `{"error":"interaction_required"}`), "login_failed", []string{"interaction_required"}},
	{"a server that failed", responds("/token", 400, `{"error":"server_error"}`), "temporarily_unavailable", []string{"server_error"}},
	{"too many requests", responds("/token", 429, ""), "temporarily_unavailable", []string{"status 429"}},
	{"a page for PAR", responds("/par", 502, "<html>"), "temporarily_unavailable", []string{"status 502"}},
	{"UserInfo rejects the token", userInfo(responds("/userinfo", 401, "")), "configuration_error", []string{"for one API only"}},
	{"UserInfo without openid", userInfo(responds("/userinfo", 403, `{"error":"insufficient_scope"}`)), "configuration_error", []string{"add openid to Config.Scopes"}},
	{"wrong UserInfo endpoint", userInfo(responds("/userinfo", 404, "<html>")), "configuration_error", []string{"UserInfoEndpoint in Config.Metadata"}},
	{"a page for UserInfo", userInfo(responds("/userinfo", 200, "<html>")), "configuration_error", []string{"text/html"}},
	{"UserInfo of another user", userInfo(responds("/userinfo", 200, `{"sub":"mallory"}`)), "configuration_error", []string{"it is about another user"}},
	{"no UserInfo endpoint", userInfo(func(d *firstDay) { d.serve(issuertest.Config{Metadata: map[string]any{"userinfo_endpoint": nil}}) }), "configuration_error", []string{"Config.Metadata (userinfo_endpoint)"}},
	{"UserInfo is down", userInfo(responds("/userinfo", 503, "<html>")), "temporarily_unavailable", []string{"status 503"}},
	{"no nonce", editing(issuertest.Edit{IDToken: func(m map[string]any) { delete(m, "nonce") }}), "configuration_error", []string{"Config.InsecureMissingNonce", "injected code"}},
	{"wrong at_hash", editing(issuertest.Edit{IDToken: func(m map[string]any) { m["at_hash"] = "x" }}), "configuration_error", []string{"at_hash does not match"}},
	{"metadata that is empty", responds("/.well-known/openid-configuration", 200, "[]"), "configuration_error", []string{"expected the server's metadata"}},
	{"http at a port of https", func(d *firstDay) { d.client.Issuer, d.client.HTTP = "http"+d.client.Issuer[len("https"):], nil }, "configuration_error", []string{"it may expect https"}},
	{"https at a port of http", func(d *firstDay) {
		plain := httptest.NewServer(http.NotFoundHandler())
		d.t.Cleanup(plain.Close)
		d.client.Issuer = "https" + plain.URL[len("http"):]
	}, "configuration_error", []string{"does not speak TLS"}},
	{"a port without a server", func(d *firstDay) { d.client.Issuer = "https://127.0.0.1:1" }, "temporarily_unavailable", []string{"connection refused"}},
	{"a space after the secret", func(d *firstDay) { d.client.Auth = auth.Secret("canary-secret ") }, "configuration_error", []string{"begins or ends with a space"}},
	{"the secret in quotes", func(d *firstDay) { d.client.Auth = auth.SecretPost(`"canary-secret"`) }, "configuration_error", []string{"Config.Auth"}},
	{"a space after the client ID", func(d *firstDay) { d.client.ClientID += " " }, "configuration_error", []string{`client_id \"web \"`}},
	{"redirect URI at another host", func(d *firstDay) { d.client.RedirectURL = "https://app.example/callback" }, "configuration_error", []string{"set Config.RedirectURL"}},
	{"redirect URI at another port", func(d *firstDay) { d.client.RedirectURL = "https://127.0.0.1:1/callback" }, "configuration_error", []string{"set Config.RedirectURL"}},
	{"redirect URI with a query", func(d *firstDay) { d.client.RedirectURL += "?a=b" }, "configuration_error", []string{"/callback?a=b"}},
	{"the local clock is six minutes ahead", func(d *firstDay) { d.issuer.Advance(-6 * time.Minute) }, "configuration_error", []string{"is 6m", "ahead of the server's clock"}},
	{"the local clock is three years ahead", func(d *firstDay) { d.issuer.Advance(-3 * 365 * 24 * time.Hour) }, "configuration_error", []string{"Date header", "is 3 years", "ahead of the server's clock"}},
	{"the local clock is thirty years behind", func(d *firstDay) { d.issuer.Advance(30 * 365 * 24 * time.Hour) }, "configuration_error", []string{"more than ten years after now", "behind the server's clock"}},
	{"the local clock is ahead, no Date", func(d *firstDay) { d.issuer.Advance(-2 * time.Hour); d.rewrite(withoutDate) }, "configuration_error", []string{"seems to be 2h", "ahead of the server's clock"}},
	{"the local clock is behind, no Date", func(d *firstDay) { d.issuer.Advance(2 * time.Hour); d.rewrite(withoutDate) }, "configuration_error", []string{"seems to be", "behind the server's clock"}},
	{"tokens that are not bound", func(d *firstDay) {
		d.client.DPoP = &client.DPoP{}
		responds("/token", 200, `{"access_token":"canary-token","token_type":"Bearer"}`)(d)
	}, "configuration_error", []string{"DPoP.InsecureAllowBearer"}},
}

// TestMistakesAtOtherServers: what only an operator can fix is an ERROR without a link to try
// again, however the server reports it. What a visitor can cause is not.
func TestMistakesAtOtherServers(t *testing.T) {
	for _, m := range slices.Concat(servers, moreServers) {
		t.Run(m.name, func(t *testing.T) {
			d := newFirstDay(t)
			m.do(d)
			status, page := d.visit()
			expected := map[string]struct {
				status int
				level  string
			}{"configuration_error": {500, "ERROR"}, "temporarily_unavailable": {503, "ERROR"}, "login_failed": {400, "INFO"}}[m.code]
			if status != expected.status || !strings.Contains(page, `id="code">`+m.code) {
				t.Errorf("status %d, expected %d and %s: %s", status, expected.status, m.code, page)
			}
			if retry := strings.Contains(page, `href="/login`); retry != (m.code != "configuration_error") {
				t.Errorf("a link to sign in again: %t", retry)
			}
			log := d.log.String()
			if strings.Count(log, "\n") != 1 || !strings.Contains(log, "level="+expected.level) {
				t.Errorf("expected one line with %s: %s", expected.level, log)
			}
			for _, says := range m.says {
				if !strings.Contains(log, says) {
					t.Errorf("no %q in %s", says, log)
				}
			}
			if !isExplained(t, log) {
				t.Errorf("docs/troubleshooting.md has no text of %s", log)
			}
			if strings.Contains(log+page, "canary") {
				t.Errorf("a secret is in the log or on the page: %s%s", log, page)
			}
		})
	}
}

// TestMissingClaims: one WARN names the claims that the session lacks by mistake, and what to set.
func TestMissingClaims(t *testing.T) {
	for name, test := range map[string]struct {
		claims, scopes []string
		userInfo       bool
		says           []string // nil: no line
	}{
		"in the ID token":              {[]string{"sub"}, []string{"openid"}, false, nil},
		"at UserInfo":                  {[]string{"name"}, []string{"openid", "profile"}, true, nil},
		"without UserInfo":             {[]string{"picture"}, []string{"openid", "profile"}, false, []string{"Config.UserInfo", "claims=[picture]"}},
		"without a scope":              {[]string{"name", "email"}, []string{"openid"}, true, []string{"is not requested", `claims="[name email]"`, "client.Config.Scopes"}},
		"without one of the scopes":    {[]string{"name", "phone_number"}, []string{"openid", "profile"}, true, []string{"is not requested", "claims=[phone_number]"}},
		"that this user does not have": {[]string{"picture"}, []string{"openid", "profile"}, true, nil},
		"of the server's own":          {[]string{"department"}, []string{"openid"}, true, nil},
	} {
		d := newFirstDay(t)
		d.client.Scopes, d.login.Claims, d.login.UserInfo = test.scopes, test.claims, test.userInfo
		if status, page := d.visit(); status != http.StatusOK {
			t.Fatalf("%s: %s", name, page)
		}
		log := d.log.String()
		if lines := strings.Count(log, "\n"); lines != min(len(test.says), 1) || strings.Count(log, "level=WARN") != lines {
			t.Errorf("%s: %s", name, log)
		}
		for _, says := range test.says {
			if !strings.Contains(log, says) {
				t.Errorf("%s: no %q in %s", name, says, log)
			}
		}
	}
}

// TestNonceOfOneLogin: at a server whose ID tokens have a nonce, one without it may have been
// injected. The operator need not act.
func TestNonceOfOneLogin(t *testing.T) {
	d, first := newFirstDay(t), true
	editing(issuertest.Edit{IDToken: func(m map[string]any) {
		if !first {
			delete(m, "nonce")
		}
	}})(d)
	d.routes()
	if status, page := d.open(d.issuer.Browser(d.app.Certificate())); status != http.StatusOK {
		t.Fatal(page)
	}
	first = false
	status, page := d.open(d.issuer.Browser(d.app.Certificate()))
	if log := d.log.String(); status != 400 || !strings.Contains(page, "login_failed") || !strings.Contains(log, "level=INFO") || strings.Contains(log, "level=ERROR") {
		t.Errorf("status %d: %s", status, log)
	}
}

// TestMistakesOfValues: New names a value that was read with its line end, or that cannot be right.
func TestMistakesOfValues(t *testing.T) {
	for name, test := range map[string]struct {
		change func(d *firstDay)
		says   string
	}{
		"secret with a line end":          {func(d *firstDay) { d.client.Auth = auth.Secret("canary-secret\n") }, "Config.Auth has a secret with a line end"},
		"secret with CRLF":                {func(d *firstDay) { d.client.Auth = auth.SecretPost("canary-secret\r\n") }, "strings.TrimSpace"},
		"raw secret with a line end":      {func(d *firstDay) { d.client.Auth = auth.SecretBasicRaw("canary-secret\n") }, "strings.TrimSpace"},
		"secret of JWTs with a line end":  {func(d *firstDay) { d.client.Auth = auth.SecretJWT(strings.Repeat("canary", 9)+"\n", auth.Assertion{}) }, "strings.TrimSpace"},
		"client ID with a line end":       {func(d *firstDay) { d.client.ClientID = "web\n" }, `Config.ClientID is "web\n"`},
		"redirect URI with a space":       {func(d *firstDay) { d.client.RedirectURL += " " }, "expected a URL without white space"},
		"redirect URI with a line end":    {func(d *firstDay) { d.client.RedirectURL += "\n" }, "expected a URL without white space"},
		"redirect URI with a fragment":    {func(d *firstDay) { d.client.RedirectURL += "#x" }, "fragment"},
		"redirect URI without a host":     {func(d *firstDay) { d.client.RedirectURL = "/callback" }, "not an absolute URL"},
		"no redirect URI":                 {func(d *firstDay) { d.client.RedirectURL = "" }, "RedirectURL"},
		"issuer with a line end":          {func(d *firstDay) { d.client.Issuer += "\n" }, `\n" is not an absolute URL`},
		"two scopes in one":               {func(d *firstDay) { d.client.Scopes = []string{"openid profile"} }, "one list element for each scope"},
		"http redirect URI on this host":  {func(d *firstDay) { d.client.RedirectURL = "http://127.0.0.1/callback" }, "InsecureHTTP"},
		"sealing key of another encoding": {func(d *firstDay) { d.login.Keys = [][]byte{[]byte(strings.Repeat("canary", 8))} }, "48 bytes, expected 32"},
	} {
		d := newFirstDay(t)
		test.change(d)
		if err := d.start(); err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, expected %q", name, err, test.says)
		}
	}
}
