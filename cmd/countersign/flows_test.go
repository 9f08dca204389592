package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery/issuertest"
)

const canarySecret = "canary-client-secret-1"

// terminal acts as a person at a terminal, who opens each printed address.
type terminal struct {
	t              *testing.T
	issuer         *issuertest.Issuer
	browser        *http.Client
	dir, files, ca string
	opened         sync.WaitGroup

	mu  sync.Mutex
	out bytes.Buffer
}

var address = regexp.MustCompile(`(?m)^(?:or open )?(https://127\.0\.0\.1:\S+)`)

func (p *terminal) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if found := address.FindSubmatch(b); found != nil && !bytes.HasPrefix(b, []byte("→")) {
		url := string(found[1])
		p.opened.Go(func() { p.open(url) })
		return len(b), nil // the opened address is not searched for secrets
	}
	return p.out.Write(b)
}

func (p *terminal) open(url string) {
	resp, err := p.browser.Get(url)
	if err != nil {
		p.t.Error(err)
		return
	}
	resp.Body.Close()
	if strings.Contains(url, "/activate") {
		if resp, err = p.browser.PostForm(url, nil); err != nil {
			p.t.Error(err)
			return
		}
		resp.Body.Close()
	}
}

func newTerminal(t *testing.T, clients ...issuertest.Client) *terminal {
	i, ca := issuer(t, issuertest.Config{Clients: clients, Algorithm: "ES256"})
	t.Setenv("CLIENT_SECRET", canarySecret)
	return &terminal{t: t, issuer: i, browser: i.Browser(), dir: filepath.Join(t.TempDir(), "tokens"), files: t.TempDir(), ca: ca}
}

// run runs a command line, and returns the output.
func (p *terminal) run(stdin string, args ...string) (status int, out string) {
	p.t.Helper()
	p.out.Reset()
	args = append(args, "-issuer", p.issuer.URL, "-ca", p.ca, "-store", p.dir, "-id-token-alg", "ES256")
	if slices.Contains(owners["no-browser"], args[0]) {
		args = append(args, "-no-browser")
	}
	status = run(context.Background(), args, standard{strings.NewReader(stdin), p, p})
	p.opened.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.check(p.out.String())
	return status, p.out.String()
}

// check fails if the output contains a value that the issuer made, or credentials.
func (p *terminal) check(out string) {
	p.t.Helper()
	secrets := []string{canarySecret}
	for _, x := range p.issuer.Exchanges("") {
		var members map[string]any
		_ = json.Unmarshal(x.ResponseBody, &members)
		for _, name := range []string{"access_token", "refresh_token", "id_token", "device_code", "auth_req_id"} {
			if s, _ := members[name].(string); s != "" {
				secrets = append(secrets, s)
			}
		}
		for _, name := range []string{"code", "code_verifier", "client_assertion", "client_secret", "state", "assertion", "request", "login_hint_token", "subject_token", "actor_token"} {
			if s := x.Request.Form.Get(name); s != "" {
				secrets = append(secrets, s)
			}
		}
		if s := x.Request.Form.Get("user_code"); s != "" && x.Request.Form.Has("login_hint") {
			secrets = append(secrets, s) // the user code of ciba, which is a secret; device shows its user code to the user
		}
		for _, name := range []string{"DPoP", "Authorization"} {
			if s := x.Request.Header.Get(name); s != "" {
				secrets = append(secrets, s)
			}
		}
	}
	for _, s := range secrets {
		if strings.Contains(out, s) {
			p.t.Errorf("%.12s… is printed:\n%s", s, out)
		}
	}
}

// TestFlows runs every flow against the test issuer, in the order in which a person would.
func TestFlows(t *testing.T) {
	key := issuertest.NewKey("cli-1", "ES256")
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret, Keys: issuertest.JWKS(key)})
	t.Chdir(p.files)
	t.Setenv("USER_CODE", "canary-user-code")
	writeKey(t, "key.pem", key.Private.(*ecdsa.PrivateKey))
	common := []string{"-client-id", "web", "-secret-env", "CLIENT_SECRET"}
	for _, test := range []struct {
		args []string
		want []string
	}{
		{[]string{"login", "-scope", "openid offline_access", "-dpop"}, []string{"GET https://", "request_uri=", "grant_type=authorization_code", "code=‹code 1›", "Dpop: ‹dpop 1›", "11  ", "stored as", "alice"}},
		{[]string{"userinfo"}, []string{"/userinfo", `"sub": "alice"`}},
		{[]string{"refresh"}, []string{"grant_type=refresh_token", "stored as"}},
		{[]string{"introspect"}, []string{"active         true", `"sub": "alice"`}},
		{[]string{"introspect", "-json"}, []string{`"exchanges"`, `"active": true`}},
		{[]string{"exchange", "-audience", "https://billing.example"}, []string{"token-exchange", "exchanged"}},
		{[]string{"logout"}, []string{"/logout?", "the tokens are deleted here"}},
		{[]string{"device", "-scope", "openid"}, []string{"enter the code", "device_code=‹device_code 1›", "stored as"}},
		{[]string{"revoke"}, []string{"/revoke", "revoked"}},
		{[]string{"ciba", "-scope", "openid", "-login-hint", "alice", "-binding-message", "W4SCT", "-user-code-env", "USER_CODE"}, []string{"binding_message=W4SCT", "user_code=‹user_code 1›", "auth_req_id=‹auth_req_id 1›", `"auth_req_id": "‹auth_req_id 1›"`, "stored as", "alice"}},
		{[]string{"ciba", "-json", "-login-hint", "alice"}, []string{`"exchanges"`, `"sub": "alice"`, "auth_req_id=‹auth_req_id 1›"}},
		{[]string{"ciba", "-curl", "-login-hint", "alice"}, []string{"curl -i -X POST", "--data-urlencode 'login_hint=alice'", "grant_type=urn:openid:params:grant-type:ciba"}},
		{[]string{"ciba", "-jar", "-key", "key.pem", "-kid", "cli-1", "-login-hint", "alice"}, []string{"request=‹request 1›", "stored as"}},
		{[]string{"jwt-bearer", "-key", "key.pem", "-kid", "cli-1", "-subject", "alice", "-scope", "read"}, []string{"assertion=‹assertion 1›", "grant-type:jwt-bearer", "stored as"}},
		{[]string{"jwt-bearer", "-json", "-key", "key.pem", "-kid", "cli-1", "-subject", "alice", "-dpop"}, []string{"assertion=‹assertion 1›", `"dpop": true`}},
		{[]string{"jwt-bearer", "-curl", "-key", "key.pem", "-kid", "cli-1", "-subject", "alice"}, []string{"--data-urlencode 'assertion=‹assertion 1›'"}},
		{[]string{"credentials", "-scope", "read", "-curl"}, []string{"curl -i -X POST", "--data-urlencode 'grant_type=client_credentials'"}},
		{[]string{"login", "-jarm", "-par", "off"}, []string{"response_mode=query.jwt", "code_challenge_method=S256", "stored as"}},
	} {
		status, out := p.run("", append(test.args, common...)...)
		if status != 0 {
			t.Fatalf("%q: status %d\n%s", test.args, status, out)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%q: %q is missing\n%s", test.args, want, out)
			}
		}
	}
}

// TestFlowsFail: a failed flow has status 1 and a reason, and prints no secret.
func TestFlowsFail(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	common := []string{"-client-id", "web", "-secret-env", "CLIENT_SECRET"}
	if status, out := p.run("", "userinfo"); status != 2 {
		t.Errorf("without a client: %d %s", status, out)
	}
	for _, test := range []struct{ args, want string }{
		{"refresh", "no tokens are stored"}, {"userinfo", "no tokens are stored"}, {"logout", "no tokens are stored"},
	} {
		if status, out := p.run("", append([]string{test.args}, common...)...); status != 1 || !strings.Contains(out, test.want) {
			t.Errorf("%s: %d %s", test.args, status, out)
		}
	}
	p.issuer.Inject(issuertest.IDTokenNonceWrong)
	if status, out := p.run("", append([]string{"login"}, common...)...); status != 1 || !strings.Contains(out, "nonce") {
		t.Errorf("a foreign nonce: %d %s", status, out)
	}
	p.issuer.Behave()
	if status, out := p.run("", "introspect", "-client-id", "web", "-secret-env", "CLIENT_SECRET", "x"); status != 2 {
		t.Errorf("a token as an argument: %d %s", status, out)
	}
	if status, out := p.run("canary-token-on-stdin", "introspect", "-client-id", "web", "-secret-env", "CLIENT_SECRET", "-"); status != 0 || !strings.Contains(out, "false") || strings.Contains(out, "canary-token") {
		t.Errorf("a token on standard input: %d %s", status, out)
	}
	for _, extra := range [][]string{{"-auth", "dance"}, {"-auth", "private_key_jwt"}, {"-par", "perhaps"}, {"-jar"}, {"-key", p.ca}, {"-profile", "fapi2-security"}} {
		if status, out := p.run("", append([]string{"login", "-client-id", "web"}, extra...)...); status == 0 {
			t.Errorf("%q: status 0\n%s", extra, out)
		}
	}
}

// TestFAPI: a login with FAPI 2.0 Message Signing: private_key_jwt, PAR, JAR, JARM and DPoP, and
// another one with a certificate.
func TestFAPI(t *testing.T) {
	key := issuertest.NewKey("cli-1", "ES256")
	pair := issuertest.NewCertificate()
	p := newTerminal(t, issuertest.Client{ID: "web", Keys: issuertest.JWKS(key)}, issuertest.Client{ID: "tls", Certificate: pair.Leaf})
	keyFile, certFile := filepath.Join(p.files, "key.pem"), filepath.Join(p.files, "cert.pem")
	writeKey(t, keyFile, key.Private.(*ecdsa.PrivateKey))
	writeKey(t, certFile, pair.PrivateKey.(*ecdsa.PrivateKey), pair.Certificate...)
	status, out := p.run("", "login", "-client-id", "web", "-key", keyFile, "-kid", "cli-1", "-jar", "-jarm", "-dpop", "-profile", "fapi2-message-signing")
	if status != 0 || !strings.Contains(out, "request=‹request 1›") || !strings.Contains(out, "client_assertion=‹client_assertion 1›") {
		t.Errorf("message signing: %d\n%s", status, out)
	}
	status, out = p.run("", "login", "-client-id", "tls", "-cert", certFile, "-auth", "self_signed_tls_client_auth")
	if status != 0 || !strings.Contains(out, "client_id=tls") {
		t.Errorf("mTLS: %d\n%s", status, out)
	}
}

func writeKey(t *testing.T, name string, key *ecdsa.PrivateKey, certificates ...[]byte) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	data := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, c := range certificates {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c})...)
	}
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestKeyFiles: the error for an unusable key says what to do.
func TestKeyFiles(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, _ := x509.MarshalECPrivateKey(key)
	name := filepath.Join(p.files, "sec1.pem")
	os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
	if status, out := p.run("", "login", "-client-id", "web", "-key", name); status != 1 || !strings.Contains(out, "openssl pkcs8") {
		t.Errorf("%d %s", status, out)
	}
}

// TestStoreIsPrivate: only the user can read the stored tokens.
func TestStoreIsPrivate(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	p.dir = filepath.Join(p.dir, "new")
	if status, out := p.run("", "credentials", "-client-id", "web", "-secret-env", "CLIENT_SECRET"); status != 0 {
		t.Fatal(out)
	}
	files, _ := filepath.Glob(filepath.Join(p.dir, "*"))
	if stored, _ := filepath.Glob(filepath.Join(p.dir, "*.json")); len(stored) != 1 {
		t.Fatalf("%q", files)
	}
	for _, name := range append(files, p.dir) {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	os.Chmod(p.dir, 0o755)
	if status, out := p.run("", "userinfo", "-client-id", "web", "-secret-env", "CLIENT_SECRET"); status != 1 || !strings.Contains(out, "chmod 700") {
		t.Errorf("a directory that others can open: %d %s", status, out)
	}
}

// TestOneRefresh: while another process refreshes the tokens, nothing is sent. A server that
// rotates refresh tokens would treat the second request as a theft.
func TestOneRefresh(t *testing.T) {
	p := newTerminal(t, issuertest.Client{ID: "web", Secret: canarySecret})
	common := []string{"-client-id", "web", "-secret-env", "CLIENT_SECRET"}
	if status, out := p.run("", append([]string{"login", "-scope", "openid offline_access"}, common...)...); status != 0 {
		t.Fatal(out)
	}
	release, held, err := (&tokens.FileStore{Dir: p.dir}).Acquire(t.Context(), p.issuer.URL+" web", time.Minute)
	if err != nil || !held {
		t.Fatal(held, err)
	}
	if status, out := p.run("", append([]string{"refresh"}, common...)...); status != 1 || !strings.Contains(out, "another process") || strings.Contains(out, "grant_type=refresh_token") {
		t.Errorf("%d %s", status, out)
	}
	release()
	if status, out := p.run("", append([]string{"refresh"}, common...)...); status != 0 {
		t.Errorf("%d %s", status, out)
	}
}

// TestExamples runs the example of each flow's -h without a change, against the test issuer.
func TestExamples(t *testing.T) {
	key := issuertest.NewKey("", "ES256")
	p := newTerminal(t, issuertest.Client{ID: "cli"}, issuertest.Client{ID: "tv"}, issuertest.Client{ID: "daemon", Secret: canarySecret}, issuertest.Client{ID: "api", Secret: canarySecret},
		issuertest.Client{ID: "desk", Secret: canarySecret}, issuertest.Client{ID: "batch", Secret: canarySecret, Keys: issuertest.JWKS(key)})
	t.Chdir(p.files)
	writeKey(t, "batch.pem", key.Private.(*ecdsa.PrivateKey))
	ids := p.issuer
	for _, f := range flows {
		_, usage := p.run("", f.name, "-h")
		_, example, ok := strings.Cut(usage, "Example:\n  ")
		if !ok {
			t.Fatalf("%s -h has no example", f.name)
		}
		line, _, _ := strings.Cut(example, "\n")
		words := shellWords(line)
		for len(words) > 0 && words[0] != "countersign" {
			words = words[1:] // the environment
		}
		var args []string
		for i := 1; i < len(words); i++ {
			if words[i] == "-issuer" {
				i++
				continue
			}
			args = append(args, words[i])
		}
		access := ids.AccessToken(issuertest.AccessToken{ClientID: "api"})
		if f.name == "exchange" {
			args = append(args, "-")
		}
		if f.name == "logout" || f.name == "userinfo" {
			p.run("", "login", "-client-id", "cli", "-scope", "openid offline_access")
		}
		if status, out := p.run(access, args...); status != 0 {
			t.Errorf("%s: status %d\n%s", line, status, out)
		}
	}
}

// shellWords splits a command line at spaces outside of double quotes.
func shellWords(line string) (words []string) {
	for _, w := range regexp.MustCompile(`"[^"]*"|\S+`).FindAllString(line, -1) {
		words = append(words, strings.Trim(w, `"`))
	}
	return words
}

// TestOtherExamples runs the examples of doctor, token and playground.
func TestOtherExamples(t *testing.T) {
	i, ca := issuer(t, issuertest.Config{})
	if _, usage := runs(t, "", "doctor", "-h"); !strings.Contains(usage, "\n  countersign doctor https://accounts.google.com\n") {
		t.Error(usage)
	}
	if status, out := runs(t, "", "doctor", i.URL, "-ca", ca); status != 0 {
		t.Errorf("doctor: %d %s", status, out)
	}
	if _, usage := runs(t, "", "token", "-h"); !strings.Contains(usage, "\n  echo \"$TOKEN\" | countersign token -\n") {
		t.Error(usage)
	}
	if status, out := runs(t, i.IDToken(issuertest.IDToken{})+"\n", "token", "-"); status != 0 {
		t.Errorf("token: %d %s", status, out)
	}
	if _, usage := runs(t, "", "playground", "-h"); !strings.Contains(usage, "\n  countersign playground -no-browser\n") {
		t.Error(usage)
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	var out bytes.Buffer
	if status := run(ctx, []string{"playground", "-no-browser"}, standard{strings.NewReader(""), &out, &out}); status != 0 || !strings.Contains(out.String(), "http://127.0.0.1:") {
		t.Errorf("playground: %d %s", status, out.String())
	}
}
