package doctor_test

import (
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
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

// edited is a metadata document whose text is changed.
func edited(change func(document, issuer string) string) func(issuer string) http.HandlerFunc {
	return func(issuer string) http.HandlerFunc {
		raw, _ := json.Marshal(map[string]any{
			"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": issuer + "/token", "jwks_uri": issuer + "/jwks",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
			"id_token_signing_alg_values_supported": []string{"RS256"}, "code_challenge_methods_supported": []string{"S256"},
		})
		return writes(200, "application/json", change(string(raw), issuer))
	}
}

// renamed returns the document with another issuer.
func renamed(document, issuer, name string) string {
	return strings.Replace(document, fmt.Sprintf(`"issuer":%q`, issuer), fmt.Sprintf(`"issuer":%q`, name), 1)
}

// add puts members at the end of a document.
func add(members string) func(document, issuer string) string {
	return func(document, _ string) string { return strings.TrimSuffix(document, "}") + "," + members + "}" }
}

func hasFinding(r *doctor.Report, level doctor.Level, topic, text string) bool {
	return slices.ContainsFunc(r.Findings, func(f doctor.Finding) bool {
		return f.Level == level && f.Topic == topic && strings.Contains(f.Text+" → "+f.Remedy, text)
	})
}

// TestBrokenMetadata: faults in the text of the metadata.
func TestBrokenMetadata(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(document, issuer string) string
		level       doctor.Level
		topic, text string
	}{
		"a member twice":              {add(`"token_endpoint":"https://evil.example/token"`), doctor.Problem, "metadata", "duplicate"},
		"a member twice, nested":      {add(`"x":{"a":1,"a":2}`), doctor.Problem, "metadata", "duplicate"},
		"text behind":                 {func(d, _ string) string { return d + "x" }, doctor.Problem, "metadata", "metadata"},
		"issuer with upper case":      {func(d, i string) string { return renamed(d, i, strings.ToUpper(i)) }, doctor.Problem, "issuer", "upper and lower case"},
		"issuer with a default port":  {func(d, i string) string { return renamed(d, i, i+":443") }, doctor.Problem, "issuer", "default port"},
		"issuer with a space":         {func(d, i string) string { return renamed(d, i, i+" ") }, doctor.Problem, "issuer", "space"},
		"issuer on http":              {func(d, i string) string { return renamed(d, i, "http"+i[5:]) }, doctor.Problem, "issuer", "scheme is http"},
		"issuer a number":             {func(d, i string) string { return strings.Replace(d, `"`+i+`"`, "5", 1) }, doctor.Problem, "issuer", "not a string"},
		"a list that is a string":     {add(`"scopes_supported":"openid profile"`), doctor.Warning, "metadata", "scopes_supported is not a list of strings"},
		"a list with a number":        {add(`"grant_types_supported":["authorization_code",5]`), doctor.Warning, "metadata", "grant_types_supported is not a list"},
		"a switch that is a string":   {add(`"authorization_response_iss_parameter_supported":"true"`), doctor.Problem, "metadata", "authorization_response_iss_parameter_supported"},
		"another switch":              {add(`"backchannel_logout_supported":"true"`), doctor.Warning, "metadata", "backchannel_logout_supported is not true or false"},
		"none for ID tokens":          {func(d, _ string) string { return strings.Replace(d, `["RS256"]`, `["none","RS256"]`, 1) }, doctor.Warning, "algorithms", "none"},
		"none for client assertions":  {add(`"token_endpoint_auth_signing_alg_values_supported":["RS256","none"]`), doctor.Warning, "algorithms", "none"},
		"HMAC for DPoP":               {add(`"dpop_signing_alg_values_supported":["HS256"]`), doctor.Warning, "algorithms", "dpop_signing_alg_values_supported"},
		"unknown authentication only": {add(`"token_endpoint_auth_methods_supported":["magic"]`), doctor.Problem, "client auth", "magic"},
		"an alias on http":            {add(`"mtls_endpoint_aliases":{"token_endpoint":"http://mtls.example/token"}`), doctor.Problem, "endpoints", "mtls_endpoint_aliases"},
		"a fragment in an endpoint":   {add(`"userinfo_endpoint":"https://as.example/me#x"`), doctor.Problem, "endpoints", "userinfo_endpoint"},
		"no response types":           {func(d, _ string) string { return strings.Replace(d, `["code"]`, `[]`, 1) }, doctor.Note, "responses", "response_types_supported"},
		"no key for the algorithm":    {func(d, _ string) string { return strings.Replace(d, `["RS256"]`, `["EdDSA"]`, 1) }, doctor.Warning, "keys", "no key of the set fits"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, edited(test.change), nil)
			if !hasFinding(report, test.level, test.topic, test.text) {
				t.Errorf("expected a %s about %s with %q, received %+v", test.level, test.topic, test.text, report.Findings)
			}
		})
	}
}

// patience is a Timeout that no answer reaches, also on a busy machine.
const patience = time.Minute

// examine serves the document and the answers at other paths, and runs the doctor.
func examine(t *testing.T, document func(issuer string) http.HandlerFunc, answers map[string]http.HandlerFunc) *doctor.Report {
	t.Helper()
	return examineWithin(t, patience, document, answers)
}

func examineWithin(t *testing.T, limit time.Duration, document func(issuer string) http.HandlerFunc, answers map[string]http.HandlerFunc) *doctor.Report {
	t.Helper()
	all := map[string]http.HandlerFunc{oauth: writes(404, "text/plain", "")}
	issuer, pool := start(t, issuertest.Config{}, all)
	if document != nil {
		all[metadata] = document(issuer)
	}
	for path, answer := range answers {
		all[path] = answer
	}
	return doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool, Timeout: limit})
}

// certified returns an RSA key with a certificate, as a JWK with further members.
func certified(t *testing.T, from, until time.Time, members string) string {
	t.Helper()
	key := issuertest.NewKey("a", "RS256")
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "as"}, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Private.Public(), key.Private)
	if err != nil {
		t.Fatal(err)
	}
	var set struct{ Keys []json.RawMessage }
	json.Unmarshal(issuertest.JWKS(key), &set)
	sum := sha1.Sum(der)
	members = strings.ReplaceAll(members, "RIGHT", base64.RawURLEncoding.EncodeToString(sum[:]))
	return strings.TrimSuffix(string(set.Keys[0]), "}") + `,"x5c":["` + base64.StdEncoding.EncodeToString(der) + `"]` + members + "}"
}

// TestBrokenKeys: faults in the key set.
func TestBrokenKeys(t *testing.T) {
	now := time.Now()
	const ec = `{"kty":"EC","kid":"e","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`
	otherKey := strings.Replace(certified(t, now.Add(-time.Hour), now.Add(time.Hour), ""), `"kid":"a"`, `"kid":"b"`, 1)
	swapped := certified(t, now.Add(-time.Hour), now.Add(time.Hour), "")
	swapped = swapped[:strings.Index(swapped, `,"x5c"`)] + otherKey[strings.Index(otherKey, `,"x5c"`):]
	for name, test := range map[string]struct {
		key   string
		level doctor.Level
		text  string
	}{
		"healthy certificate":       {certified(t, now.Add(-time.Hour), now.Add(time.Hour), `,"x5t":"RIGHT"`), doctor.Note, "key: RSA"},
		"expired certificate":       {certified(t, now.Add(-2*time.Hour), now.Add(-time.Hour), ""), doctor.Warning, "expired on"},
		"certificate of tomorrow":   {certified(t, now.Add(time.Hour), now.Add(2*time.Hour), ""), doctor.Warning, "is not valid before"},
		"x5t of another":            {certified(t, now.Add(-time.Hour), now.Add(time.Hour), `,"x5t":"AAAAAAAAAAAAAAAAAAAAAAAAAAA"`), doctor.Warning, "x5t is not the thumbprint"},
		"x5t#S256 of another":       {certified(t, now.Add(-time.Hour), now.Add(time.Hour), `,"x5t#S256":"AAAA"`), doctor.Warning, "x5t#S256 is not the thumbprint"},
		"certificate of another":    {swapped, doctor.Problem, "is not used"},
		"certificate is no base64":  {with(rsaKey, `"e"`, `"x5c":["%%"],"e"`), doctor.Warning, "cannot be read"},
		"EC key for RS256":          {with(ec, `"kid"`, `"alg":"RS256","kid"`), doctor.Problem, "is not used"},
		"EC point off the curve":    {with(ec, "x_FEz", "y_FEz"), doctor.Problem, "is not used"},
		"private exponent":          {with(ec, `"kid"`, `"d":"AAAA","kid"`), doctor.Problem, "private key"},
		"private prime":             {with(rsaKey, `"e"`, `"p":"AAAA","e"`), doctor.Problem, "private key"},
		"even exponent":             {with(rsaKey, "AQAB", "AQAA"), doctor.Problem, "is not used"},
		"key_ops without verify":    {with(rsaKey, `"e"`, `"key_ops":["sign"],"e"`), doctor.Problem, "key_ops"},
		"curve of another trade":    {rsaKey + "," + with(with(ec, "P-256", "secp256k1"), `"kid"`, `"alg":"ES256K","kid"`), doctor.Note, "is not used"},
		"a key that is a string":    {`"key"`, doctor.Warning, "is not a JWK"},
		"two keys without kid":      {with(rsaKey, `"kid":"a",`, "") + "," + with(with(rsaKey, `"kid":"a",`, ""), "AQAB", "Aw"), doctor.Problem, "have no kid"},
		"kid twice, alg in one":     {rsaKey + "," + with(with(rsaKey, `"alg":"RS256",`, ""), "AQAB", "Aw"), doctor.Problem, `have kid "a"`},
		"kid twice, another alg":    {rsaKey + "," + with(rsaKey, "RS256", "PS256"), doctor.Note, "2 keys"},
		"a key for encryption only": {with(rsaKey, `"sig"`, `"enc"`), doctor.Problem, "no usable key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, edited(func(d, _ string) string { return d }), map[string]http.HandlerFunc{"/jwks": keySet(test.key)})
			if !hasFinding(report, test.level, "keys", test.text) {
				t.Errorf("expected a %s with %q, received %+v", test.level, test.text, report.Findings)
			}
			for _, f := range report.Findings {
				if test.level == doctor.Note && f.Level != doctor.Note {
					t.Errorf("false alarm: %+v", f)
				}
			}
		})
	}
}

// TestBrokenAnswers: responses that are not the document, or that never end.
func TestBrokenAnswers(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	for range 64 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	bomb := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed.Bytes())
	}
	drips := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(" ")); err != nil {
				return
			}
			http.NewResponseController(w).Flush()
			time.Sleep(100 * time.Millisecond)
		}
	}
	valid := edited(func(d, _ string) string { return d })
	for name, test := range map[string]struct {
		document    http.HandlerFunc
		answers     map[string]http.HandlerFunc
		level       doctor.Level
		topic, text string
	}{
		"gzip bomb":              {bomb, nil, doctor.Warning, "metadata", "larger than"},
		"a byte at a time":       {drips, nil, doctor.Warning, "metadata", "in time"},
		"a login page":           {writes(200, "text/html", "<html>Sign in</html>"), nil, doctor.Warning, "metadata", "may be a login page"},
		"a redirect":             {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, nil, doctor.Warning, "metadata", "does not follow redirects"},
		"an error":               {writes(500, "application/json", "{}"), nil, doctor.Warning, "metadata", "status 500"},
		"key set is a bomb":      {nil, map[string]http.HandlerFunc{"/jwks": bomb}, doctor.Problem, "keys", "larger than"},
		"key set is slow":        {nil, map[string]http.HandlerFunc{"/jwks": drips}, doctor.Problem, "keys", "in time"},
		"key set redirects":      {nil, map[string]http.HandlerFunc{"/jwks": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/keys", http.StatusFound) }}, doctor.Problem, "keys", "redirect"},
		"key set is plain text":  {nil, map[string]http.HandlerFunc{"/jwks": writes(200, "text/plain", `{"keys":[]}`)}, doctor.Problem, "keys", "text/plain"},
		"key set has twins":      {nil, map[string]http.HandlerFunc{"/jwks": writes(200, "application/json", `{"keys":[],"keys":[]}`)}, doctor.Problem, "keys", "duplicate"},
		"ten minutes ahead":      {dated(10 * time.Minute), nil, doctor.Problem, "clock", "ahead of this"},
		"ten seconds behind":     {dated(-10 * time.Second), nil, doctor.Warning, "clock", "behind"},
		"an old copy in a cache": {aged(10 * time.Minute), nil, doctor.Note, "metadata", "openid-configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := valid
			if test.document != nil {
				document = func(string) http.HandlerFunc { return test.document }
			}
			if name == "an old copy in a cache" {
				document = func(issuer string) http.HandlerFunc {
					return func(w http.ResponseWriter, r *http.Request) { test.document(w, r); valid(issuer)(w, r) }
				}
			}
			limit := patience
			if test.text == "in time" {
				limit = 2 * time.Second
			}
			report := examineWithin(t, limit, document, test.answers)
			for ; limit < patience && !hasFinding(report, test.level, test.topic, test.text); limit *= 4 { // other answers were late too
				report = examineWithin(t, limit, document, test.answers)
			}
			if !hasFinding(report, test.level, test.topic, test.text) {
				t.Errorf("expected a %s about %s with %q, received %+v", test.level, test.topic, test.text, report.Findings)
			}
			if test.level == doctor.Note && report.Problems() > 0 {
				t.Errorf("false alarm: %+v", report.Findings)
			}
		})
	}
}

// aged sets the header fields of a cached response: the server sent it long ago.
func aged(age time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-age).UTC().Format(http.TimeFormat))
		w.Header().Set("Age", fmt.Sprint(int(age.Seconds())))
	}
}

// TestOAuthOnly: a server that is not an OpenID provider has no problem. Its configuration contains
// the address of the metadata.
func TestOAuthOnly(t *testing.T) {
	answers := map[string]http.HandlerFunc{metadata: writes(404, "text/plain", "")}
	issuer, pool := start(t, issuertest.Config{}, answers)
	answers[oauth] = writes(200, "application/json", fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"response_types_supported":["code"],"code_challenge_methods_supported":["S256"]}`, issuer, issuer+"/authorize", issuer+"/token"))
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if report.Problems() > 0 || !strings.Contains(report.ClientConfig, fmt.Sprintf("DiscoveryURL: %q", issuer+oauth)) || !strings.Contains(report.ClientConfig, "Scopes: []string{}") {
		t.Errorf("%+v\n%s", report.Findings, report.ClientConfig)
	}
	if hasFinding(report, doctor.Warning, "metadata", "") {
		t.Errorf("false alarm: %+v", report.Findings)
	}
	for _, v := range report.Profiles {
		if complete := len(v.Lacks) == 0; complete != (v.Profile == string(client.OAuth21)) || strings.Contains(fmt.Sprint(v.Lacks), "Config.") {
			t.Errorf("%+v", v)
		}
	}
}

// TestKeysWithoutList: if the metadata has no list of algorithms, the doctor reads the algorithms
// of access tokens from the keys.
func TestKeysWithoutList(t *testing.T) {
	for alg, want := range map[string]string{"RS256": "", "ES256": `Algs: []string{"ES256"}, // for these the server has keys`} {
		answers := map[string]http.HandlerFunc{metadata: writes(404, "text/plain", "")}
		issuer, pool := start(t, issuertest.Config{Algorithm: alg}, answers)
		answers[oauth] = writes(200, "application/json", fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":%q,"token_endpoint":%q,"jwks_uri":%q,"response_types_supported":["code"]}`, issuer, issuer+"/authorize", issuer+"/token", issuer+"/jwks"))
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
		if !strings.Contains(report.APIConfig, want) || want == "" && strings.Contains(report.APIConfig, "Algs") || strings.Contains(report.ClientConfig, "IDTokenAlgs") {
			t.Errorf("%s: %+v\n%s\n%s", alg, report.Findings, report.ClientConfig, report.APIConfig)
		}
	}
}

// TestPathIssuer: an issuer with a path has three metadata addresses. The report says if their
// documents differ.
func TestPathIssuer(t *testing.T) {
	answers := map[string]http.HandlerFunc{}
	issuer, pool := start(t, issuertest.Config{Issuer: "/tenant"}, answers)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if report.Problems() > 0 {
		t.Errorf("healthy: %+v", report.Findings)
	}
	answers["/.well-known/oauth-authorization-server/tenant"] = writes(200, "application/json", fmt.Sprintf(`{"issuer":%q,"token_endpoint":"https://old.example/token","require_pushed_authorization_requests":true}`, issuer))
	report = doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	if !hasFinding(report, doctor.Warning, "metadata", "token_endpoint is "+issuer+"/token at") {
		t.Errorf("%+v", report.Findings)
	}
}

// TestOddAddress: the report names a spelling of the issuer that other software changes.
func TestOddAddress(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://LOCALHOST:1":       "upper-case",
		"https://127.0.0.1.:1":      "ends with a dot",
		"https://127.0.0.1:443/x":   "default port",
		"https://127.0.0.1:1/a//b":  "empty segments",
		"https://127.0.0.1:1/a/../": "dots",
	} {
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, Timeout: patience})
		if !hasFinding(report, doctor.Warning, "issuer", want) && !hasFinding(report, doctor.Problem, "issuer", "") {
			t.Errorf("%s: %+v", issuer, report.Findings)
		}
	}
}

// TestUnreachable: the report has the reason for a missing response once, and what to do.
func TestUnreachable(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	hangs := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	defer hangs.Close()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11}
	old.Config.ErrorLog = nil
	old.StartTLS()
	defer old.Close()
	for name, test := range map[string]struct {
		issuer, topic, text string
		limit               time.Duration
	}{
		"closed port":      {"https://127.0.0.1:1", "network", "refused", patience},
		"no such host":     {"https://no-such-host.invalid", "network", "DNS", patience},
		"http at the port": {"https" + plain.URL[4:], "tls", "expects http", patience},
		"no answer":        {hangs.URL, "network", "within", 2 * time.Second},
		"old TLS":          {old.URL, "tls", "TLS", patience},
	} {
		t.Run(name, func(t *testing.T) {
			pool := x509.NewCertPool()
			pool.AddCert(hangs.Certificate())
			report := doctor.Examine(t.Context(), doctor.Options{Issuer: test.issuer, RootCAs: pool, Timeout: test.limit})
			if report.Problems() != 1 || !hasFinding(report, doctor.Problem, test.topic, test.text) {
				t.Errorf("%+v", report.Findings)
			}
		})
	}
}

// TestChangesNothing: the doctor only reads documents. With a client it also pushes one request.
func TestChangesNothing(t *testing.T) {
	const redirect = "https://app.example/callback"
	var seen []string
	config := issuertest.Config{
		Clients: []issuertest.Client{{ID: "web", Secret: "canary-secret", RedirectURLs: []string{redirect}}},
		Observe: func(x issuertest.Exchange) { seen = append(seen, x.Request.Method+" "+x.Request.URL.Path) },
	}
	issuer, pool := start(t, config, nil)
	doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool, ClientID: "web", RedirectURL: redirect, Auth: auth.SecretBasic("canary-secret")})
	for _, request := range seen {
		if !strings.HasPrefix(request, "GET ") && request != "POST /par" {
			t.Errorf("%s is sent", request)
		}
	}
	if !slices.Contains(seen, "POST /par") {
		t.Errorf("%q", seen)
	}
}
