package registration_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

type m = map[string]any

func registrar(s *optest.Server) *registration.Registrar {
	return &registration.Registrar{Server: &discovery.Provider{Issuer: s.URL}, InitialAccessToken: optest.InitialToken}
}

func app() registration.Metadata {
	maxAge := int64(0)
	return registration.Metadata{
		RedirectURIs: []string{optest.RedirectURL}, ClientName: "An app", PostLogoutRedirects: []string{"https://rp.example/bye"},
		GrantTypes: []string{"authorization_code", "refresh_token"}, Scope: "openid photos.read", DefaultMaxAge: &maxAge, SoftwareStatement: "canary.software.statement",
		Extra: m{"client_name#fr": "Une appli"},
	}
}

func register(t *testing.T, s *optest.Server, metadata registration.Metadata) *registration.Registered {
	t.Helper()
	got, err := registrar(s).Register(t.Context(), metadata)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestRegister registers a client and signs a user in with it. RFC 7591 §3.
func TestRegister(t *testing.T) {
	for _, method := range []string{"", "client_secret_post", "none"} {
		s := optest.New(t)
		metadata := app()
		metadata.TokenEndpointAuthMethod = method
		got := register(t, s, metadata)
		if len(got.Changed) > 0 || !reflect.DeepEqual(got.Metadata, metadata) || got.IssuedAt.IsZero() || !got.SecretExpiry.IsZero() {
			t.Errorf("%q: %+v, changed %q", method, got.IssuedAt, got.Changed)
		}
		config := got.Config(&discovery.Provider{Issuer: s.URL}, nil)
		if config.RedirectURL != optest.RedirectURL || config.PostLogoutRedirectURL != "https://rp.example/bye" || !slices.Equal(config.Scopes, []string{"openid", "photos.read"}) {
			t.Errorf("%q: another configuration", method)
		}
		s.EditID = func(claims map[string]any) { claims["aud"] = got.ClientID }
		c, err := client.New(config)
		if err != nil {
			t.Fatal(method, err)
		}
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil {
			t.Fatal(method, err)
		}
		if _, err := c.Finish(t.Context(), pending, s.Visit(t, redirect)); err != nil {
			t.Error(method, err)
		}
	}
}

// TestManage reads, updates and deletes a registration, with the new secret and token of each
// response. RFC 7592 §2.
func TestManage(t *testing.T) {
	s := optest.New(t)
	r := registrar(s)
	first := register(t, s, app())
	seen, err := r.Read(t.Context(), first)
	if err != nil {
		t.Fatal(err)
	}
	if seen.ClientSecret != first.ClientSecret || seen.AccessToken != first.AccessToken || seen.URI != first.URI || len(seen.Changed) > 0 {
		t.Error("what the server did not repeat is gone")
	}
	seen.Metadata.ClientName = "Another name"
	changed, err := r.Update(t.Context(), seen)
	if err != nil {
		t.Fatal(err)
	}
	if changed.Metadata.ClientName != "Another name" || changed.AccessToken == first.AccessToken || changed.Metadata.Extra["client_name#fr"] != "Une appli" {
		t.Error("the client was not changed, or the new token is not kept")
	}
	var refused *registration.Error
	if _, err := r.Read(t.Context(), first); !errors.As(err, &refused) || refused.Status != 401 || refused.Code != "invalid_token" {
		t.Errorf("with the old token: %v", err)
	}
	if err := r.Delete(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), changed); err == nil {
		t.Error("it is still there")
	}
	if err := r.Delete(t.Context(), changed); err == nil {
		t.Error("deleted twice")
	}
}

// TestEmptyKeySet: an update works at a server that returns an empty key set for a client without
// keys. A registered key set is kept.
func TestEmptyKeySet(t *testing.T) {
	for jwks, kept := range map[string]bool{`{}`: false, `{"keys":[]}`: false, `{"keys":[{"kty":"OKP"}]}`: true} {
		s := optest.New(t)
		s.Registration = func(members map[string]any) {
			delete(members, "jwks_uri")
			members["jwks"] = json.RawMessage(jwks)
		}
		r := registrar(s)
		seen, err := r.Read(t.Context(), register(t, s, app()))
		if err != nil {
			t.Fatal(err)
		}
		if (seen.Metadata.JWKS != nil) != kept {
			t.Errorf("%s: read %s", jwks, seen.Metadata.JWKS)
		}
		if _, err := r.Update(t.Context(), seen); err != nil {
			t.Errorf("%s: %v", jwks, err)
		}
	}
}

// TestAnswers: which responses are accepted, and which are rejected. RFC 7591 §3.2.1.
func TestAnswers(t *testing.T) {
	for _, test := range []struct {
		name    string
		edit    m // a nil value removes a member
		changed []string
		lenient bool
		ok      bool
	}{
		{name: "as sent", ok: true},
		{name: "a secret without its end, as configured", edit: m{"client_secret_expires_at": nil}, lenient: true, ok: true},
		{name: "an end that is negative, all the same", edit: m{"client_secret_expires_at": -1}, lenient: true},
		{name: "more members", edit: m{"subject_type": "pairwise", "x": m{"y": 1}}, ok: true},
		{name: "sets in another order", edit: m{"grant_types": []string{"refresh_token", "authorization_code"}, "scope": "photos.read openid"}, ok: true},
		{name: "one grant less", edit: m{"grant_types": []string{"refresh_token"}}, changed: []string{"grant_types"}, ok: true},
		{name: "one scope less", edit: m{"scope": "openid"}, changed: []string{"scope"}, ok: true},
		{name: "the scope as a list", edit: m{"scope": []string{"openid", "photos.read"}}, changed: []string{"scope"}, ok: true},
		{name: "other addresses", edit: m{"redirect_uris": []string{"https://evil.example"}}, changed: []string{"redirect_uris"}, ok: true},
		{name: "no addresses, another name", edit: m{"redirect_uris": nil, "client_name": "x"}, changed: []string{"client_name", "redirect_uris"}, ok: true},
		{name: "addresses of the wrong type", edit: m{"redirect_uris": "x"}, changed: []string{"redirect_uris"}, ok: true},
		{name: "null members", edit: m{"logo_uri": json.RawMessage("null")}, ok: true},
		{name: "no secret", edit: m{"client_secret": nil, "client_secret_expires_at": nil}, ok: true},
		{name: "no secret, and when it expires", edit: m{"client_secret": nil}, ok: true},

		{name: "a secret that expires", edit: m{"client_secret_expires_at": 2000000000}, ok: true},
		{name: "times with a fraction", edit: m{"client_id_issued_at": json.RawMessage("1732286400.0"), "client_secret_expires_at": json.RawMessage("2e9")}, ok: true},
		{name: "no time of issue", edit: m{"client_id_issued_at": nil}, ok: true},
		{name: "not managed", edit: m{"registration_access_token": nil, "registration_client_uri": nil}, ok: true},
		{name: "no client_id", edit: m{"client_id": nil}},
		{name: "an empty client_id", edit: m{"client_id": ""}},
		{name: "a client_id with a line break", edit: m{"client_id": "a\nb"}},
		{name: "a number for a client_id", edit: m{"client_id": 1}},
		{name: "a secret without its end", edit: m{"client_secret_expires_at": nil}},
		{name: "an end that is a string", edit: m{"client_secret_expires_at": "0"}},
		{name: "an end that is negative", edit: m{"client_secret_expires_at": -1}},
		{name: "a token with a line break", edit: m{"registration_access_token": "canary\r\nX: y"}},
		{name: "a token with a space", edit: m{"registration_access_token": "canary y"}},
		{name: "an endless secret", edit: m{"client_secret": strings.Repeat("canary", 2000)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Registration = func(members map[string]any) {
				for name, value := range test.edit {
					members[name] = value
					if value == nil {
						delete(members, name)
					}
				}
			}
			r := registrar(s)
			r.MissingSecretExpiry = test.lenient
			got, err := r.Register(t.Context(), app())
			if (err == nil) != test.ok || err == nil && !slices.Equal(got.Changed, test.changed) {
				t.Errorf("got %v, %v", got, err)
			}
			if err != nil {
				noCanary(t, err.Error())
			}
		})
	}
}

// TestDeleted: 204 is required by RFC 7592 §2.3; 200 is accepted too.
func TestDeleted(t *testing.T) {
	for status, deleted := range map[int]bool{204: true, 200: true, 202: false, 403: false, 405: false, 500: false} {
		s := optest.New(t)
		r := registrar(s)
		got, err := r.Register(t.Context(), app())
		if err != nil {
			t.Fatal(err)
		}
		s.Replace("/registered", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		if err := r.Delete(t.Context(), got); (err == nil) != deleted {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

// TestRefusals: errors of the server, and invalid responses.
func TestRefusals(t *testing.T) {
	for _, test := range []struct {
		name        string
		status      int
		contentType string
		body        string
		code        string
		temporary   bool
	}{
		{"redirect_uris", 400, "application/json", `{"error":"invalid_redirect_uri","error_description":"canary-initial-token and canary.software.statement"}`, registration.InvalidRedirectURI, false},
		{"metadata", 400, "application/json", `{"error":"invalid_client_metadata"}`, registration.InvalidClientMetadata, false},
		{"statement", 400, "application/json", `{"error":"invalid_software_statement"}`, registration.InvalidSoftwareStatement, false},
		{"unapproved", 400, "application/json", `{"error":"unapproved_software_statement"}`, registration.UnapprovedSoftwareStatement, false},
		{"later", 503, "text/html", `<p>`, "", true},
		{"text", 201, "text/plain", `{"client_id":"x"}`, "", false},
		{"an array", 201, "application/json", `[]`, "", false},
		{"cut off", 201, "application/json", `{"client_id":"x"`, "", false},
		{"twice", 201, "application/json", `{"client_id":"x","client_id":"y"}`, "", false},
		{"another case", 201, "application/json", `{"Client_ID":"x"}`, "", false},
		{"an error with status 201", 201, "application/json", `{"error":"invalid_client_metadata"}`, "", false},
		{"202", 202, "application/json", `{"client_id":"x"}`, "", false},
		{"a redirect", 307, "", "", "", false},
		{"too large", 201, "application/json", `{"client_id":"x","y":"` + strings.Repeat("y", 1<<20) + `"}`, "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := optest.New(t)
			s.Replace("/register", func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.contentType)
				w.Header().Set("Location", s.URL+"/registered")
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			})
			got, err := registrar(s).Register(t.Context(), app())
			var e *registration.Error
			if got != nil || !errors.As(err, &e) || e.Code != test.code || e.Status != test.status || e.Temporary() != test.temporary {
				t.Errorf("got %v, %v", got, err)
			}
			if s.Hits("/register") != 1 || s.Hits("/registered") != 0 {
				t.Error("the request was not sent once")
			}
			noCanary(t, err.Error()+e.Description)
		})
	}
}

// TestConfig: the registered method decides the client authentication. An unknown method leads to
// none.
func TestConfig(t *testing.T) {
	key := auth.SigningKey{Key: optest.NewKey("a", "ES256").Private}
	server := &discovery.Provider{Issuer: "https://as.example", URL: "https://as.example/metadata"}
	for _, method := range []string{"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"} {
		r := &registration.Registered{ClientID: "x", ClientSecret: strings.Repeat("canary", 8), Metadata: registration.Metadata{
			TokenEndpointAuthMethod: method, RedirectURIs: []string{optest.RedirectURL}, IDTokenSignedResponseAlg: "ES256",
		}}
		config := r.Config(server, key)
		config.HTTP = &http.Client{Transport: http.DefaultTransport}
		if _, err := client.New(config); err != nil || config.Auth.Name() != method || config.DiscoveryURL != server.URL || !slices.Equal(config.IDTokenAlgs, []string{"ES256"}) {
			t.Errorf("%s: %v", method, err)
		}
	}
	for name, r := range map[string]registration.Registered{
		"a method that is not known": {ClientID: "x", Metadata: registration.Metadata{TokenEndpointAuthMethod: "magic"}},
		"no secret":                  {ClientID: "x"},
		"no key":                     {ClientID: "x", Metadata: registration.Metadata{TokenEndpointAuthMethod: "private_key_jwt"}},
		"alg none":                   {ClientID: "x", Metadata: registration.Metadata{TokenEndpointAuthMethod: "none", IDTokenSignedResponseAlg: "none"}},
	} {
		if _, err := client.New(r.Config(server, nil)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

// TestConfigKeepsTrust: the client has the same trust settings as the Provider.
func TestConfigKeepsTrust(t *testing.T) {
	r := &registration.Registered{ClientID: "x"}
	for _, set := range []bool{false, true} {
		server := &discovery.Provider{Issuer: "https://as.example", UntrustedIssuer: set, InsecureHTTP: set}
		for name, config := range map[string]client.Config{"Registered": r.Config(server, nil), "Document": document().Config(server, nil)} {
			if config.UntrustedIssuer != set || config.InsecureHTTP != set {
				t.Errorf("%s of %v: UntrustedIssuer %v, InsecureHTTP %v", name, set, config.UntrustedIssuer, config.InsecureHTTP)
			}
		}
	}
}

// TestKept encodes a registration as JSON, decodes it, and updates it.
func TestKept(t *testing.T) {
	s := optest.New(t)
	first := register(t, s, app())
	kept, err := json.Marshal(first)
	if err != nil {
		t.Fatal(err)
	}
	var back registration.Registered
	if err := json.Unmarshal(kept, &back); err != nil {
		t.Fatal(err)
	}
	if !back.IssuedAt.Equal(first.IssuedAt) || !reflect.DeepEqual(back.Metadata, first.Metadata) {
		t.Error("something was lost")
	}
	if _, err := registrar(s).Update(t.Context(), &back); err != nil {
		t.Error(err)
	}
}

// noCanary fails if text contains a secret.
func noCanary(t *testing.T, text string) {
	t.Helper()
	if i := strings.Index(text, "canary"); i >= 0 {
		t.Errorf("a secret is in %.200q", text[max(0, i-50):])
	}
}

// TestNothingPrintsASecret: LOG-01.
func TestNothingPrintsASecret(t *testing.T) {
	s := optest.New(t)
	r := registrar(s)
	got := register(t, s, app())
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{r, *r, got, *got, got.Metadata, &got.Metadata} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			noCanary(t, fmt.Sprintf(verb, v))
		}
		logger.Info("x", "v", v)
	}
	noCanary(t, log.String())
}

// TestOutage: the error of a server that is down is temporary.
func TestOutage(t *testing.T) {
	s := optest.New(t)
	r := registrar(s)
	if _, err := r.Server.Metadata(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Close()
	_, err := r.Register(t.Context(), app())
	var e *registration.Error
	if !errors.As(err, &e) || !e.Temporary() || e.Status != 0 {
		t.Errorf("got %v", err)
	}
}

// FuzzRegistration: a response is rejected, or has a client ID. An accepted one can be sent back
// in an update.
func FuzzRegistration(f *testing.F) {
	for _, seed := range []string{
		`{"client_id":"x"}`, `{"client_id":"x","client_secret":"y","client_secret_expires_at":0}`, `{"client_id":"x","redirect_uris":["a"],"scope":7,"extra":1}`,
		`{"client_id":"x","jwks":{"keys":[]},"Extra":{},"client_id_issued_at":1e3,"default_max_age":null}`, `{"client_id":""}`, `{"client_secret":"y"}`,
	} {
		f.Add([]byte(seed))
	}
	s := optest.New(f)
	r := registrar(s)
	f.Fuzz(func(t *testing.T, body []byte) {
		s.Replace("/register", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(201)
			w.Write(body)
		})
		got, err := r.Register(t.Context(), registration.Metadata{})
		if err != nil {
			return
		}
		var all map[string]any
		if json.Unmarshal(body, &all) != nil || all["client_id"] != got.ClientID || got.ClientID == "" {
			t.Errorf("%q names %q", body, got.ClientID)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Errorf("%q cannot be kept: %v", body, err)
		}
	})
}
