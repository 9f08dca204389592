package fositeserver

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

const (
	redirectURL  = "http://127.0.0.1:1/callback"
	audience     = "https://api.example/"
	verifier     = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
	challenge    = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	pushedPrefix = "urn:ietf:params:oauth:request_uri:"
)

// startServer starts a server with a client "app" and a resource server "api".
func startServer(t *testing.T, opaque bool) (issuer string) {
	t.Helper()
	var handler http.Handler
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	s, err := New(Config{
		Issuer: ts.URL,
		Clients: []Client{
			{ID: "app", Secret: "app-secret", RedirectURLs: []string{redirectURL}, Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}},
			{ID: "api", Secret: "api-secret"},
		},
		Users:        []User{{Subject: "1", Username: "alice", Password: "wonderland"}},
		OpaqueTokens: opaque,
		Logger:       slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = s
	return ts.URL
}

func request() url.Values {
	return url.Values{
		"client_id": {"app"}, "response_type": {"code"}, "redirect_uri": {redirectURL}, "scope": {"openid photos.read"},
		"state": {"a state of some length"}, "nonce": {"a nonce of some length"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
}

// post sends a form and returns the JSON response. id is "" for a public client.
func post(t *testing.T, address, id, secret string, form url.Values) (status int, answer map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		r.SetBasicAuth(id, secret)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// visit returns the page at an address, or the target of its redirect.
func visit(t *testing.T, r *http.Request) (body string, redirect url.Values) {
	t.Helper()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Do(r.WithContext(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := resp.Location(); err == nil {
		redirect = u.Query()
	}
	return string(b), redirect
}

func get(t *testing.T, address string) (string, url.Values) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	return visit(t, r)
}

// signIn fills in the form on page.
func signIn(t *testing.T, issuer, page string) url.Values {
	t.Helper()
	_, rest, ok := strings.Cut(page, `name="id" value="`)
	if !ok {
		t.Fatalf("no form: %s", page)
	}
	id, _, _ := strings.Cut(rest, `"`)
	form := url.Values{"id": {id}, "username": {"alice"}, "password": {"wonderland"}, "action": {"allow"}}
	r, err := http.NewRequest(http.MethodPost, issuer+loginPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, redirect := visit(t, r)
	return redirect
}

// tokens makes a complete login with the parameters in asked.
func tokens(t *testing.T, issuer string, asked url.Values) map[string]any {
	t.Helper()
	page, _ := get(t, issuer+authorizePath+"?"+asked.Encode())
	back := signIn(t, issuer, page)
	if back.Get("iss") != issuer || back.Get("state") != asked.Get("state") {
		t.Errorf("iss %q, state %q in the response", back.Get("iss"), back.Get("state"))
	}
	status, answer := post(t, issuer+tokenPath, "app", "app-secret", url.Values{
		"grant_type": {"authorization_code"}, "code": back["code"], "redirect_uri": {redirectURL}, "code_verifier": {verifier},
	})
	if status != http.StatusOK {
		t.Fatalf("token request: %d %v", status, answer)
	}
	return answer
}

// decode returns header and claims of a JWT. It does not check the signature: tests with a relying
// party do.
func decode(t *testing.T, token any) (header, claims map[string]any) {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	for i, v := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(b, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return header, claims
}

func TestAccessTokenIsRFC9068(t *testing.T) {
	issuer := startServer(t, false)
	answer := tokens(t, issuer, request())
	header, claims := decode(t, answer["access_token"])
	if header["typ"] != "at+jwt" || header["alg"] != "RS256" || header["kid"] == "" {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != issuer || claims["sub"] != "1" || claims["client_id"] != "app" || claims["scope"] != "openid photos.read" {
		t.Errorf("claims %v", claims)
	}
	for _, name := range []string{"exp", "iat", "jti"} {
		if claims[name] == nil {
			t.Errorf("no %s", name)
		}
	}
	if aud, _ := claims["aud"].([]any); !slices.Equal(aud, []any{audience}) {
		t.Errorf("aud %v", claims["aud"])
	}
}

func TestIDToken(t *testing.T) {
	issuer := startServer(t, false)
	header, claims := decode(t, tokens(t, issuer, request())["id_token"])
	if header["typ"] == "at+jwt" || header["kid"] == nil {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != issuer || claims["sub"] != "1" || claims["nonce"] != request().Get("nonce") {
		t.Errorf("claims %v", claims)
	}
	for _, name := range []string{"aud", "exp", "iat", "auth_time", "at_hash"} {
		if claims[name] == nil {
			t.Errorf("no %s", name)
		}
	}
}

func TestIntrospection(t *testing.T) {
	for _, opaque := range []bool{false, true} {
		issuer := startServer(t, opaque)
		token := tokens(t, issuer, request())["access_token"].(string)
		status, answer := post(t, issuer+introspectPath, "api", "api-secret", url.Values{"token": {token}})
		if status != http.StatusOK || answer["active"] != true {
			t.Fatalf("opaque %v: %d %v", opaque, status, answer)
		}
		if answer["iss"] != issuer || answer["client_id"] != "app" || answer["sub"] != "1" || answer["scope"] != "openid photos.read" {
			t.Errorf("opaque %v: %v", opaque, answer)
		}
		if aud, _ := answer["aud"].([]any); !slices.Equal(aud, []any{audience}) || answer["exp"] == nil {
			t.Errorf("opaque %v: aud %v, exp %v", opaque, answer["aud"], answer["exp"])
		}
		if status, _ := post(t, issuer+introspectPath, "api", "guess", url.Values{"token": {token}}); status != http.StatusUnauthorized {
			t.Errorf("with a wrong secret: %d", status)
		}
		if _, answer := post(t, issuer+introspectPath, "api", "api-secret", url.Values{"token": {"guess"}}); answer["active"] != false {
			t.Errorf("of no token: %v", answer)
		}
	}
}

func TestPushedRequest(t *testing.T) {
	issuer := startServer(t, false)
	asked := request()
	asked.Set("resource", audience)
	status, answer := post(t, issuer+pushPath, "app", "app-secret", asked)
	uri, _ := answer["request_uri"].(string)
	if status != http.StatusCreated || !strings.HasPrefix(uri, pushedPrefix) {
		t.Fatalf("%d %v", status, answer)
	}
	front := issuer + authorizePath + "?" + url.Values{"client_id": {"app"}, "request_uri": {uri}}.Encode()
	get(t, front)
	page, _ := get(t, front) // reloaded
	if back := signIn(t, issuer, page); back.Get("code") == "" || back.Get("iss") != issuer {
		t.Errorf("back with %v", back)
	}
	if page, back := get(t, front); back != nil || !strings.Contains(page, "invalid_request_uri") {
		t.Errorf("a request_uri that was used before: %v\n%s", back, page)
	}
}

func TestRefusedRequests(t *testing.T) {
	issuer := startServer(t, false)
	for _, test := range []struct {
		name, parameter, value string
		want                   string // the error, in the redirect
	}{
		{"no PKCE", "code_challenge", "", "invalid_request"},
		{"another API", "resource", "https://elsewhere.example/", "invalid_target"},
		{"another scope", "scope", "openid admin", "invalid_scope"},
		{"no user interface", "prompt", "none", "login_required"},
		{"a token at once", "response_type", "token", "unsupported_response_type"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := request()
			asked.Set(test.parameter, test.value)
			page, back := get(t, issuer+authorizePath+"?"+asked.Encode())
			if back == nil { // fosite checks the challenge when it makes the code
				back = signIn(t, issuer, page)
			}
			if back.Get("error") != test.want || back.Get("iss") != issuer || back.Get("state") != asked.Get("state") {
				t.Errorf("back with %v, want %s", back, test.want)
			}
		})
	}
}

func TestUnknownRedirectURI(t *testing.T) {
	issuer := startServer(t, false)
	asked := request()
	asked.Set("redirect_uri", "https://elsewhere.example/callback")
	page, back := get(t, issuer+authorizePath+"?"+asked.Encode())
	if back != nil || !strings.Contains(page, "invalid_request") {
		t.Errorf("redirected with %v\n%s", back, page)
	}
}

func TestFormFromAnotherSite(t *testing.T) {
	issuer := startServer(t, false)
	r, err := http.NewRequest(http.MethodPost, issuer+loginPath, strings.NewReader("id=x"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if body, back := visit(t, r); back != nil || !strings.Contains(body, "cross-origin") {
		t.Errorf("%v %s", back, body)
	}
}

func TestConfig(t *testing.T) {
	if _, err := New(Config{Issuer: "http://127.0.0.1:1"}); err == nil {
		t.Error("a server without clients and users")
	}
}

// TestFormPost: a client that requests it gets its response, a code or an error, in a form.
func TestFormPost(t *testing.T) {
	issuer := startServer(t, false)
	asked := request()
	asked.Set("response_mode", "form_post")
	for action, want := range map[string]string{"allow": `name="code"`, "cancel": `value="access_denied"`} {
		page, _ := get(t, issuer+authorizePath+"?"+asked.Encode())
		form := url.Values{"id": {between(page, `name="id" value="`, `"`)}, "username": {"alice"}, "password": {"wonderland"}, "action": {action}}
		r, err := http.NewRequest(http.MethodPost, issuer+loginPath, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		body, redirect := visit(t, r)
		for _, part := range []string{want, `action="` + redirectURL + `"`, `name="state"`, `value="` + issuer + `"`} {
			if redirect != nil || !strings.Contains(body, part) {
				t.Errorf("%s: %v, and no %s in\n%s", action, redirect, part, body)
			}
		}
	}
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}
