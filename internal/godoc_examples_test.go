package internal_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// taskExamples are the examples of each page of docs/README.md, by package. A page without one has
// the reason instead.
var taskExamples = map[string]string{
	"add-sign-in.md":              "client/login: New Login_Require Login_Identify Login_Logout Login_Begin Config_signIn Login_Ready Login_Silent",
	"sign-in.md":                  "client: . Client_Begin Client_FinishAt Client_UserInfo Client_Ready New Error Profile RequestObject CheckMixUpDefense Client_Initiated",
	"single-page-applications.md": "client/login: Login_Session Login_Proxy",
	"device-bound-sessions.md":    "client/login: Login_RequireDevice",
	"websockets-and-events.md":    "client/login: Login_Proxy",
	"end-a-session.md":            "client/login: Login_Logout Login_BackchannelLogout; client: Client_LogoutURL CheckLogout Client_VerifyLogout; idtoken: Verifier_VerifyLogout",
	"end-access-immediately.md":   "rs/ssf: Receiver_Handler Receiver_Apply Receiver_Poll Receiver_Verify; client/login: Login_EndAccess; rs: Revocations Revocations_shared StatusLists PingSessions",

	"protect-an-api.md":        "rs: . Protection Protection_Check Protection_Ready Introspection Cache JWTOrOpaque Issuers DynamicIssuers IDToken DPoP MTLS Metadata Kubernetes ForwardIdentity AWSLoadBalancer PingValidateBearer Confirmation; rs/grpcrs: .",
	"roles-and-permissions.md": "rs: RequireClaim RequireScope RequireACR RequireAuthorizationDetails Require",
	"cors.md":                  "no call of its own: a middleware of the application",

	"use-tokens.md":             "client/tokens: Transport Refresher OAuth2 ToStore ChallengeError_Request; client: Client_Refresh Client_Authorize",
	"tokens-without-a-login.md": "client/grant: ClientCredentials TokenExchange JWTBearer BeginDevice BeginBackchannel PingHandler; client: clientCredentials Client_Grant Client_Introspect",
	"unknown-apis.md":           "discovery: FetchResource; client/registration: Registrar_Register",
	"agents.md":                 "client/crossapp: CrossApp; rs: RequireActor; rs/authzen: PDP_Require; mcpauth: New Tools",

	"native-programs.md":       "client/loopback: Login",
	"command-line-programs.md": "client/tokens: FileStore",
	"mobile-backend.md":        "client: Client_Exchange; pkce: Verifier_Challenge",

	"troubleshooting.md":        "errors of other pages",
	"test-your-application.md":  "client/logintest: With WithSession; rs/rstest: With Tokens; discovery/issuertest: Issuer_Inject Issuer_AccessToken Start",
	"docker-compose.md":         "a file of docker compose",
	"use-a-clone.md":            "commands of the shell",
	"proxies-and-base-paths.md": "settings of other calls",
	"kubernetes.md":             "rs: Kubernetes; client/auth: FederatedFile",
	"many-machines.md":          "a server is needed: redisstore, sqlstore",
	"private-cas.md":            "settings of net/http",
	"outgoing-requests.md":      "discovery: Dialer",
	"migrate.md":                "calls of other pages",

	"servers.md":           "client: Keycloak",
	"interop.md":           "results",
	"command.md":           "commands of a shell",
	"register-a-client.md": "client/registration: Document Registrar_Register; client/auth: KeyRing",

	"validate-id-token.md":           "idtoken: Verifier_Check Report BooleanClaim",
	"which-library-notices-what.md":  "results",
	"performance.md":                 "results",
	"threat-model.md":                "no call",
	"architecture.md":                "no call",
	"the methods of authentication.": "client/auth: Secret SecretBasic SecretBasicRaw SecretPost SecretJWT PrivateKeyJWT TLS SelfSignedTLS Public FederatedFile FederatedFunc SPIFFE AppleSecret SigningKey_Encode; par: Push RequestObject Published; discovery: Provider StaticKeys",
}

// withoutOutput are the examples that need a server, by package.
var withoutOutput = map[string]bool{"../redisstore": true, "../sqlstore": true, "../mcpauth": true}

// TestTaskExamples: each page of the documentation has its examples in the packages, and each
// example has output, so that go test runs it.
func TestTaskExamples(t *testing.T) {
	index, err := os.ReadFile("../docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range regexp.MustCompile(`\]\(([a-z-]+\.md)\)`).FindAllStringSubmatch(string(index), -1) {
		if taskExamples[link[1]] == "" {
			t.Errorf("docs/%s has no examples: add them to taskExamples, or the reason why there are none", link[1])
		}
	}
	found := examples(t)
	for page, list := range taskExamples {
		for part := range strings.SplitSeq(list, "; ") {
			dir, names, ok := strings.Cut(part, ": ")
			if !ok || strings.Contains(dir, " ") {
				continue // a reason
			}
			for _, name := range strings.Fields(names) {
				if !found["../"+dir][strings.TrimPrefix(name, ".")] {
					t.Errorf("%s: package %s has no example %q", page, dir, name)
				}
			}
		}
	}
}

// examples returns the names of the examples of each directory. Each has
// output, and is a complete program together with its file.
func examples(t *testing.T) map[string]map[string]bool {
	all := map[string]map[string]bool{}
	for _, dir := range exportedDirs(t) {
		names, _ := filepath.Glob(filepath.Join(dir, "*_test.go"))
		var files []*ast.File
		for _, name := range names {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
		all[dir] = map[string]bool{}
		for _, e := range doc.Examples(files...) {
			all[dir][strings.TrimPrefix(e.Name, "_")] = true
			if e.Output == "" && !e.EmptyOutput && !withoutOutput[dir] && e.Name != "_unknownAPI" {
				t.Errorf("%s: Example%s has no output", dir, e.Name)
			}
			if e.Play == nil {
				t.Errorf("%s: Example%s uses a name of another file, which readers do not see: declare it in the same file", dir, e.Name)
			}
			if e.Doc == "" {
				t.Errorf("%s: Example%s does not say what it shows", dir, e.Name)
			}
		}
	}
	return all
}
