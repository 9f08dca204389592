package internal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// remedied is an error with the settings that its text must contain, as fields of types or
// functions.
type remedied struct {
	err   func(t *testing.T) error
	texts []string // other text of the error
	names map[string]any
}

// TestErrorsNameTheRemedy: if a setting can fix an error, the error contains its name, and the
// setting exists.
func TestErrorsNameTheRemedy(t *testing.T) {
	const metadata, jwks = "/.well-known/openid-configuration", "/jwks"
	for name, test := range map[string]remedied{
		"another issuer": {metadataErr(metadata, answerJSON(`{"issuer":"https://identity.example/"}`)), []string{`"https://identity.example/"`},
			map[string]any{"DiscoveryURL": client.Config{}, "URL": discovery.Provider{}, "Issuer": client.Config{}}},
		"Entra ID's common": {metadataErr(metadata, answerJSON(`{"issuer":"https://login.example/{tenantid}/v2.0"}`)), nil, map[string]any{"EntraTenants": client.EntraTenants}},
		"no metadata":       {metadataErr(metadata, answerStatus(404)), []string{"404"}, map[string]any{"DiscoveryURL": client.Config{}, "Issuer": client.Config{}}},
		"metadata is forbidden": {metadataErr(metadata, answerStatus(403)), []string{"403", "credentials"},
			map[string]any{"HTTP": discovery.Provider{}, "Static": discovery.Provider{}, "Metadata": client.Config{}}},
		"metadata needs authentication": {metadataErr(metadata, answerStatus(401)), []string{"401", "credentials"}, map[string]any{"HTTP": client.Config{}}},
		"a redirect": {metadataErr(metadata, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://login.example/sso?x=canary", http.StatusFound)
		}), []string{"https://login.example/sso"}, map[string]any{"DiscoveryURL": client.Config{}}},
		"a page": {metadataErr(metadata, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }),
			[]string{"text/html"}, map[string]any{"Static": discovery.Provider{}, "Metadata": client.Config{}}},
		"http": {func(*testing.T) error { return discovery.CheckIssuer("http://keycloak:8080") }, nil,
			map[string]any{"InsecureHTTP": discovery.Provider{}}},
		"a private address": {func(t *testing.T) error {
			s := optest.New(t)
			_, err := (&discovery.Provider{Issuer: s.URL, UntrustedIssuer: true}).Metadata(t.Context())
			return err
		}, nil, map[string]any{"discovery.Dialer": discovery.Dialer{}, "Allow": discovery.Dialer{}, "HTTP": discovery.Provider{}}},
		"keys are forbidden":    {keysErr(jwks, answerStatus(403)), []string{"403"}, map[string]any{"StaticKeys": discovery.StaticKeys, "HTTP": discovery.Provider{}}},
		"no keys":               {keysErr(jwks, answerStatus(404)), []string{"404"}, map[string]any{"StaticKeys": discovery.StaticKeys, "KeysAt": discovery.KeysAt}},
		"keys are a page":       {keysErr(jwks, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Type", "text/html") }), []string{"text/html"}, map[string]any{"StaticKeys": discovery.StaticKeys}},
		"keys are redirected":   {keysErr(jwks, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }), []string{"/keys"}, map[string]any{"StaticKeys": discovery.StaticKeys}},
		"iat ahead":             {idTokenErr(map[string]any{"iat": time.Now().Unix() + 120}, idtoken.Expected{}), []string{"behind"}, map[string]any{"Skew": client.Config{}}},
		"the local clock ahead": {idTokenErr(map[string]any{"exp": time.Now().Unix() - 120}, idtoken.Expected{Date: time.Now().Add(-time.Hour)}), []string{"ahead of the server", "Date header"}, map[string]any{"Skew": idtoken.Verifier{}}},
		"too old":               {idTokenErr(map[string]any{"iat": time.Now().Unix() - 90000}, idtoken.Expected{}), nil, map[string]any{"IssuedWithin": idtoken.Verifier{}}},
		"no nonce":              {idTokenErr(nil, idtoken.Expected{Nonce: "n"}), nil, map[string]any{"InsecureMissingNonce": client.Config{}}},
		"another audience":      {idTokenErr(map[string]any{"aud": []string{"rp", "p"}, "azp": "rp"}, idtoken.Expected{}), nil, map[string]any{"TrustedAudiences": client.Config{}}},
		"another party":         {idTokenErr(map[string]any{"azp": "p"}, idtoken.Expected{}), nil, map[string]any{"AuthorizedParties": client.Config{}}},
		"another iss":           {idTokenErr(map[string]any{"iss": "https://other.example"}, idtoken.Expected{}), nil, map[string]any{"IssuerAlias": client.Config{}}},
		"too large":             {idTokenErr(map[string]any{"groups": strings.Repeat("x", 17<<10)}, idtoken.Expected{}), nil, map[string]any{"MaxSize": client.Config{}}},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.err(t)
			if err == nil {
				t.Fatal("no error")
			}
			for _, text := range test.texts {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("no %q in %v", text, err)
				}
			}
			for setting, in := range test.names {
				if !strings.Contains(err.Error(), setting) {
					t.Errorf("no %s in %v", setting, err)
				}
				if typ := reflect.TypeOf(in); typ.Kind() == reflect.Struct && typ.String() != setting {
					if _, ok := typ.FieldByName(setting); !ok {
						t.Errorf("%v has no field %s", typ, setting)
					}
				}
			}
			if strings.Contains(err.Error(), "canary") {
				t.Errorf("a secret is in %v", err)
			}
		})
	}
}

func answerJSON(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(body))
	}
}

func answerStatus(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, status, map[string]any{"kind": "Status", "reason": "Forbidden"})
	}
}

// metadataErr returns the error of a login at a server that answers path with h.
func metadataErr(path string, h http.HandlerFunc) func(*testing.T) error {
	return func(t *testing.T) error {
		s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == path {
				h(w, r)
			}
		}))
		t.Cleanup(s.Close)
		c, err := client.New(client.Config{Issuer: s.URL, ClientID: "rp", Auth: auth.SecretPost("canary-secret"), RedirectURL: "https://rp.example/cb", HTTP: s.Client()})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Begin(context.Background(), client.Request{})
		return err
	}
}

// keysErr returns the error for a token whose server answers path with h.
func keysErr(path string, h http.HandlerFunc) func(*testing.T) error {
	return func(t *testing.T) error {
		s := optest.New(t)
		s.Replace(path, h)
		_, err := (&discovery.Provider{Issuer: s.URL}).Keys().VerifySignature(t.Context(), s.Keys[0].Sign(map[string]any{}, nil))
		return err
	}
}

// idTokenErr returns the error for an ID token with these additional claims.
func idTokenErr(claims map[string]any, want idtoken.Expected) func(*testing.T) error {
	return func(t *testing.T) error {
		key := optest.NewKey("k", "RS256")
		keys, err := discovery.StaticKeys(optest.JWKS(key))
		if err != nil {
			t.Fatal(err)
		}
		now := time.Now().Unix()
		all := map[string]any{"iss": "https://as.example", "sub": "alice", "aud": "rp", "exp": now + 300, "iat": now}
		for name, value := range claims {
			all[name] = value
		}
		_, err = (&idtoken.Verifier{Issuer: "https://as.example", ClientID: "rp", Keys: keys}).Verify(t.Context(), key.Sign(all, nil), want)
		return err
	}
}

// TestRemedyWorks: with the setting in the error about another issuer a login succeeds.
func TestRemedyWorks(t *testing.T) {
	var s *httptest.Server
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		optest.JSON(w, 200, map[string]any{
			"issuer": "https://identity.example/", "authorization_endpoint": s.URL + "/a", "token_endpoint": s.URL + "/t",
			"jwks_uri": s.URL + "/k", "response_types_supported": []string{"code"},
		})
	}))
	defer s.Close()
	c, err := client.New(client.Config{
		Issuer: "https://identity.example/", DiscoveryURL: s.URL + "/.well-known/openid-configuration",
		ClientID: "rp", Auth: auth.SecretPost("canary-secret"), RedirectURL: "https://rp.example/cb", HTTP: s.Client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Begin(t.Context(), client.Request{}); err != nil {
		t.Error(err)
	}
}
