package mcpauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
	"github.com/countersign/countersign/rs"
)

// ask sends a request without the SDK. The handler gets a token if one is required.
func ask(t *testing.T, w *world, h *mcpauth.Handler) error {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := h.HTTPClient().Do(r)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
		resp.Body.Close()
		return nil
	}
	return h.Authorize(t.Context(), r, resp)
}

// TestTrustedOnce: Config.Trusted is called once for an accepted issuer, also in the next run. For
// a rejected one it is called at each login.
func TestTrustedOnce(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config, asked, accepted := w.config(), 0, false
	config.Store = &store{}
	config.Trusted = func(context.Context, string) bool { asked++; return accepted }
	h := newHandler(t, config)
	for range 2 {
		if err := ask(t, w, h); err == nil {
			t.Error("no error")
		}
		w.issuer.Advance(6 * time.Second)
	}
	if asked != 2 {
		t.Errorf("a rejected issuer was asked about %d times", asked)
	}
	accepted = true
	for range 3 {
		if err := ask(t, w, h); err != nil {
			t.Error(err)
		}
		w.issuer.RevokeAll()
		w.issuer.Advance(6 * time.Minute)
	}
	if asked != 3 {
		t.Errorf("%d questions, want one after the two rejections", asked)
	}
	w.wantLogins(t, 3)
	if err := ask(t, w, newHandler(t, config)); err != nil || asked != 3 {
		t.Errorf("the next run: %d questions, %v", asked, err)
	}
}

// TestTwoProcesses: one process uses the new authorization server, another one the old server. No
// server gets a credential of the other server.
func TestTwoProcesses(t *testing.T) {
	w, other := newWorld(t, issuertest.Config{SecretPrefix: "canary-old-"}), newWorld(t, issuertest.Config{SecretPrefix: "canary-new-"})
	config := w.config()
	config.Store, config.Trusted = &store{}, func(context.Context, string) bool { return true }
	first := connect(t, w, newHandler(t, config))
	w.meta.AuthorizationServers = []string{other.issuer.URL}
	w.api.Tokens = &rs.JWT{Issuer: other.issuer.URL, Audience: w.url, Keys: other.api.Tokens.(*rs.JWT).Keys, Now: other.issuer.Now}
	second := connect(t, w, newHandler(t, config))
	mustCall(t, second, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2)
	w.issuer.Advance(6 * time.Minute)
	other.issuer.Advance(6 * time.Minute)
	mustCall(t, first, "list", "list for alice with photos.read offline_access")
	mustCall(t, second, "list", "list for alice with photos.read offline_access")
	w.wantLogins(t, 2) // the first process uses the login of the second one
	for prefix, issuer := range map[string]*issuertest.Issuer{"canary-new-": w.issuer, "canary-old-": other.issuer} {
		for _, x := range issuer.Exchanges("") {
			if strings.Contains(x.Request.URL.RawQuery+string(x.RequestBody)+x.Request.Header.Get("Authorization"), prefix) {
				t.Errorf("%s has a credential of the other server", x.Endpoint)
			}
		}
	}
}

// TestLogoutExpired: Logout deletes tokens that cannot be refreshed.
func TestLogoutExpired(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	kept := &store{}
	config.Store = kept
	h := newHandler(t, config)
	connect(t, w, h)
	w.issuer.RevokeAll()
	w.issuer.Advance(6 * time.Minute)
	if err := h.Logout(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(w.issuer.Exchanges(issuertest.RevocationEndpoint)); n != 0 {
		t.Errorf("%d revocations", n)
	}
	for key := range kept.values {
		if !strings.HasPrefix(key, "mcpauth-client:") && !strings.HasPrefix(key, "forgotten:") {
			t.Errorf("the Store still has %s", key)
		}
	}
	if err := ask(t, w, newHandler(t, config)); err != nil {
		t.Error(err)
	}
	w.wantLogins(t, 2)
}

// TestLogoutUnreachable: if no server answers, Logout deletes the tokens of an earlier run too. A
// Store that fails is an error.
func TestLogoutUnreachable(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	kept := &store{}
	config.Store = kept
	connect(t, w, newHandler(t, config))
	config.Endpoint = w.url
	config.HTTP = &http.Client{Transport: broken{}}
	if err := newHandler(t, config).Logout(t.Context()); err != nil {
		t.Error(err)
	}
	for key := range kept.values {
		if !strings.HasPrefix(key, "mcpauth-client:") {
			t.Errorf("the Store still has %s", key)
		}
	}
	config.Store, config.Leases = unreadable{kept}, kept
	if err := newHandler(t, config).Logout(t.Context()); err == nil {
		t.Error("a Store that does not answer is no error")
	}
}

// broken is an HTTP transport whose requests fail, as if there were no network.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no route") }

// unreadable is a Store that does not answer.
type unreadable struct{ *store }

func (unreadable) Load(context.Context, string) ([]byte, error) { return nil, errors.New("no answer") }

// TestFailureIsRemembered: a login that failed is not repeated for five seconds.
func TestFailureIsRemembered(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.issuer.Inject(issuertest.CallbackDenied)
	h := newHandler(t, w.config())
	for _, step := range []struct {
		after time.Duration
		want  int32
	}{{0, 1}, {time.Second, 1}, {5 * time.Second, 2}} {
		w.issuer.Advance(step.after)
		if err := ask(t, w, h); err == nil {
			t.Error("no error")
		}
		w.wantLogins(t, step.want)
	}
	w.issuer.Behave()
	w.issuer.Advance(6 * time.Second)
	if err := ask(t, w, h); err != nil {
		t.Error(err)
	}
}

// TestLoginLimit: at most five logins in ten minutes, and more after that.
func TestLoginLimit(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.issuer.Inject(issuertest.CallbackDenied)
	h := newHandler(t, w.config())
	for range 8 {
		ask(t, w, h)
		w.issuer.Advance(10 * time.Second)
	}
	w.wantLogins(t, 5)
	w.issuer.Advance(10 * time.Minute)
	ask(t, w, h)
	w.wantLogins(t, 6)
}

// TestConfigResource: metadata that names another resource is accepted if the operator names it.
func TestConfigResource(t *testing.T) {
	for _, set := range []bool{false, true} {
		w := newWorld(t, issuertest.Config{})
		resource := w.origin() + "/other"
		inner := w.serve()
		document := &rs.Metadata{Resource: resource, AuthorizationServers: []string{w.issuer.URL}}
		w.api.Tokens.(*rs.JWT).Audience = resource
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/mcp" {
				inner.ServeHTTP(rw, r)
				return
			}
			document.ServeHTTP(rw, r)
		}))
		config := w.config()
		if set {
			config.Resource = resource
		}
		if err := ask(t, w, newHandler(t, config)); (err == nil) != set {
			t.Errorf("Config.Resource %t: %v", set, err)
		}
		for _, form := range w.forms(issuertest.TokenEndpoint) {
			if form.Get("resource") != resource {
				t.Errorf("resource is %q", form.Get("resource"))
			}
		}
	}
}

// TestMetadataElsewhere: metadata at another origin is rejected, also if it names the MCP server.
func TestMetadataElsewhere(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	elsewhere := httptest.NewServer(&rs.Metadata{Resource: w.url, AuthorizationServers: []string{w.issuer.URL}})
	defer elsewhere.Close()
	w.api.ResourceMetadata = elsewhere.URL + "/.well-known/oauth-protected-resource/mcp"
	if err := ask(t, w, newHandler(t, w.config())); err == nil {
		t.Error("accepted")
	}
	w.wantLogins(t, 0)
}

// TestGrantWithoutPKCE: a grant without a code needs no S256.
func TestGrantWithoutPKCE(t *testing.T) {
	w := newWorld(t, issuertest.Config{Metadata: map[string]any{"code_challenge_methods_supported": nil}})
	config := w.config()
	config.Client, config.Grant = nil, grant.ClientCredentials
	config.Registered = func(string) (client.Config, bool) {
		return client.Config{ClientID: issuertest.ClientID, Auth: auth.Secret(issuertest.ClientSecret)}, true
	}
	if err := ask(t, w, newHandler(t, config)); err != nil {
		t.Error(err)
	}
	w.wantLogins(t, 0)
}

// TestOwnServer: an MCP server of revision 2025-03-26 is its own authorization server. Without
// metadata its endpoints are used only if InsecureNoS256 names it.
func TestOwnServer(t *testing.T) {
	for _, test := range []struct {
		name            string
		metadata, named bool
		want            bool
	}{
		{"metadata", true, false, true}, {"none", false, false, false}, {"none, and named", false, true, true},
	} {
		var issuer *issuertest.Issuer
		w := newWorld(t, issuertest.Config{})
		inner := w.serve()
		w.api.ResourceMetadata = ""
		w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			known := strings.HasPrefix(r.URL.Path, "/.well-known/")
			switch {
			case r.URL.Path == "/mcp":
				inner.ServeHTTP(rw, r)
			case known && (!test.metadata || strings.Contains(r.URL.Path, "protected-resource")):
				http.NotFound(rw, r)
			default:
				issuer.ServeHTTP(rw, r)
			}
		}))
		var err error
		if issuer, err = issuertest.NewHandler(issuertest.Config{Issuer: w.origin(), Now: w.issuer.Now}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(issuer.Close)
		keys := &discovery.Provider{Issuer: w.origin(), Static: &discovery.Metadata{Issuer: w.origin(), JWKSURI: w.origin() + string(issuertest.JWKSEndpoint)}}
		w.api.Tokens.(*rs.JWT).Issuer, w.api.Tokens.(*rs.JWT).Keys = w.origin(), keys.Keys()
		config := w.config()
		config.Trusted = func(_ context.Context, asked string) bool { return asked == w.origin() }
		if test.named {
			config.InsecureNoS256 = []string{w.origin()}
		}
		h := newHandler(t, config)
		session, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient(), DisableStandaloneSSE: true})
		if (err == nil) != test.want {
			t.Errorf("%s: %v", test.name, err)
		}
		if err != nil {
			w.wantLogins(t, 0)
			continue
		}
		if _, err := call(t, session, "list"); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		w.wantLogins(t, 1)
	}
}

// TestStoredTokenFirst: with Config.Endpoint the first request of the next run has the token.
func TestStoredTokenFirst(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	config := w.config()
	config.Store, config.Endpoint = &store{}, w.url
	connect(t, w, newHandler(t, config))
	inner := w.serve()
	var without []string
	w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp" && r.Header.Get("Authorization") == "" {
			without = append(without, r.Method)
		}
		inner.ServeHTTP(rw, r)
	}))
	mustCall(t, connect(t, w, newHandler(t, config)), "list", "list for alice with photos.read offline_access")
	if !slices.Equal(without, nil) {
		t.Errorf("requests without a token: %q", without)
	}
}

// TestToolWithoutScopes: a tool with an empty list needs a valid token only.
func TestToolWithoutScopes(t *testing.T) {
	w, _ := guarded(t)
	if status, _, _ := w.post(t, w.token(), callList); status != 200 {
		t.Errorf("%d", status)
	}
	if status, _, _ := w.post(t, "canary-token", callList); status != 401 {
		t.Errorf("an invalid token: %d", status)
	}
}

// TestScopeNeverEnough: the MCP server requires a scope that the last login requested. The call
// fails without another login.
func TestScopeNeverEnough(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	inner := w.serve()
	w.replace(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mcp" && r.Header.Get("Authorization") != "" {
			rw.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="photos.write"`)
			rw.WriteHeader(http.StatusForbidden)
			return
		}
		inner.ServeHTTP(rw, r)
	}))
	h := newHandler(t, w.config())
	if err := ask(t, w, h); err != nil { // the first login, with photos.read
		t.Fatal(err)
	}
	for i := range 4 {
		err := ask(t, w, h)
		var challenge *tokens.ChallengeError
		if i > 0 && (!errors.As(err, &challenge) || challenge.Code != tokens.InsufficientScope) {
			t.Errorf("%d: %v", i, err)
		}
		w.issuer.Advance(6 * time.Second)
	}
	w.wantLogins(t, 2)
}
