package doctor_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
)

const ecKey = `{"kty":"EC","kid":"e","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`

// endpoint replaces an endpoint of the document. ISSUER in it is the issuer.
func endpoint(name, address string) func(document, issuer string) string {
	return func(d, issuer string) string {
		old := fmt.Sprintf(`"%s_endpoint":"%s/%s"`, name, issuer, strings.TrimSuffix(strings.Replace(name, "authorization", "authorize", 1), "_"))
		return strings.Replace(d, old, fmt.Sprintf(`"%s_endpoint":"%s"`, name, strings.ReplaceAll(address, "ISSUER", issuer)), 1)
	}
}

func swap(old, new string) func(document, issuer string) string {
	return func(d, _ string) string { return strings.Replace(d, old, new, 1) }
}

// TestUnusualFaults: faults that are well-formed JSON, and cannot be right.
func TestUnusualFaults(t *testing.T) {
	for name, test := range map[string]struct {
		change      func(document, issuer string) string
		level       doctor.Level
		topic, text string
	}{
		"an endpoint in a private network": {endpoint("token", "https://10.0.0.5/token"), doctor.Problem, "endpoints", "a private address"},
		"an endpoint on localhost":         {endpoint("token", "https://localhost:8443/token"), doctor.Problem, "endpoints", "a private address"},
		"an endpoint on 0.0.0.0":           {endpoint("token", "https://0.0.0.0/token"), doctor.Problem, "endpoints", "a private address"},
		"the name of a container":          {endpoint("token", "https://keycloak:8443/token"), doctor.Warning, "endpoints", "which has no domain"},
		"a template":                       {endpoint("token", "ISSUER/{tenant}/token"), doctor.Problem, "endpoints", "template"},
		"a space at the end":               {endpoint("token", "ISSUER/token "), doctor.Problem, "endpoints", "contains a space"},
		"one address for two endpoints":    {endpoint("token", "ISSUER/authorize"), doctor.Problem, "endpoints", "are the same address"},
		"PKCE in lower case":               {swap(`["S256"]`, `["s256"]`), doctor.Problem, "pkce", "expected S256: the values are case-sensitive"},
		"an algorithm in lower case":       {swap(`["RS256"]`, `["rs256"]`), doctor.Problem, "algorithms", "case-sensitive"},
		"a method in upper case":           {add(`"token_endpoint_auth_methods_supported":["none","Client_Secret_Basic"]`), doctor.Warning, "metadata", `expected "client_secret_basic"`},
		"scopes as one element":            {add(`"scopes_supported":["openid profile email"]`), doctor.Warning, "metadata", "has the one element"},
		"methods with commas":              {add(`"token_endpoint_auth_methods_supported":["none","client_secret_basic,client_secret_post"]`), doctor.Warning, "metadata", "has the one element"},
		"an empty element":                 {add(`"scopes_supported":["openid",""]`), doctor.Warning, "metadata", "an empty element"},
		"an empty list":                    {add(`"dpop_signing_alg_values_supported":[]`), doctor.Note, "metadata", "is empty"},
		"form_post alone":                  {add(`"response_modes_supported":["form_post"]`), doctor.Warning, "responses", `ResponseMode to "form_post"`},
		"JARM alone":                       {add(`"response_modes_supported":["jwt","query.jwt"]`), doctor.Warning, "responses", `ResponseMode to "query.jwt"`},
		"fragment alone":                   {add(`"response_modes_supported":["fragment"]`), doctor.Problem, "responses", "does not reach the application's server"},
		"code without its grant":           {add(`"grant_types_supported":["implicit"]`), doctor.Warning, "responses", "no authorization_code"},
		"signed requests without keys":     {add(`"require_signed_request_object":true,"request_object_signing_alg_values_supported":["none"]`), doctor.Problem, "responses", "requests must be signed"},
		"private keys with HMAC":           {add(`"token_endpoint_auth_methods_supported":["private_key_jwt"],"token_endpoint_auth_signing_alg_values_supported":["HS256"]`), doctor.Warning, "client auth", "private_key_jwt is listed"},
		"secrets without HMAC":             {add(`"token_endpoint_auth_methods_supported":["client_secret_jwt"],"token_endpoint_auth_signing_alg_values_supported":["RS256"]`), doctor.Warning, "client auth", "client_secret_jwt is listed"},
		"a byte order mark":                {func(d, _ string) string { return "\ufeff" + d }, doctor.Problem, "metadata", "byte order mark"},
		"UTF-16":                           {func(d, _ string) string { return "\xff\xfe{\x00}\x00" }, doctor.Problem, "metadata", "not in UTF-8"},
		"a guard in front":                 {func(d, _ string) string { return ")]}'\n" + d }, doctor.Problem, "metadata", "is in front of the object"},
		"an error with status 200":         {func(string, string) string { return `{"error":"not_found","error_description":"no such realm"}` }, doctor.Problem, "metadata", `the error "not_found"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, edited(test.change), nil)
			if !hasFinding(report, test.level, test.topic, test.text) {
				t.Errorf("expected a %s about %s with %q, received %+v", test.level, test.topic, test.text, report.Findings)
			}
			for _, f := range report.Findings {
				if f.Level == doctor.Problem && (test.level != doctor.Problem || f.Topic != test.topic) {
					t.Errorf("false alarm: %+v", f)
				}
			}
		})
	}
}

// TestUnusualKeys: faults of keys that have the right form.
func TestUnusualKeys(t *testing.T) {
	second := with(rsaKey, `"a"`, `"b"`)
	for name, test := range map[string]struct {
		keys  string
		level doctor.Level
		text  string
	}{
		"use signature":           {rsaKey + "," + with(second, `"use":"sig"`, `"use":"signature"`), doctor.Warning, `use "signature", expected sig or enc`},
		"use enc to verify":       {rsaKey + "," + with(second, `"use":"sig"`, `"use":"enc","key_ops":["verify"]`), doctor.Warning, "use enc, and verify"},
		"use sig to encrypt":      {rsaKey + "," + with(second, `"use":"sig"`, `"use":"sig","key_ops":["verify","wrapKey"]`), doctor.Warning, "key_ops for encryption"},
		"alg RSA":                 {rsaKey + "," + with(second, `"RS256"`, `"RSA"`), doctor.Warning, `no specification has the alg "RSA"`},
		"alg of Java":             {rsaKey + "," + with(second, `"RS256"`, `"SHA256withRSA"`), doctor.Warning, "no specification has the alg"},
		"a number as kid":         {rsaKey + "," + with(second, `"kid":"b"`, `"kid":5`), doctor.Warning, "kid is not a string"},
		"a certificate alone":     {rsaKey + `,{"kty":"RSA","kid":"b","use":"sig","x5c":["MIIB"]}`, doctor.Problem, "a certificate (x5c) does not replace them"},
		"no numbers":              {rsaKey + `,{"kty":"RSA","kid":"b"}`, doctor.Problem, "n or e is missing"},
		"no kty":                  {rsaKey + "," + with(second, `"kty":"RSA",`, ""), doctor.Problem, "kty is missing"},
		"an even modulus":         {rsaKey + "," + with(second, modulus, modulus2048[:len(modulus2048)-2]+"AA"), doctor.Problem, "n is even"},
		"a coordinate too short":  {rsaKey + "," + with(ecKey, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), doctor.Problem, "x has 31 bytes, expected 32"},
		"base64 instead of -url":  {rsaKey + "," + with(second, modulus, modulus2048+"=="), doctor.Problem, "is not base64url"},
		"an enormous key":         {rsaKey + "," + with(second, modulus, strings.Repeat("w", 2730)+"Q"), doctor.Problem, "16384 bits"},
		"a kid of 2000 bytes":     {rsaKey + "," + with(second, `"b"`, `"`+strings.Repeat("k", 2000)+`"`), doctor.Problem, "expected at most"},
		"another curve for ES256": {rsaKey + "," + with(with(ecKey, "P-256", "P-384"), `"kid"`, `"alg":"ES256","kid"`), doctor.Problem, "expected 48"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, edited(func(d, _ string) string { return d }), map[string]http.HandlerFunc{"/jwks": keySet(test.keys)})
			if !hasFinding(report, test.level, "keys", test.text) {
				t.Errorf("expected a %s with %q, received %+v", test.level, test.text, report.Findings)
			}
			if count := report.Problems(); count > 1 || (count == 1) != (test.level == doctor.Problem) {
				t.Errorf("%d problems: %+v", count, report.Findings)
			}
		})
	}
}

// TestUnusualAnswers: the report says what the server sent instead of the document, and what to do.
func TestUnusualAnswers(t *testing.T) {
	cutOff := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "500")
		fmt.Fprint(w, `{"issuer":`)
	}
	limited := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "17")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	for name, test := range map[string]struct {
		document, keys http.HandlerFunc
		level          doctor.Level
		topic, text    string
	}{
		"too many requests":       {document: limited, level: doctor.Warning, topic: "metadata", text: "wait 17 seconds"},
		"maintenance":             {document: writes(503, "text/html", "later"), level: doctor.Warning, topic: "metadata", text: "starting, overloaded or broken"},
		"half an answer":          {document: cutOff, level: doctor.Warning, topic: "metadata", text: "the response is incomplete"},
		"half a key set":          {keys: cutOff, level: doctor.Problem, topic: "keys", text: "the response is incomplete"},
		"keys behind a login":     {keys: writes(401, "application/json", "{}"), level: doctor.Problem, topic: "keys", text: "requires credentials"},
		"too many reads of keys":  {keys: limited, level: doctor.Problem, topic: "keys", text: "wait 17 seconds"},
		"a single key":            {keys: writes(200, "application/json", ecKey), level: doctor.Problem, topic: "keys", text: "a single key"},
		"certificates by kid":     {keys: writes(200, "application/json", `{"a":"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"}`), level: doctor.Problem, topic: "keys", text: "certificates in PEM"},
		"keys by kid":             {keys: writes(200, "application/json", `{"keys":{"a":{"kty":"RSA"}}}`), level: doctor.Problem, topic: "keys", text: "keys is not a list"},
		"metadata as key set":     {keys: writes(200, "application/json", `{"issuer":"https://as.example","jwks_uri":"https://as.example/jwks"}`), level: doctor.Problem, topic: "keys", text: "It is metadata"},
		"a list without a set":    {keys: writes(200, "application/json", `[`+ecKey+`]`), level: doctor.Problem, topic: "keys", text: "not a JWK Set"},
		"another type of content": {keys: writes(200, "text/json", `{"keys":[]}`), level: doctor.Problem, topic: "keys", text: "text/json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document, answers := edited(func(d, _ string) string { return d }), map[string]http.HandlerFunc{}
			if test.document != nil {
				document = func(string) http.HandlerFunc { return test.document }
			}
			if test.keys != nil {
				answers["/jwks"] = test.keys
			}
			report := examine(t, document, answers)
			if !hasFinding(report, test.level, test.topic, test.text) || report.Problems() != 1 {
				t.Errorf("expected a %s about %s with %q and one problem, received %+v", test.level, test.topic, test.text, report.Findings)
			}
		})
	}
}

// TestUnusualHealthy: valid metadata and keys of unusual forms raise no alarm.
func TestUnusualHealthy(t *testing.T) {
	x25519 := `{"kty":"OKP","kid":"x","crv":"X25519","x":"hSDwCYkwp1R0i33ctD73Wg2_Og0mOBr066SpjqqbTmo"}`
	for name, test := range map[string]struct {
		change func(document, issuer string) string
		keys   string
	}{
		"null for what there is not":  {add(`"end_session_endpoint":null,"scopes_supported":null,"mtls_endpoint_aliases":null`), rsaKey},
		"an empty address":            {add(`"end_session_endpoint":"","registration_endpoint":""`), rsaKey},
		"a query in an endpoint":      {endpoint("authorization", "ISSUER/authorize?policy=b2c_1_signin"), rsaKey},
		"endpoints at other sites":    {add(`"userinfo_endpoint":"https://openid.other.example/me","revocation_endpoint":"https://oauth2.third.example/revoke"`), rsaKey},
		"a port in an endpoint":       {add(`"userinfo_endpoint":"https://as.example:8443/me"`), rsaKey},
		"an address of IPv6":          {add(`"userinfo_endpoint":"https://[2001:db8::1]/me"`), rsaKey},
		"unknown members":             {add(`"x_vendor":{"a":[1,2,{"b":null}]},"Token_Endpoint":"https://evil.example","signed_metadata":"e30.e30.x"`), rsaKey},
		"pairwise subjects":           {swap(`["public"]`, `["pairwise"]`), rsaKey},
		"all response types":          {swap(`["code"]`, `["code","code id_token","code id_token token","none"]`), rsaKey},
		"unknown values":              {add(`"grant_types_supported":["authorization_code","urn:x:y"],"code_challenge_methods_supported2":["x"],"response_modes_supported":["query","web_message"],"token_endpoint_auth_methods_supported":["client_secret_basic","attest_jwt_client_auth"]`), rsaKey},
		"scopes without openid":       {add(`"scopes_supported":["profile","a,b"]`), rsaKey},
		"switches off":                {add(`"authorization_response_iss_parameter_supported":false,"require_signed_request_object":false,"request_object_signing_alg_values_supported":["none"]`), rsaKey},
		"X25519 for encryption":       {swap("", ""), rsaKey + "," + x25519},
		"Ed448 beside":                {swap("", ""), rsaKey + `,{"kty":"OKP","kid":"y","crv":"Ed448","x":"AAAA","alg":"EdDSA"}`},
		"secp256k1 without alg":       {swap("", ""), rsaKey + "," + with(ecKey, "P-256", "secp256k1")},
		"a type of tomorrow":          {swap("", ""), rsaKey + `,{"kty":"XYZ","kid":"z","new":1}`},
		"ML-DSA":                      {swap("", ""), rsaKey + `,{"kty":"AKP","kid":"m","alg":"ML-DSA-65","pub":"AAAA"}`},
		"one kid for two uses":        {swap("", ""), rsaKey + "," + with(rsaKey, `"sig"`, `"enc"`)},
		"encryption by alg alone":     {swap("", ""), rsaKey + "," + with(with(with(rsaKey, `"a"`, `"b"`), `"use":"sig",`, ""), "RS256", "RSA-OAEP-256")},
		"one key under two kids":      {swap("", ""), rsaKey + "," + with(rsaKey, `"a"`, `"b"`)},
		"neither alg nor use":         {swap("", ""), with(with(rsaKey, `"use":"sig",`, ""), `"alg":"RS256",`, "")},
		"a certificate by reference":  {swap("", ""), with(rsaKey, `"e"`, `"x5u":"https://as.example/c","e"`)},
		"null members of a key":       {swap("", ""), with(rsaKey, `"e"`, `"d":null,"x5c":null,"key_ops":null,"e"`)},
		"RSA beside EC and Ed25519":   {swap("", ""), rsaKey + "," + ecKey + `,{"kty":"OKP","kid":"o","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`},
		"the name of a secret method": {add(`"token_endpoint_auth_signing_alg_values_supported":["HS256","RS256"],"token_endpoint_auth_methods_supported":["client_secret_jwt","private_key_jwt"]`), rsaKey},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := examine(t, edited(test.change), map[string]http.HandlerFunc{"/jwks": keySet(test.keys)})
			for _, f := range report.Findings {
				if f.Level != doctor.Note {
					t.Errorf("false alarm: %+v", f)
				}
			}
		})
	}
}

// TestClientCertificateRequired: a server that requires a client certificate ends the handshake.
func TestClientCertificateRequired(t *testing.T) {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: server.URL, RootCAs: pool, Timeout: patience})
	if report.Problems() != 1 || !hasFinding(report, doctor.Problem, "tls", "-cert") {
		t.Errorf("%+v", report.Findings)
	}
}

// TestSchemeOfPort: a server on TLS answers an http request with a text.
func TestSchemeOfPort(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: "http" + server.URL[5:], InsecureHTTP: true, Timeout: patience})
	if !hasFinding(report, doctor.Warning, "metadata", "expects https at this port") {
		t.Errorf("%+v", report.Findings)
	}
}

// TestResponseModeConfig: the configuration to paste sets a mode that the server has.
func TestResponseModeConfig(t *testing.T) {
	for members, want := range map[string][]string{
		`"response_modes_supported":["query","form_post"]`:                                                       nil,
		`"response_modes_supported":["form_post"]`:                                                               {`ResponseMode: "form_post"`},
		`"response_modes_supported":["query.jwt"],"authorization_signing_alg_values_supported":["none","ES256"]`: {`ResponseMode: "query.jwt"`, `ResponseAlgs: []string{"ES256"}`},
	} {
		config := examine(t, edited(add(members)), nil).ClientConfig
		for _, field := range want {
			if strings.Count(config, field) != 1 {
				t.Errorf("%s: %q is missing:\n%s", members, field, config)
			}
		}
		if want == nil && strings.Contains(config, "ResponseMode") {
			t.Errorf("%s: %s", members, config)
		}
	}
}
