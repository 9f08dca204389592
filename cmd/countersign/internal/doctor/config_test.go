package doctor_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/discovery/issuertest"
)

// program contains the code that the doctor prints. It signs in with each configuration that needs
// no key, and only makes a client with each of the others.
const program = `package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"

%s
)

// signer is what a person puts in the place of the variables.
func signer() auth.KeySource {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	return auth.SigningKey{Key: key}
}

func certified() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}}}}
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// signIn signs in, and has the API check the access token.
func signIn(config client.Config, api *rs.JWT) {
	c, err := client.New(config)
	check(err)
	check(c.Ready(context.Background()))
	address, pending, err := c.Begin(context.Background(), client.Request{})
	check(err)
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := browser.Get(address)
	check(err)
	back, err := resp.Location()
	check(err)
	tokens, err := c.Finish(context.Background(), pending, back.Query())
	check(err)
	_, err = api.VerifyToken(context.Background(), tokens.AccessToken)
	check(err)
}

func build(config client.Config) {
	_, err := client.New(config)
	check(err)
}

func main() {
	_ = os.Args
%s	fmt.Println("all work")
}
`

// TestConfigurations: the code that the doctor prints compiles and works.
func TestConfigurations(t *testing.T) {
	var imports, calls []string
	add := func(config issuertest.Config, o doctor.Options, call string) {
		issuer := plain(t, config)
		o.Issuer = issuer
		report := doctor.Examine(t.Context(), o)
		if report.ClientConfig == "" {
			t.Fatalf("%+v", report.Findings)
		}
		filled := strings.NewReplacer("var keys auth.KeySource //", "var keys auth.KeySource = signer() //", "var hc *http.Client //", "var hc *http.Client = certified() //").Replace(report.ClientConfig)
		calls = append(calls, fmt.Sprintf("\tfunc() {\n%s\n%s\n_, _ = config, api\n%s\n}()\n", filled, report.APIConfig, call))
		for _, line := range strings.Split(report.ClientConfig+"\n"+report.APIConfig, "\n") {
			if list, ok := strings.CutPrefix(line, "// import: "); ok {
				imports = append(imports, strings.Split(list, ", ")...)
			}
		}
	}
	const both = "signIn(config, api)"
	web := issuertest.Config{Clients: []issuertest.Client{{ID: "your-client-id", Secret: "canary-secret"}}}
	add(web, doctor.Options{}, both)
	es256 := web
	es256.Algorithm = "ES256"
	add(es256, doctor.Options{}, both)
	unlisted := es256 // a server for OAuth only need not list the algorithm of its tokens
	unlisted.Metadata = map[string]any{"id_token_signing_alg_values_supported": nil}
	add(unlisted, doctor.Options{}, both)
	withPath := web
	withPath.Issuer = "/tenant"
	add(withPath, doctor.Options{}, both)
	weak := web
	weak.Metadata = map[string]any{"code_challenge_methods_supported": []string{"plain"}}
	add(weak, doctor.Options{}, both)
	add(web, doctor.Options{RootCAs: x509.NewCertPool()}, both)
	public := issuertest.Config{Clients: []issuertest.Client{{ID: "your-client-id"}}, Metadata: map[string]any{"token_endpoint_auth_methods_supported": []string{"none"}}}
	add(public, doctor.Options{}, both)
	noKeys := web // without keys the API asks the server about each token
	noKeys.Metadata = map[string]any{"jwks_uri": nil}
	add(noKeys, doctor.Options{}, "build(config)")
	noKeys.Metadata = map[string]any{"jwks_uri": nil, "introspection_endpoint": nil}
	add(noKeys, doctor.Options{RootCAs: x509.NewCertPool()}, "build(config)")
	add(web, doctor.Options{Profile: client.OIDCBasic}, both)
	add(web, doctor.Options{Profile: client.OAuth21}, both)
	for _, p := range []client.Profile{client.FAPI1Advanced, client.FAPI2Security, client.FAPI2MessageSigning, client.FAPICIBA} {
		add(es256, doctor.Options{Profile: p}, "build(config)")
		noDPoP := es256
		noDPoP.Metadata = map[string]any{"dpop_signing_alg_values_supported": nil, "token_endpoint_auth_methods_supported": []string{"tls_client_auth"}}
		add(noDPoP, doctor.Options{Profile: p}, "build(config)")
	}
	runProgram(t, imports, calls)
}

// plain serves an issuer on http, so no certificate authority is needed.
func plain(t *testing.T, config issuertest.Config) string {
	t.Helper()
	config.Audience = []string{issuertest.Audience}
	handler := &late{}
	server := newServer(t, handler)
	config.Issuer = server + config.Issuer
	issuer, err := issuertest.NewHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	handler.Handler = issuer
	return config.Issuer
}

// late is a handler that is set when the address is known.
type late struct{ http.Handler }

func runProgram(t *testing.T, imports, calls []string) {
	t.Helper()
	own := []string{"github.com/countersign/countersign/client", "github.com/countersign/countersign/client/auth", "github.com/countersign/countersign/rs"}
	imports = append(imports, own...)
	slices.Sort(imports)
	var lines []string
	for _, path := range slices.Compact(imports) {
		if path != "os" && path != "net/http" {
			lines = append(lines, fmt.Sprintf("\t%q", path))
		}
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, fmt.Appendf(nil, program, strings.Join(lines, "\n"), strings.Join(calls, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "run", file)
	run.Env = append(os.Environ(), "CLIENT_SECRET=canary-secret")
	if out, err := run.CombinedOutput(); err != nil || !strings.Contains(string(out), "all work") {
		source, _ := os.ReadFile(file)
		t.Errorf("%v\n%s\n%s", err, out, source)
	}
}

func newServer(t *testing.T, handler http.Handler) string {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestPreset: the access tokens of Keycloak do not follow RFC 9068, so its preset is named.
func TestPreset(t *testing.T) {
	issuer, pool := start(t, issuertest.Config{Issuer: "/realms/photos"}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if strings.Contains(report.APIConfig, "rs.Keycloak") {
		t.Errorf("this is not Keycloak:\n%s", report.APIConfig)
	}
	issuer, pool = start(t, issuertest.Config{Issuer: "/realms/photos", Metadata: map[string]any{"token_endpoint": "https://as.example/realms/photos/protocol/openid-connect/token"}}, nil)
	report = doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if want := fmt.Sprintf("rs.Keycloak(%q, %q)", strings.TrimSuffix(issuer, "/realms/photos"), "photos"); !strings.Contains(report.APIConfig, want) {
		t.Errorf("%s is missing:\n%s", want, report.APIConfig)
	}
}
