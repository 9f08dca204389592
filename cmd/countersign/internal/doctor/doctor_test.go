package doctor_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/discovery/issuertest"
)

// start serves an issuer. answers replace the responses at some paths.
func start(t *testing.T, config issuertest.Config, answers map[string]http.HandlerFunc) (string, *x509.CertPool) {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	config.Issuer = "https://" + server.Listener.Addr().String() + config.Issuer
	issuer, err := issuertest.NewHandler(config)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := answers[r.URL.Path]; answer != nil {
			answer(w, r)
			return
		}
		issuer.ServeHTTP(w, r)
	})
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return config.Issuer, pool
}

// writes returns a handler that writes a body.
func writes(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

const (
	metadata = "/.well-known/openid-configuration"
	oauth    = "/.well-known/oauth-authorization-server"
)

// TestHealthy: an issuer without faults has no problem and no warning.
func TestHealthy(t *testing.T) {
	issuer, pool := start(t, issuertest.Config{}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	for _, f := range report.Findings {
		if f.Level != doctor.Note {
			t.Errorf("%+v", f)
		}
	}
	for _, want := range []string{"client.Config{", issuer, "rs.JWT{"} {
		if !strings.Contains(report.ClientConfig+report.APIConfig, want) {
			t.Errorf("the configuration lacks %q:\n%s\n%s", want, report.ClientConfig, report.APIConfig)
		}
	}
}

// A key set with one member changed or added.
const rsaKey = `{"kty":"RSA","kid":"a","alg":"RS256","use":"sig","e":"AQAB","n":"` + modulus + `"}`

var modulus2048 = strings.Repeat("w", 341) + "Q"

const modulus = "MODULUS"

func keySet(keys ...string) http.HandlerFunc {
	return writes(200, "application/json", strings.ReplaceAll(`{"keys":[`+strings.Join(keys, ",")+`]}`, modulus, modulus2048))
}

func with(key, old, new string) string { return strings.Replace(key, old, new, 1) }

// TestBroken: each fault is reported with its topic, and nothing else is reported as a problem.
func TestBroken(t *testing.T) {
	members := func(m map[string]any) issuertest.Config { return issuertest.Config{Metadata: m} }
	at := func(path string, answer http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{path: answer}
	}
	both := func(answer http.HandlerFunc) map[string]http.HandlerFunc {
		return map[string]http.HandlerFunc{metadata: answer, oauth: answer}
	}
	for name, test := range map[string]struct {
		config  issuertest.Config
		answers map[string]http.HandlerFunc
		level   doctor.Level
		topic   string
		text    string
	}{
		"issuer is foreign":                   {config: members(map[string]any{"issuer": "https://other.example"}), topic: "issuer", text: "another issuer"},
		"issuer is missing":                   {config: members(map[string]any{"issuer": nil}), topic: "issuer", text: "no issuer"},
		"issuer is a template":                {config: members(map[string]any{"issuer": "https://login.example/{tenantid}/v2.0"}), topic: "issuer", text: "template"},
		"metadata is absent":                  {answers: both(writes(404, "text/plain", "")), topic: "metadata", text: "no metadata found at"},
		"metadata is forbidden":               {answers: both(writes(403, "application/json", "{}")), topic: "metadata", text: "no metadata found at"},
		"metadata is HTML":                    {answers: both(writes(200, "text/html", "<html>")), topic: "metadata", text: "no metadata found at"},
		"metadata is half":                    {answers: both(writes(200, "application/json", `{"issuer":`)), topic: "metadata", text: "metadata"},
		"metadata is an array":                {answers: both(writes(200, "application/json", `[]`)), topic: "metadata", text: "metadata"},
		"metadata is huge":                    {answers: both(writes(200, "application/json", strings.Repeat(" ", 2<<20))), topic: "metadata", text: "no metadata found at"},
		"metadata redirects":                  {answers: both(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) }), topic: "metadata", text: "no metadata found at"},
		"documents disagree":                  {answers: at(oauth, writes(200, "application/json", `{"issuer":"https://other.example"}`)), level: doctor.Warning, topic: "metadata", text: "issuer is"},
		"no token endpoint":                   {config: members(map[string]any{"token_endpoint": nil}), topic: "endpoints", text: "token_endpoint"},
		"no authorization endpoint":           {config: members(map[string]any{"authorization_endpoint": nil}), topic: "endpoints", text: "authorization_endpoint"},
		"token endpoint on http":              {config: members(map[string]any{"token_endpoint": "http://as.example/token"}), topic: "endpoints", text: "token_endpoint"},
		"token endpoint relative":             {config: members(map[string]any{"token_endpoint": "/token"}), topic: "endpoints", text: "token_endpoint"},
		"token endpoint a number":             {config: members(map[string]any{"token_endpoint": 5}), topic: "endpoints", text: "not a string"},
		"userinfo with credentials":           {config: members(map[string]any{"userinfo_endpoint": "https://u:p@as.example/"}), topic: "endpoints", text: "userinfo_endpoint"},
		"no key set":                          {config: members(map[string]any{"jwks_uri": nil}), level: doctor.Warning, topic: "keys", text: "no jwks_uri"},
		"key set is absent":                   {answers: at("/jwks", writes(404, "text/plain", "")), topic: "keys", text: "status 404"},
		"key set is HTML":                     {answers: at("/jwks", writes(200, "text/html", "<html>")), topic: "keys", text: "text/html"},
		"key set is null":                     {answers: at("/jwks", writes(200, "application/json", "null")), topic: "keys", text: "not a JWK Set"},
		"key set is empty":                    {answers: at("/jwks", keySet()), topic: "keys", text: "key"},
		"key set has an RSA key of 1024 bits": {answers: at("/jwks", keySet(rsaKey, with(with(rsaKey, modulus, strings.Repeat("w", 170)+"Q"), `"a"`, `"b"`))), topic: "keys", text: "bits"},
		"key set has a private key":           {answers: at("/jwks", keySet(with(rsaKey, `"e"`, `"d":"AQAB","e"`))), topic: "keys", text: "private key"},
		"key set has a secret":                {answers: at("/jwks", keySet(rsaKey, `{"kty":"oct","kid":"s","k":"AAAA"}`)), topic: "keys", text: "secret key"},
		"key set has a kid twice":             {answers: at("/jwks", keySet(rsaKey, with(rsaKey, "AQAB", "Aw"))), topic: "keys", text: `2 keys have kid "a"`},
		"key set has 101 keys":                {answers: at("/jwks", keySet(manyKeys()...)), topic: "keys", text: "101 keys"},
		"ID tokens by HMAC alone":             {config: members(map[string]any{"id_token_signing_alg_values_supported": []string{"HS256"}}), topic: "algorithms", text: "HS256"},
		"ID tokens without RS256":             {config: members(map[string]any{"id_token_signing_alg_values_supported": []string{"ES256"}}), level: doctor.Warning, topic: "algorithms", text: "ES256"},
		"PKCE plain alone":                    {config: members(map[string]any{"code_challenge_methods_supported": []string{"plain"}}), topic: "pkce", text: "plain"},
		"PKCE not announced":                  {config: members(map[string]any{"code_challenge_methods_supported": nil}), level: doctor.Warning, topic: "pkce", text: "does not announce"},
		"no code flow":                        {config: members(map[string]any{"response_types_supported": []string{"id_token"}}), topic: "responses", text: "no code"},
		"PAR required without an endpoint":    {config: members(map[string]any{"require_pushed_authorization_requests": true, "pushed_authorization_request_endpoint": nil}), topic: "responses", text: "no pushed_authorization_request_endpoint"},
		"clock ahead":                         {answers: both(dated(time.Hour)), topic: "clock", text: "ahead of"},
		"clock behind":                        {answers: both(dated(-time.Hour)), topic: "clock", text: "behind"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			issuer, pool := start(t, test.config, test.answers)
			report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool, Timeout: patience})
			level := test.level
			if level == "" {
				level = doctor.Problem
			}
			if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
				return f.Level == level && f.Topic == test.topic && strings.Contains(f.Text, test.text)
			}) {
				t.Errorf("expected a %s about %s with %q, received %+v", level, test.topic, test.text, report.Findings)
			}
			for _, f := range report.Findings {
				if f.Level == doctor.Problem && (level != doctor.Problem || f.Topic != test.topic && f.Topic != "metadata" && !strings.HasPrefix(name, "clock")) {
					t.Errorf("false alarm: %+v", f)
				}
			}
		})
	}
}

func manyKeys() (all []string) {
	for i := range 101 {
		all = append(all, with(rsaKey, `"a"`, fmt.Sprintf(`"k%d"`, i)))
	}
	return all
}

// dated answers with a wrong Date and without a document.
func dated(off time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
		http.NotFound(w, r)
	}
}

// TestAnotherName: an issuer that has another name of this machine is one problem, not one for each
// endpoint. Endpoints on this machine are problems of a public issuer.
func TestAnotherName(t *testing.T) {
	issuer, err := issuertest.Start(issuertest.Config{PlainHTTP: true})
	if err != nil {
		t.Fatal(err)
	}
	defer issuer.Close()
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: strings.Replace(issuer.URL, "127.0.0.1", "localhost", 1)})
	topics := map[string]int{}
	for _, f := range report.Findings {
		if f.Level == doctor.Problem {
			topics[f.Topic]++
		}
	}
	if topics["issuer"] != 1 || topics["endpoints"] != 0 {
		t.Errorf("%v: %+v", topics, report.Findings)
	}
}

// TestAddress: faults of the issuer as the user typed it.
func TestAddress(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://as.example ":     "space",
		"http://as.example":       "https",
		"as.example":              "issuer",
		"https://as.example/?a=b": "issuer",
		"https://as.example/.well-known/openid-configuration": "not the issuer",
	} {
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer})
		if report.Problems() != 1 || !strings.Contains(report.Findings[0].Text, want) {
			t.Errorf("%q: %+v", issuer, report.Findings)
		}
	}
}

// TestAddressRemedy: the doctor tries http for an address on this machine. The report has no word
// twice.
func TestAddressRemedy(t *testing.T) {
	for issuer, want := range map[string]string{
		"as.example":     "try https://as.example",
		"127.0.0.1:9000": "try http://127.0.0.1:9000",
		"localhost:9000": "try http://localhost:9000",
		"[::1]:9000":     "try http://[::1]:9000",
		"10.0.0.1:9000":  "try https://10.0.0.1:9000",
	} {
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer})
		if report.Findings[0].Remedy != want {
			t.Errorf("%q: %+v, expected %q", issuer, report.Findings, want)
		}
	}
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: "http://as.example"})
	if text := report.Findings[0].Text; strings.Contains(text, "issuer issuer") || !strings.HasPrefix(text, `the issuer "http://as.example"`) {
		t.Error(text)
	}
}

// TestPlainReport: the report says "1 key", and names what the server must change.
func TestPlainReport(t *testing.T) {
	issuer, pool := start(t, issuertest.Config{Metadata: map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_basic"}}}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	var out bytes.Buffer
	report.Print(&out)
	text := out.String()
	if strings.Contains(text, "1 keys") || !strings.Contains(text, "1 key: ") {
		t.Errorf("the number of keys is not plain:\n%s", text)
	}
	for line := range strings.Lines(text) {
		if strings.Contains(line, "has what it requires") && strings.Contains(line, ";") {
			t.Errorf("a contradiction: %s", line)
		}
	}
	if !strings.Contains(text, "possible, after these changes at the server: token_endpoint_auth_methods_supported has only client_secret_basic") {
		t.Error(text)
	}
}

// TestIssuerSpelling: the report contains the difference and the setting.
func TestIssuerSpelling(t *testing.T) {
	for want, spell := range map[string]func(string) string{
		"ends with a slash":    func(issuer string) string { return issuer + "/" },
		"upper and lower case": func(issuer string) string { return "HTTPS" + issuer[5:] },
		"character":            func(issuer string) string { return issuer[:len(issuer)-1] + "x" },
	} {
		report, published := misspelled(t, spell)
		if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
			return f.Level == doctor.Problem && strings.Contains(f.Text, want) && strings.Contains(f.Remedy, published)
		}) {
			t.Errorf("%s: %+v", want, report.Findings)
		}
	}
}

// misspelled examines a server whose metadata names its issuer in another spelling.
func misspelled(t *testing.T, spell func(string) string) (*doctor.Report, string) {
	t.Helper()
	var issuer string
	issuer, pool := start(t, issuertest.Config{}, map[string]http.HandlerFunc{
		metadata: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			json.NewEncoder(w).Encode(map[string]any{
				"issuer": spell(issuer), "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks",
			})
		},
		oauth: writes(404, "text/plain", ""),
	})
	return doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool}), spell(issuer)
}

// TestUntrusted: the report contains the unknown certificate authority and the setting.
func TestUntrusted(t *testing.T) {
	issuer, _ := start(t, issuertest.Config{}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: x509.NewCertPool()})
	if !slices.ContainsFunc(report.Findings, func(f doctor.Finding) bool {
		return f.Topic == "tls" && f.Level == doctor.Problem && strings.Contains(f.Remedy, "RootCAs")
	}) {
		t.Errorf("%+v", report.Findings)
	}
}

// TestRegistration: a pushed request shows whether the registration is correct.
func TestRegistration(t *testing.T) {
	const redirect = "https://app.example/callback"
	issuer, pool := start(t, issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: "canary-secret", RedirectURLs: []string{redirect}}}}, nil)
	for name, test := range map[string]struct {
		id, redirect, secret string
		problem              bool
	}{
		"right":          {"web", redirect, "canary-secret", false},
		"wrong secret":   {"web", redirect, "canary-other", true},
		"wrong client":   {"other", redirect, "canary-secret", true},
		"wrong redirect": {"web", redirect + "/", "canary-secret", true},
	} {
		report := doctor.Examine(t.Context(), doctor.Options{
			Issuer: issuer, RootCAs: pool, ClientID: test.id, RedirectURL: test.redirect, Auth: auth.SecretBasic(test.secret),
		})
		if (report.Problems() > 0) != test.problem {
			t.Errorf("%s: %+v", name, report.Findings)
		}
		var out bytes.Buffer
		report.Print(&out)
		if strings.Contains(out.String(), "canary") {
			t.Errorf("%s: the report has a secret", name)
		}
	}
}

// TestProfiles: the result is the same as in the library.
func TestProfiles(t *testing.T) {
	weak := map[string]any{"pushed_authorization_request_endpoint": nil, "authorization_response_iss_parameter_supported": nil, "tls_client_certificate_bound_access_tokens": nil}
	for name, test := range map[string]struct {
		members map[string]any
		profile client.Profile
		lacks   string
	}{
		"full":            {nil, client.FAPI2Security, ""},
		"full, signed":    {nil, client.FAPI2MessageSigning, ""},
		"weak":            {weak, client.FAPI2Security, "pushed_authorization_request_endpoint"},
		"weak, iss":       {weak, client.FAPI2Security, "authorization_response_iss_parameter_supported"},
		"weak, basic":     {weak, client.OIDCBasic, ""},
		"weak, certified": {weak, client.FAPI1Advanced, "tls_client_certificate_bound_access_tokens"},
	} {
		issuer, pool := start(t, issuertest.Config{Metadata: test.members}, nil)
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool, Profile: test.profile})
		if len(report.Profiles) != 1 {
			t.Fatalf("%s: %+v", name, report.Profiles)
		}
		if lacks := report.Profiles[0].Lacks; test.lacks == "" && len(lacks) > 0 || test.lacks != "" && !slices.Contains(lacks, test.lacks) {
			t.Errorf("%s: %q", name, lacks)
		}
	}
}

// TestHostileText: control characters of a server do not reach the terminal.
func TestHostileText(t *testing.T) {
	issuer, pool := start(t, issuertest.Config{Metadata: map[string]any{"issuer": "https://x\x1b[31m\u202e.example"}}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	var out bytes.Buffer
	report.Print(&out)
	if strings.ContainsAny(out.String(), "\x1b\u202e") {
		t.Errorf("%q", out.String())
	}
}
