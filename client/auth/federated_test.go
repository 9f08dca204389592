package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

const asIssuer = "https://as.example"

// svids is a source of JWT-SVIDs. It issues for the requested audience.
type svids func(audience string) (string, error)

func (f svids) FetchJWTSVID(_ context.Context, audience string) (string, error) { return f(audience) }

var platform = optest.NewKey("platform", "RS256")

// platformToken is an assertion as a platform issues it. A nil value removes a claim.
func platformToken(edit map[string]any) string {
	claims := map[string]any{
		"iss": "https://platform.example", "sub": "spiffe://example.org/ns/default/sa/app", "aud": []string{asIssuer},
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "kubernetes.io": map[string]any{"namespace": "default"},
	}
	for name, value := range edit {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	return platform.Sign(claims, nil)
}

// authenticate returns the form that a method fills in.
func authenticate(t *testing.T, m auth.Method) (url.Values, error) {
	t.Helper()
	form := url.Values{}
	r := httptest.NewRequest(http.MethodPost, asIssuer+"/token", nil).WithContext(t.Context())
	err := m.For("app", asIssuer).Authenticate(r, form)
	return form, err
}

// TestFederatedFile reads the file for every request: the platform replaces it by a symbolic
// link, as Kubernetes does.
func TestFederatedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "token")
	m := auth.FederatedFile(path, auth.FederatedAssertion{})
	if _, err := authenticate(t, m); err == nil || !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("a file that is not there: %v", err)
	}
	for i := range 2 {
		token := platformToken(map[string]any{"jti": i})
		version := filepath.Join(dir, fmt.Sprint("version", i))
		link := filepath.Join(dir, "next")
		if err := errors.Join(os.WriteFile(version, []byte(token+"\n"), 0o600), os.Symlink(version, link), os.Rename(link, path)); err != nil {
			t.Fatal(err)
		}
		form, err := authenticate(t, m)
		if err != nil || form.Get("client_assertion") != token || form.Get("client_id") != "app" || len(form) != 3 ||
			form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := authenticate(t, auth.FederatedFile(dir, auth.FederatedAssertion{})); err == nil || !strings.Contains(err.Error(), "regular file") {
		t.Errorf("a directory: %v", err)
	}
}

// TestFederatedChecks: an assertion for another audience, or one that is not valid now, is not
// sent.
func TestFederatedChecks(t *testing.T) {
	big := strings.Repeat("x", 17<<10)
	unsigned := platformToken(nil)
	unsigned = optest.B64([]byte(`{"alg":"none"}`)) + unsigned[strings.IndexByte(unsigned, '.'):]
	for name, test := range map[string]struct {
		token string
		rules auth.FederatedAssertion
		says  string // "": accepted
	}{
		"good":                      {platformToken(nil), auth.FederatedAssertion{}, ""},
		"aud a string":              {platformToken(map[string]any{"aud": asIssuer}), auth.FederatedAssertion{}, ""},
		"space around it":           {" " + platformToken(nil) + "\n", auth.FederatedAssertion{}, ""},
		"a pinned audience":         {platformToken(map[string]any{"aud": auth.EntraTokenExchange}), auth.FederatedAssertion{Audience: auth.EntraTokenExchange}, ""},
		"large, as configured":      {platformToken(map[string]any{"groups": big}), auth.FederatedAssertion{MaxSize: 32 << 10}, ""},
		"large":                     {platformToken(map[string]any{"groups": big}), auth.FederatedAssertion{}, "FederatedAssertion.MaxSize"},
		"another audience":          {platformToken(map[string]any{"aud": "https://evil.example"}), auth.FederatedAssertion{}, "FederatedAssertion.Audience"},
		"the issuer, not as pinned": {platformToken(nil), auth.FederatedAssertion{Audience: auth.EntraTokenExchange}, "FederatedAssertion.Audience"},
		"two audiences":             {platformToken(map[string]any{"aud": []string{asIssuer, "https://evil.example"}}), auth.FederatedAssertion{}, "expected only"},
		"no audience":               {platformToken(map[string]any{"aud": nil}), auth.FederatedAssertion{}, "aud is missing"},
		"no end":                    {platformToken(map[string]any{"exp": nil}), auth.FederatedAssertion{}, "exp is missing"},
		"expired":                   {platformToken(map[string]any{"exp": time.Now().Unix() - 1}), auth.FederatedAssertion{}, "check why the platform does not renew"},
		"exp a string":              {platformToken(map[string]any{"exp": "9999999999"}), auth.FederatedAssertion{}, "is not usable"},
		"not signed":                {unsigned, auth.FederatedAssertion{}, "expected a signature"},
		"signed with a secret":      {optest.NewKey("x", "HS256").Sign(map[string]any{"aud": asIssuer, "exp": time.Now().Unix() + 60}, nil), auth.FederatedAssertion{}, "expected a signature"},
		"encrypted":                 {"a.b.c.d.e", auth.FederatedAssertion{}, "encrypted"},
		"empty":                     {"", auth.FederatedAssertion{}, "is not usable"},
		"not a JWT":                 {"canary-opaque", auth.FederatedAssertion{}, "is not usable"},
	} {
		file := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(file, []byte(test.token), 0o600); err != nil {
			t.Fatal(err)
		}
		for kind, m := range map[string]auth.Method{
			"file":   auth.FederatedFile(file, test.rules),
			"func":   auth.FederatedFunc(func(context.Context) (string, error) { return test.token, nil }, test.rules),
			"SPIFFE": auth.SPIFFE(svids(func(string) (string, error) { return test.token, nil }), test.rules),
		} {
			form, err := authenticate(t, m)
			if (err == nil) != (test.says == "") || err != nil && (!strings.Contains(err.Error(), test.says) || len(form) > 0) {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
			if err != nil && (strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "canary")) {
				t.Errorf("%s, %s: the assertion is in the error", kind, name)
			}
		}
	}
}

// TestSPIFFE: the source gets the audience (draft-ietf-oauth-spiffe-client-auth).
func TestSPIFFE(t *testing.T) {
	var asked string
	m := auth.SPIFFE(svids(func(audience string) (string, error) {
		asked = audience
		return platformToken(map[string]any{"aud": audience}), nil
	}), auth.FederatedAssertion{})
	form, err := authenticate(t, m)
	if err != nil || asked != asIssuer || form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-spiffe" {
		t.Errorf("asked for %q: %v", asked, err)
	}
	m = auth.SPIFFE(svids(func(string) (string, error) { return platformToken(map[string]any{"sub": "app"}), nil }), auth.FederatedAssertion{})
	if _, err := authenticate(t, m); err == nil || !strings.Contains(err.Error(), "SPIFFE ID") {
		t.Errorf("a subject that is no SPIFFE ID: %v", err)
	}
}

// TestFederatedSourceFails: a platform that does not answer fails the request, with a reason.
func TestFederatedSourceFails(t *testing.T) {
	down := errors.New("the metadata service is down")
	form, err := authenticate(t, auth.FederatedFunc(func(context.Context) (string, error) { return "", down }, auth.FederatedAssertion{}))
	if !errors.Is(err, down) || len(form) > 0 {
		t.Error(err)
	}
	_, err = authenticate(t, auth.FederatedFunc(func(ctx context.Context) (string, error) {
		if at, ok := ctx.Deadline(); !ok || time.Until(at) > 10*time.Second {
			t.Error("the source has no deadline")
		}
		return "", ctx.Err()
	}, auth.FederatedAssertion{}))
	if err == nil {
		t.Error("an empty assertion was sent")
	}
	for name, m := range map[string]auth.Method{
		"no path": auth.FederatedFile("", auth.FederatedAssertion{}), "no function": auth.FederatedFunc(nil, auth.FederatedAssertion{}),
		"no source": auth.SPIFFE(nil, auth.FederatedAssertion{}), "too large": auth.FederatedFile("x", auth.FederatedAssertion{MaxSize: 1 << 20}),
	} {
		if m.Check("app") == nil {
			t.Errorf("%s: accepted", name)
		}
		if _, err := authenticate(t, m); err == nil {
			t.Errorf("%s: sent", name)
		}
	}
}

// TestAssertionEndpoints: the assertions for the endpoints in Assertion.Endpoints have the
// endpoint as aud. Others have the issuer. TE-09.
func TestAssertionEndpoints(t *testing.T) {
	key := optest.NewKey("rp", "RS256")
	set, err := jose.ParseSet(optest.JWKS(key))
	if err != nil {
		t.Fatal(err)
	}
	a := auth.Assertion{Endpoints: []string{asIssuer + "/token", asIssuer + "/introspect"}}
	m := auth.PrivateKeyJWT(auth.SigningKey{KeyID: "rp", Alg: "RS256", Key: key.Private}, a)
	for called, want := range map[string]string{
		asIssuer + "/token": asIssuer + "/token", asIssuer + "/introspect?realm=x": asIssuer + "/introspect",
		asIssuer + "/revoke": asIssuer, "https://evil.example/token": asIssuer, asIssuer + "/token/": asIssuer,
	} {
		form := url.Values{}
		if err := m.For("rp:1", asIssuer).Authenticate(httptest.NewRequest("POST", called, nil), form); err != nil {
			t.Fatal(err)
		}
		if _, claims := assertion(t, set, form); claims["aud"] != want {
			t.Errorf("%s: aud is %v, want %s", called, claims["aud"], want)
		}
	}
	for _, bad := range []string{"", "/token", asIssuer + "/token?x=y", asIssuer + "/#x"} {
		a.Endpoints = []string{bad}
		if auth.PrivateKeyJWT(auth.SigningKey{KeyID: "rp", Alg: "RS256", Key: key.Private}, a).Check("app") == nil {
			t.Errorf("%q: accepted", bad)
		}
	}
}
