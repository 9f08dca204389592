package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// TestMistakes: the error names the mistake and says what to do. The exit status is right, and the
// usage is not printed.
func TestMistakes(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret}, issuertest.Client{ID: "cli"})
	t.Setenv("WRONG", "canary-wrong-secret")
	as := []string{"-issuer", p.issuer.URL, "-ca", p.ca}
	at := func(args ...string) []string { return append(append([]string{}, args...), as...) }
	for name, test := range map[string]struct {
		args   []string
		status int
		want   string
	}{
		"a command that is none":    {[]string{"logn"}, 2, `did you mean "login"?`},
		"a word":                    {[]string{"xyzzy"}, 2, "countersign -h lists the commands"},
		"a flag that is none":       {[]string{"login", "-client-idd", "x"}, 2, "did you mean -client-id?"},
		"a flag far from any":       {[]string{"login", "-xyzzyxyzzy"}, 2, "countersign login -h lists the flags"},
		"a flag without its value":  {[]string{"login", "-issuer"}, 2, "flag needs an argument: -issuer"},
		"a number that is none":     {[]string{"login", "-max-age", "ten"}, 2, `invalid value "ten" for flag -max-age`},
		"no issuer":                 {[]string{"login", "-client-id", "x"}, 2, "-issuer is required"},
		"no client":                 {at("login"), 2, "-client-id is required"},
		"an issuer without scheme":  {[]string{"login", "-issuer", "as.example", "-client-id", "x"}, 2, "-issuer"},
		"a secret that is not set":  {at("login", "-client-id", "web", "-secret-env", "NO_SUCH_VARIABLE"), 2, "NO_SUCH_VARIABLE is empty or not set"},
		"no secret":                 {at("credentials", "-client-id", "web"), 2, "set -secret-env, -key or -cert"},
		"no secret for ciba":        {at("ciba", "-client-id", "web", "-login-hint", "alice"), 2, "set -secret-env, -key or -cert"},
		"no user for ciba":          {at("ciba", "-client-id", "web", "-secret-env", "CLIENT_SECRET"), 2, "-login-hint"},
		"half a second for ciba":    {at("ciba", "-client-id", "web", "-secret-env", "CLIENT_SECRET", "-login-hint", "alice", "-requested-expiry", "1500ms"), 2, "-requested-expiry is 1.5s"},
		"a flag of another command": {at("credentials", "-client-id", "web", "-prompt", "login"), 2, "-prompt belongs to countersign login"},
		"a type without its token":  {at("exchange", "-client-id", "web", "-secret-env", "CLIENT_SECRET", "-actor-token-type", "jwt"), 2, "-actor-token-env"},
		"no key for a JWT":          {at("jwt-bearer", "-client-id", "web", "-secret-env", "CLIENT_SECRET"), 2, "-subject"},
		"no key for a request":      {at("login", "-client-id", "cli", "-jar"), 2, "-jar requires -key"},
		"a page as redirect URI":    {at("login", "-client-id", "cli", "-redirect-uri", "https://app.example/callback"), 2, "-redirect-uri must be http://127.0.0.1"},
		"a profile without a key":   {at("login", "-client-id", "web", "-profile", "fapi2-security"), 2, "-key or -cert"},
		"a profile that is none":    {at("login", "-client-id", "web", "-profile", "fapi"), 2, "fapi2-security"},
		"the wrong secret":          {at("credentials", "-client-id", "web", "-secret-env", "WRONG"), 1, "check -client-id, the credential"},
		"the wrong client":          {at("credentials", "-client-id", "other", "-secret-env", "CLIENT_SECRET"), 1, "check -client-id, the credential"},
		"a closed port":             {[]string{"login", "-issuer", "https://127.0.0.1:1", "-client-id", "x"}, 1, "countersign doctor https://127.0.0.1:1"},
		"an authority":              {[]string{"login", "-issuer", p.issuer.URL, "-client-id", "x"}, 1, "-ca FILE"},
		"an issuer with a slash":    {[]string{"login", "-issuer", p.issuer.URL + "/", "-client-id", "x", "-ca", p.ca}, 1, "countersign doctor"},
		"a token as an argument":    {at("introspect", "-client-id", "web", "canary-token"), 2, "standard input"},
		"tokens that are not there": {at("refresh", "-client-id", "cli"), 1, "run countersign login"},
		"doctor without an issuer":  {[]string{"doctor"}, 2, "https://as.example"},
		"doctor without scheme":     {[]string{"doctor", "as.example"}, 1, "try https://as.example"},
		"doctor, half a client":     {[]string{"doctor", "https://as.example", "-client-id", "x"}, 2, "-redirect-uri"},
		"doctor, a closed port":     {[]string{"doctor", "https://127.0.0.1:1"}, 1, "refused"},
		"doctor -api, closed":       {[]string{"doctor", "-api", "https://127.0.0.1:1/"}, 1, "refused"},
		"doctor -api on http":       {[]string{"doctor", "-api", "http://api.example/"}, 1, "https"},
	} {
		t.Run(name, func(t *testing.T) {
			args := test.args
			if args[0] != "doctor" && len(args) > 1 {
				args = append([]string{args[0], "-store", p.dir}, args[1:]...)
			}
			if args[0] == "login" {
				args = append([]string{"login", "-no-browser"}, args[1:]...)
			}
			status, out := runs(t, "", args...)
			if status != test.status || !strings.Contains(out, test.want) {
				t.Errorf("%q: status %d, expected %d with %q\n%s", args, status, test.status, test.want, out)
			}
			if strings.Contains(out, "canary") && name != "a token as an argument" || strings.Contains(out, "Flags:") || strings.Contains(out, "Config.") {
				t.Errorf("%q prints a secret, all flags, or the name of a Go setting:\n%s", args, out)
			}
		})
	}
}

// TestAdviceOnce: for each error code of a token endpoint, the advice of the module and that of the
// command are one text.
func TestAdviceOnce(t *testing.T) {
	for code, want := range map[string]string{
		"invalid_client": "-auth is the registered method", "unauthorized_client": "registered for this grant", "invalid_scope": "check -scope",
		"invalid_target": "-resource", "unsupported_grant_type": "enable this grant",
	} {
		p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			if strings.HasPrefix(r.URL.Path, "/.well-known/") {
				json.NewEncoder(w).Encode(map[string]string{"issuer": "http://" + r.Host, "authorization_endpoint": "http://" + r.Host + "/a", "token_endpoint": "http://" + r.Host + "/t", "introspection_endpoint": "http://" + r.Host + "/i", "jwks_uri": "http://" + r.Host + "/k"})
				return
			}
			w.WriteHeader(http.StatusBadRequest)
			json.NewEncoder(w).Encode(map[string]string{"error": code})
		}))
		for _, command := range []string{"credentials", "introspect", "exchange"} {
			args := []string{command, "-issuer", server.URL, "-client-id", "web", "-secret-env", "CLIENT_SECRET", "-store", p.dir}
			if command != "credentials" {
				args = append(args, "-")
			}
			_, out := runs(t, "canary-token-1", args...)
			_, said, _ := strings.Cut(out, "countersign "+command+": ")
			if strings.Count(said, want) != 1 || strings.Contains(said, "compare") || strings.Count(said, "-secret-env") > 1 {
				t.Errorf("%s, %s: %s", command, code, said)
			}
		}
		server.Close()
	}
}

// TestNoUser: what needs a user says so after a grant without one.
func TestNoUser(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	as := []string{"-client-id", "web", "-secret-env", "CLIENT_SECRET"}
	if status, out := p.run("", append([]string{"credentials"}, as...)...); status != 0 {
		t.Fatal(out)
	}
	for command, want := range map[string]string{"userinfo": "for the client itself", "refresh": "run countersign credentials again"} {
		if status, out := p.run("", append([]string{command}, as...)...); status != 1 || !strings.Contains(out, want) {
			t.Errorf("%s: status %d, expected %q\n%s", command, status, want, out)
		}
	}
}

// TestVersion prints what was built.
func TestVersion(t *testing.T) {
	if status, out := runs(t, "", "version"); status != 0 || !strings.HasPrefix(out, "countersign ") {
		t.Errorf("%d %s", status, out)
	}
}

// TestDoctorAPI: the doctor reads the challenge and the metadata of APIs, and reports their faults.
func TestDoctorAPI(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		challenge string
		metadata  string
		exit      int
		want      string
	}{
		"healthy":        {401, `Bearer resource_metadata="URL/.well-known/oauth-protected-resource"`, `{"resource":"URL","authorization_servers":["https://as.example"],"scopes_supported":["read"]}`, 0, "countersign doctor https://as.example"},
		"open":           {200, "", "", 0, "answered with status 200"},
		"no challenge":   {401, "", "", 1, "without WWW-Authenticate"},
		"basic":          {401, `Basic realm="x"`, "", 1, "neither Bearer nor DPoP"},
		"an error":       {401, `Bearer error="invalid_token"`, "", 0, "although no token was sent"},
		"other resource": {401, `Bearer resource_metadata="URL/.well-known/oauth-protected-resource"`, `{"resource":"https://other.example","authorization_servers":["https://as.example"]}`, 1, "resource"},
		"no server":      {401, `Bearer resource_metadata="URL/.well-known/oauth-protected-resource"`, `{"resource":"URL"}`, 1, "no authorization server"},
		"broken":         {401, `Bearer resource_metadata="URL/.well-known/oauth-protected-resource"`, `{`, 1, "resource metadata"},
		"http server":    {401, `Bearer resource_metadata="URL/.well-known/oauth-protected-resource"`, `{"resource":"URL","authorization_servers":["http://as.example"]}`, 1, "the authorization server"},
	} {
		t.Run(name, func(t *testing.T) {
			var api *httptest.Server
			api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/.well-known/") {
					w.Header().Set("Content-Type", "application/json")
					w.Write([]byte(strings.ReplaceAll(test.metadata, "URL", api.URL)))
					return
				}
				if test.challenge != "" {
					w.Header().Set("WWW-Authenticate", strings.ReplaceAll(test.challenge, "URL", api.URL))
				}
				w.WriteHeader(test.status)
			}))
			defer api.Close()
			if status, out := runs(t, "", "doctor", "-api", api.URL); status != test.exit || !strings.Contains(out, test.want) {
				t.Errorf("status %d, expected %d with %q\n%s", status, test.exit, test.want, out)
			}
		})
	}
}

// TestDoctorMetadataBehindToken: an API that requires a token for its metadata.
func TestDoctorMetadataBehindToken(t *testing.T) {
	for name, challenged := range map[string]bool{"named by the challenge": true, "at the usual place": false} {
		p := &rs.Protection{Tokens: &rs.JWT{}, Logger: slog.New(slog.DiscardHandler)}
		api := httptest.NewUnstartedServer(p.Handler(http.NotFoundHandler()))
		address := "http://" + api.Listener.Addr().String()
		if challenged {
			p.ResourceMetadata = address + "/.well-known/oauth-protected-resource"
		}
		api.Start()
		status, out := runs(t, "", "doctor", "-api", address)
		api.Close()
		if !strings.Contains(out, "behind its token check: status 401") || !strings.Contains(out, "mount rs.Metadata outside of Protection.Handler") || strings.Contains(out, "Transport") {
			t.Errorf("%s: %s", name, out)
		}
		if (status == 1) != challenged {
			t.Errorf("%s: status %d", name, status)
		}
	}
}

// TestDoctorKeepsSecrets: the doctor does not print a secret that the issuer repeats in its
// response.
func TestDoctorKeepsSecrets(t *testing.T) {
	t.Setenv("CLIENT_SECRET", canarySecret)
	i, ca := issuer(t, issuertest.Config{Clients: []issuertest.Client{{ID: "web", Secret: canarySecret}}})
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasPrefix(r.URL.Path, "/.well-known/") {
			w.WriteHeader(http.StatusBadRequest)
			_, secret, _ := r.BasicAuth()
			json.NewEncoder(w).Encode(map[string]string{"error": "invalid_request", "error_description": "you sent " + secret})
			return
		}
		at := "http://" + r.Host
		json.NewEncoder(w).Encode(map[string]any{"issuer": at, "authorization_endpoint": at + "/a", "token_endpoint": at + "/t", "jwks_uri": at + "/k", "pushed_authorization_request_endpoint": at + "/par"})
	}))
	defer echo.Close()
	for _, at := range []string{i.URL, echo.URL} {
		for _, format := range []string{"-json=false", "-json"} {
			_, out := runs(t, "", "doctor", at, format, "-ca", ca, "-client-id", "web", "-redirect-uri", "https://app.example/cb", "-secret-env", "CLIENT_SECRET")
			if strings.Contains(out, canarySecret) || at == echo.URL && !strings.Contains(out, "you sent [redacted]") {
				t.Errorf("%s", out)
			}
		}
	}
}
