package client_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// raw is a server that sends the same bytes for every request.
func raw(t *testing.T, bytes string) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				http.ReadRequest(bufio.NewReader(c))
				c.Write([]byte(bytes))
				time.Sleep(50 * time.Millisecond)
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// TestTransportErrorText: the bytes of a server that does not use HTTP are not in the error. H22,
// LOG-02.
func TestTransportErrorText(t *testing.T) {
	for name, b := range map[string]string{
		"status line": strings.Repeat("A", 100_000) + "\u202e\r\n\r\n",
		"short":       "eyJcanary \u202e\u009b31m hello\r\n\r\n",
		"header":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("B", 100_000) + "\u202e\r\n\r\n",
		"status code": "HTTP/1.1 " + strings.Repeat("9", 50_000) + " OK\r\n\r\n",
		"location":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: " + strings.Repeat("z", 50_000) + "\r\n\r\n",
		"length":      "HTTP/1.1 200 OK\r\nContent-Length: " + strings.Repeat("z", 50_000) + "\r\n\r\n",
	} {
		u := raw(t, b)
		_, err := discovery.Fetch(t.Context(), nil, u)
		if err == nil {
			t.Fatal(name)
		}
		if n := len(err.Error()); n > 1024 || strings.ContainsAny(err.Error(), "\u202e\u009b") {
			t.Errorf("%s: an error of %d bytes: %.120q", name, n, err.Error())
		}
	}
}

// TestEndpointURLInErrors: an endpoint's URL, which the server chooses, is quoted and shortened
// in errors.
func TestEndpointURLInErrors(t *testing.T) {
	s := optest.New(t)
	s.Edit = func(m map[string]any) {
		m["token_endpoint"] = s.URL + "/token/\u202e" + strings.Repeat("x", 5000) + "?api_key=canary-query"
	}
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	_, err := c.Finish(t.Context(), pending, q)
	if n := len(err.Error()); n > 1024 || strings.Contains(err.Error(), "\u202e") || strings.Contains(err.Error(), "canary") {
		t.Errorf("an error of %d bytes: %.100q..%q", n, err, err.Error()[n-80:])
	}
}

// TestEcho: if a server repeats the request, its secrets are not in the error. TE-11.
func TestEcho(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	for _, what := range []string{"code", "code_verifier"} {
		pending, q := begun(t, s, c)
		var sent string
		s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
			r.ParseForm()
			sent = r.PostFormValue(what)
			optest.JSON(w, 400, map[string]string{"error": "invalid_grant", "error_description": "Invalid " + what + ": " + sent})
		})
		_, err := c.Finish(t.Context(), pending, q)
		if strings.Contains(err.Error(), sent) {
			t.Errorf("the %s is in the error: %v", what, err)
		}
		s.Replace("/token", nil)
	}
}

// TestEchoAsCode: a repeated secret is not in the error's code either, which a browser may see.
// TE-11, LOG-03.
func TestEchoAsCode(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	s.Replace("/token", func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		optest.JSON(w, 400, map[string]string{"error": r.PostFormValue("code_verifier")})
	})
	_, err := c.Finish(t.Context(), pending, q)
	var e *client.Error
	if !errors.As(err, &e) || strings.Contains(err.Error(), pending.CodeVerifier) || e.Code == pending.CodeVerifier {
		t.Errorf("got %v", err)
	}
}

// TestEchoOfUserInfo: a repeated access token is not in the error. LOG-01.
func TestEchoOfUserInfo(t *testing.T) {
	s := optest.New(t)
	s.Opaque = true
	c := newClient(t, config(s))
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	for name, answer := range map[string]http.HandlerFunc{
		"description": func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 401, map[string]string{"error": "invalid_token", "error_description": "canary-opaque is expired"})
		},
		"code": func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 401, map[string]string{"error": "canary-opaque"})
		},
		"challenge": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", `Bearer error="canary-opaque"`)
			w.WriteHeader(401)
		},
	} {
		s.Replace("/userinfo", answer)
		_, err := c.UserInfo(t.Context(), tokens)
		var e *client.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
		noCanary(t, err.Error()+e.Code)
	}
}

// TestErrorCodeIsNoMarkup: Error.Code contains no markup, because a browser may see it. RP-26,
// LOG-03.
func TestErrorCodeIsNoMarkup(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	pending, q := begun(t, s, c)
	q.Del("code")
	q.Set("error", "<script>alert(document.domain)</script>")
	_, err := c.Finish(t.Context(), pending, q)
	var e *client.Error
	errors.As(err, &e)
	if strings.Contains(e.Code, "<") {
		t.Errorf("Error.Code, which a browser may be shown, is %s", e.Code)
	}
}

// TestRefreshWithoutOriginal: a refresh with an ID token is rejected if the ID token of the login
// is not known. TOK-19.
func TestRefreshWithoutOriginal(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	s.EditID = func(m map[string]any) { m["sub"] = "mallory" }
	restored := &client.Tokens{Token: tokens.Token} // the tokens that a program has after a restart
	got, err := c.Refresh(t.Context(), restored)
	if err == nil {
		t.Errorf("the ID token of %s was taken; alice had signed in", got.IDToken.Subject)
	}
}

// TestRefreshNonceTwice: the ID token of the first refresh has no nonce, and the second has the
// nonce of the login.
func TestRefreshNonceTwice(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	nonce := tokens.IDToken.Nonce
	second, err := c.Refresh(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	s.EditID = func(m map[string]any) { m["nonce"] = nonce }
	if _, err := c.Refresh(t.Context(), second); err != nil {
		t.Errorf("the login's own nonce is refused: %v", err)
	}
}

// TestRefreshAuthTimeLost: a second refresh is compared with the login, not with the first
// refresh.
func TestRefreshAuthTimeLost(t *testing.T) {
	s := optest.New(t)
	c := newClient(t, config(s))
	at := time.Now().Unix() - 100
	s.EditID = func(m map[string]any) { m["auth_time"] = at }
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	s.EditID = nil
	second, err := c.Refresh(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	s.EditID = func(m map[string]any) { m["auth_time"] = at + 50 }
	if _, err := c.Refresh(t.Context(), second); err == nil {
		t.Error("auth_time differs from the login's and was taken")
	}
}

func TestExpiresInZero(t *testing.T) {
	for _, v := range []any{0, "0", 0.4} {
		s := optest.New(t)
		s.Token = func(m map[string]any) { m["expires_in"] = v }
		tokens, err := login(t, s, newClient(t, config(s)))
		if err != nil {
			continue
		}
		if tokens.Valid() && tokens.Expiry.IsZero() {
			t.Errorf("expires_in %v: a token that never expires", v)
		}
	}
}

// TestSecretKeysDoNotPrint: LOG-01.
func TestSecretKeysDoNotPrint(t *testing.T) {
	k := idtoken.SecretKeys("canary-secret-of-the-client-0123456789")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		text := fmt.Sprintf(verb, k)
		if strings.Contains(text, "canary") || strings.Contains(text, "99 97 110 97 114 121") || strings.Contains(text, "63616e617279") || strings.Contains(text, "0x63, 0x61, 0x6e") {
			t.Errorf("%s: %s", verb, text)
		}
	}
}

// TestLoopbackSSRF: the metadata of an https issuer cannot cause requests to http on loopback.
// DISC-03.
func TestLoopbackSSRF(t *testing.T) {
	inner := optest.New(t) // some service on loopback
	as := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		optest.JSON(w, 200, map[string]any{"issuer": "https://as.example", "authorization_endpoint": "https://as.example/a",
			"token_endpoint": inner.URL + "/token", "jwks_uri": inner.URL + "/jwks"})
	}))
	defer as.Close()
	hc := as.Client()
	tr := hc.Transport.(*http.Transport)
	tr.TLSClientConfig.ServerName = "example.com"
	dial := (&net.Dialer{}).DialContext
	tr.DialContext = func(ctx context.Context, n, addr string) (net.Conn, error) {
		if strings.HasPrefix(addr, "as.example") {
			addr = as.Listener.Addr().String()
		}
		return dial(ctx, n, addr)
	}
	p := &discovery.Provider{Issuer: "https://as.example", HTTP: hc}
	if _, err := p.Metadata(t.Context()); err == nil {
		p.Keys().VerifySignature(t.Context(), inner.Keys[0].Sign(map[string]any{}, nil))
		t.Errorf("metadata of https://as.example with jwks_uri %s was taken; %d requests to loopback", inner.URL+"/jwks", inner.Hits("/jwks"))
	}
}

func TestNewRefuses(t *testing.T) {
	for _, algs := range [][]string{{"none"}, {"rs256"}, {""}} {
		if _, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb", IDTokenAlgs: algs}); err == nil {
			t.Errorf("New takes IDTokenAlgs %q", algs)
		}
	}
	for _, iss := range []string{"as.example", "http://as.example", "https://as.example?x"} {
		if _, err := client.New(client.Config{Issuer: iss, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}); err == nil {
			t.Errorf("New takes Issuer %q", iss)
		}
	}
	if _, err := client.New(client.Config{Issuer: "https://as.example", Metadata: &discovery.Metadata{Issuer: "https://as.example"}, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}); err == nil {
		t.Errorf("New takes Metadata without endpoints")
	}
	if _, err := client.New(client.Config{Issuer: "http://as.example", Metadata: &discovery.Metadata{Issuer: "http://as.example", TokenEndpoint: "https://as.example/t", AuthorizationEndpoint: "https://as.example/t", JWKSURI: "https://as.example/t"}, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb"}); err == nil {
		t.Errorf("New takes http issuer with static Metadata")
	}
	for _, ru := range []string{"javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "com.example:/cb#"} {
		if _, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "rp", Auth: auth.Public(), RedirectURL: ru}); err == nil {
			t.Errorf("New takes RedirectURL %q", ru)
		}
	}
}

func TestScopesAlias(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	cfg.Scopes = []string{"openid", "photos.read"}
	c := newClient(t, cfg)
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	tokens.Scopes[1] = "admin"
	_, p, _ := c.Begin(t.Context(), client.Request{})
	if p.Scopes[1] == "admin" {
		t.Error("changing Tokens.Scopes changes what the client asks for")
	}
}
