package crossapp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/crossapp"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

const resource = "https://api.chat.example/"

// server is an authorization server whose token endpoint the test answers.
type server struct {
	url    string
	issuer *issuertest.Issuer // its metadata and keys
	forms  []url.Values
	proofs []string // the thumbprints of the keys of the DPoP proofs, "" for a request without one
	answer func(form url.Values) (status int, body map[string]any)
}

func newServer(t *testing.T, metadata map[string]any) *server {
	s := &server{}
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != string(issuertest.TokenEndpoint) {
			s.issuer.ServeHTTP(w, r)
			return
		}
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		s.forms, s.proofs = append(s.forms, r.PostForm), append(s.proofs, thumbprint(t, r))
		status, body := s.answer(r.PostForm)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(body)
	}))
	t.Cleanup(listener.Close)
	issuer, err := issuertest.NewHandler(issuertest.Config{Issuer: listener.URL, Metadata: metadata})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	s.url, s.issuer = listener.URL, issuer
	return s
}

func (s *server) client(t *testing.T, id string) *client.Client { return s.boundClient(t, id, nil) }

func (s *server) boundClient(t *testing.T, id string, dpop *client.DPoP) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Issuer: s.url, ClientID: id, Auth: auth.Secret("canary-secret"), DPoP: dpop})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// world is an identity provider, and the authorization server of another application.
type world struct {
	idp, at *server
	app     crossapp.CrossApp
	claims  map[string]any // they replace those of the grant; nil removes a claim
	header  map[string]any
}

func newWorld(t *testing.T, metadata map[string]any) *world {
	w := &world{idp: newServer(t, nil), at: newServer(t, metadata), header: map[string]any{"typ": "oauth-id-jag+jwt"}}
	w.app = crossapp.CrossApp{
		IdP: w.idp.client(t, "app-at-idp"), At: w.at.client(t, "app-at-chat"), Resource: resource, Scopes: []string{"chat.read"},
		Subject: func(context.Context) (crossapp.Subject, error) {
			return crossapp.Subject{Token: "canary-id-token"}, nil
		},
	}
	w.idp.answer = func(form url.Values) (int, map[string]any) {
		return 200, map[string]any{"access_token": w.grant(form), "issued_token_type": crossapp.TokenType, "token_type": "N_A", "expires_in": 300}
	}
	w.at.answer = func(url.Values) (int, map[string]any) {
		return 200, map[string]any{"access_token": "canary-access", "token_type": "Bearer", "expires_in": 60, "refresh_token": "canary-refresh"}
	}
	return w
}

func (w *world) grant(form url.Values) string {
	claims := map[string]any{
		"iss": w.idp.url, "sub": "alice", "aud": form.Get("audience"), "client_id": "app-at-chat", "resource": form.Get("resource"),
		"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "jti": "1", "scope": form.Get("scope"),
	}
	for name, value := range w.claims {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	return w.idp.issuer.SignJWT(claims, w.header)
}

// TestFetch: the parameters of both requests. The result has no refresh token.
func TestFetch(t *testing.T) {
	w := newWorld(t, map[string]any{"authorization_grant_profiles_supported": []string{"x", crossapp.Profile}})
	issued, err := w.app.Fetch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if issued.AccessToken != "canary-access" || issued.RefreshToken != "" {
		t.Errorf("access token: %t, refresh token: %t", issued.AccessToken != "", issued.RefreshToken != "")
	}
	for name, want := range map[string]string{
		"grant_type":         "urn:ietf:params:oauth:grant-type:token-exchange",
		"subject_token_type": grant.IDTokenType, "requested_token_type": crossapp.TokenType,
		"audience": w.at.url, "resource": resource, "scope": "chat.read",
	} {
		if got := w.idp.forms[0].Get(name); got != want {
			t.Errorf("token exchange: %s is %q, want %q", name, got, want)
		}
	}
	form := w.at.forms[0]
	if form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || form.Get("resource") != resource || strings.Count(form.Get("assertion"), ".") != 2 {
		t.Errorf("JWT bearer: %q", form.Get("grant_type"))
	}
}

// TestGrant: a grant for another client, server or API, or one that is not valid, is not sent.
func TestGrant(t *testing.T) {
	for name, test := range map[string]struct {
		claims, header map[string]any
		want           string
	}{
		"typ":               {nil, map[string]any{"typ": "JWT"}, "typ"},
		"no typ":            {nil, map[string]any{"typ": nil}, "typ"},
		"aud":               {map[string]any{"aud": "https://other.example"}, nil, "aud"},
		"two aud":           {map[string]any{"aud": []string{"https://other.example", "x"}}, nil, "aud"},
		"no aud":            {map[string]any{"aud": nil}, nil, "aud"},
		"client_id":         {map[string]any{"client_id": "app-at-idp"}, nil, "client_id"},
		"no client_id":      {map[string]any{"client_id": nil}, nil, "client_id"},
		"resource":          {map[string]any{"resource": "https://other.example"}, nil, "resource"},
		"two resources":     {map[string]any{"resource": []string{resource, "https://other.example"}}, nil, "resource"},
		"no resource":       {map[string]any{"resource": nil}, nil, "InsecureMissingResource"},
		"iss":               {map[string]any{"iss": "https://other.example"}, nil, "iss"},
		"no sub":            {map[string]any{"sub": nil}, nil, "sub"},
		"no exp":            {map[string]any{"exp": nil}, nil, "exp"},
		"exp is over":       {map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}, nil, "exp"},
		"exp is text":       {map[string]any{"exp": "tomorrow"}, nil, "exp"},
		"no jti":            {map[string]any{"jti": nil}, nil, "jti"},
		"no iat":            {map[string]any{"iat": nil}, nil, "iat"},
		"bound to a key":    {map[string]any{"cnf": map[string]any{"jkt": "x"}}, nil, "cnf"},
		"aud and another":   {map[string]any{"aud": []any{"https://other.example", 1}}, nil, "aud"},
		"client_id is null": {map[string]any{"client_id": []string{"app-at-chat"}}, nil, "client_id"},
		"typ of a JWT":      {nil, map[string]any{"typ": "at+jwt"}, "typ"},
		"typ with a prefix": {nil, map[string]any{"typ": "application/oauth-id-jag+jwt"}, "typ"},
		"resource, another": {map[string]any{"resource": strings.TrimSuffix(resource, "/")}, nil, "resource"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.claims = test.claims
			if test.header != nil {
				w.header = test.header
			}
			_, err := w.app.Fetch(t.Context())
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "eyJ") {
				t.Error(err)
			}
			if len(w.at.forms) != 0 {
				t.Error("the grant was sent")
			}
		})
	}
	w := newWorld(t, nil)
	w.claims, w.app.InsecureMissingResource = map[string]any{"resource": nil}, true
	if _, err := w.app.Fetch(t.Context()); err != nil {
		t.Error(err)
	}
	for _, claims := range []map[string]any{
		{"aud": []string{w.at.url}}, {"resource": []string{resource}}, {"act": map[string]any{"sub": "agent"}, "auth_time": 1, "amr": []string{"mfa"}},
	} {
		w.claims = claims // a list of one is the same; other claims are the servers'
		if _, err := w.app.Fetch(t.Context()); err != nil {
			t.Errorf("%v: %v", claims, err)
		}
	}
}

// TestAudiences: aud has exactly one element, the server.
// draft-ietf-oauth-identity-assertion-authz-grant §4.4.1.
func TestAudiences(t *testing.T) {
	for _, others := range [][2][]string{{{"https://other.example"}, nil}, {nil, {"https://other.example"}}} {
		w := newWorld(t, nil)
		w.claims = map[string]any{"aud": append(append(others[0], w.at.url), others[1]...)}
		if _, err := w.app.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "aud") || len(w.at.forms) != 0 {
			t.Errorf("%q: %v", w.claims["aud"], err)
		}
	}
}

// TestIssued: a response of the identity provider that is not a grant.
func TestIssued(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"another type":     {"issued_token_type": grant.AccessTokenType},
		"no type":          {"issued_token_type": nil},
		"a refresh token":  {"issued_token_type": grant.RefreshTokenType},
		"no JWT":           {"access_token": "canary-opaque"},
		"no token":         {"access_token": nil},
		"encrypted":        {"access_token": "a.b.c.d.e"},
		"without a header": {"access_token": ".e30.x"},
	} {
		w := newWorld(t, nil)
		inner := w.idp.answer
		w.idp.answer = func(form url.Values) (int, map[string]any) {
			status, answer := inner(form)
			for member, value := range change {
				if answer[member] = value; value == nil {
					delete(answer, member)
				}
			}
			return status, answer
		}
		var step *client.Error
		_, err := w.app.Fetch(t.Context())
		if !errors.As(err, &step) || len(w.at.forms) != 0 || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v, %d requests to the server", name, err, len(w.at.forms))
		}
	}
}

// TestOldIDToken: RFC 8693 §2.2.2 has one code for every token that is rejected. If the ID token
// has expired, the user signs in again.
func TestOldIDToken(t *testing.T) {
	for old, want := range map[bool]bool{true: true, false: false} {
		w := newWorld(t, nil)
		expiry := time.Now().Add(time.Hour)
		if old {
			expiry = time.Now().Add(-time.Second)
		}
		raw := w.idp.issuer.SignJWT(map[string]any{"sub": "alice", "exp": expiry.Unix()}, nil)
		w.app.Subject = func(context.Context) (crossapp.Subject, error) { return crossapp.Subject{Token: raw}, nil }
		w.idp.answer = func(url.Values) (int, map[string]any) { return 400, map[string]any{"error": "invalid_request"} }
		if _, err := w.app.Fetch(t.Context()); errors.Is(err, tokens.ErrLoginRequired) != want {
			t.Errorf("expired %t: %v", old, err)
		}
	}
}

// TestRefreshTokenAsSubject: the type that the application names is sent.
// draft-ietf-oauth-identity-assertion-authz-grant §4.3.2.
func TestRefreshTokenAsSubject(t *testing.T) {
	w := newWorld(t, nil)
	w.app.Subject = func(context.Context) (crossapp.Subject, error) {
		return crossapp.Subject{Token: "canary-refresh", Type: grant.RefreshTokenType}, nil
	}
	if _, err := w.app.Fetch(t.Context()); err != nil || w.idp.forms[0].Get("subject_token_type") != grant.RefreshTokenType {
		t.Errorf("%v, %s", err, w.idp.forms[0].Get("subject_token_type"))
	}
	for _, err := range []error{errors.New("no session"), tokens.ErrLoginRequired} {
		w.app.Subject = func(context.Context) (crossapp.Subject, error) { return crossapp.Subject{}, err }
		if _, got := w.app.Fetch(t.Context()); !errors.Is(got, err) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

// TestLoginRequired: the error codes that mean that the user must sign in again.
func TestLoginRequired(t *testing.T) {
	for _, test := range []struct {
		where, code string
		want        bool
	}{
		{"idp", "invalid_grant", true}, {"idp", "insufficient_user_authentication", true}, {"idp", "login_required", true},
		{"idp", "access_denied", false}, {"idp", "invalid_target", false}, {"idp", "invalid_client", false},
		{"at", "insufficient_user_authentication", true}, {"at", "invalid_grant", false}, {"at", "invalid_client", false},
	} {
		w := newWorld(t, nil)
		refuse := func(url.Values) (int, map[string]any) { return 400, map[string]any{"error": test.code} }
		if test.where == "idp" {
			w.idp.answer = refuse
		} else {
			w.at.answer = refuse
		}
		source, err := w.app.Source()
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Tokens(t.Context())
		var step *client.Error
		if errors.Is(err, tokens.ErrLoginRequired) != test.want || !errors.As(err, &step) {
			t.Errorf("%s, %s: %v", test.where, test.code, err)
		}
	}
}

// TestSource: one token is used until shortly before it expires. Then a new grant is fetched.
func TestSource(t *testing.T) {
	w := newWorld(t, nil)
	source, err := w.app.Source()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := source.Tokens(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(w.idp.forms) != 1 || len(w.at.forms) != 1 {
		t.Errorf("%d grants, %d access tokens", len(w.idp.forms), len(w.at.forms))
	}
	w.at.answer = func(url.Values) (int, map[string]any) {
		return 200, map[string]any{"access_token": fmt.Sprint("canary-", len(w.at.forms)), "token_type": "Bearer", "expires_in": 1}
	}
	source, _ = w.app.Source()
	source.Tokens(t.Context())
	time.Sleep(1100 * time.Millisecond)
	if got, err := source.Tokens(t.Context()); err != nil || got.AccessToken != "canary-3" || len(w.idp.forms) != 3 {
		t.Errorf("%d grants, %v", len(w.idp.forms), err)
	}
}

// TestServer: no request is sent if the server's metadata lists other profiles only.
func TestServer(t *testing.T) {
	w := newWorld(t, map[string]any{"authorization_grant_profiles_supported": []string{"urn:example:other"}})
	if _, err := w.app.Fetch(t.Context()); err == nil || !strings.Contains(err.Error(), "authorization_grant_profiles_supported") || len(w.idp.forms) != 0 {
		t.Errorf("%v", err)
	}
}

// TestIdP: no request is sent to an identity provider that lists other types of tokens.
// draft-ietf-oauth-identity-assertion-authz-grant §7.
func TestIdP(t *testing.T) {
	for _, types := range [][]string{{crossapp.TokenType}, {"x", crossapp.TokenType}, nil, {"urn:example:other"}} {
		w := newWorld(t, nil)
		w.idp = newServer(t, map[string]any{"identity_chaining_requested_token_types_supported": types})
		w.idp.answer = func(form url.Values) (int, map[string]any) {
			return 200, map[string]any{"access_token": w.grant(form), "issued_token_type": crossapp.TokenType, "token_type": "N_A"}
		}
		w.app.IdP = w.idp.client(t, "app-at-idp")
		_, err := w.app.Fetch(t.Context())
		if other := len(types) == 1 && types[0] != crossapp.TokenType; (err != nil) != other || other && len(w.idp.forms) != 0 {
			t.Errorf("%q: %v", types, err)
		}
	}
}

// TestConfig: missing fields are rejected. One issuer for both clients is also rejected, because
// then no grant is needed.
func TestConfig(t *testing.T) {
	w := newWorld(t, nil)
	for _, change := range []func(*crossapp.CrossApp){
		func(a *crossapp.CrossApp) { a.IdP = nil }, func(a *crossapp.CrossApp) { a.At = nil },
		func(a *crossapp.CrossApp) { a.Resource = "" }, func(a *crossapp.CrossApp) { a.Subject = nil },
		func(a *crossapp.CrossApp) { a.At = a.IdP },
	} {
		app := w.app
		change(&app)
		if _, err := app.Source(); err == nil {
			t.Error("accepted")
		}
		if _, err := app.Fetch(t.Context()); err == nil {
			t.Error("accepted")
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", crossapp.Subject{Token: "canary-id-token"}, crossapp.Subject{Token: "canary-id-token"}, crossapp.Subject{Token: "canary-id-token"}); strings.Contains(text, "canary") {
		t.Error("a Subject prints its token")
	}
}
