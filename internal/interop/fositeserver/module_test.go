package fositeserver

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// startModule starts a server for the module's client "app" and API "api".
func startModule(t *testing.T, opaque bool) (issuer string) {
	t.Helper()
	var s *Server
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	s, err := New(Config{
		Issuer: ts.URL,
		Clients: []Client{
			{ID: "app", Secret: "app-secret", RedirectURLs: []string{redirectURL}, Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}},
			{ID: "phone", Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}},
			{ID: "album", Secret: "album-secret", Scopes: []string{"photos.print"}, Audience: []string{printer}, Grants: []string{TokenExchange}, Resource: audience},
			{ID: "api", Secret: "api-secret"},
		},
		Users: []User{{Subject: "4711", Username: "alice", Password: "wonderland"}}, OpaqueTokens: opaque,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return ts.URL
}

var formID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signsIn signs alice in at the server's form and returns the callback.
func signsIn(t *testing.T, address, action string) url.Values {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	body := readAll(t, resp)
	id := formID.FindStringSubmatch(body)
	if id == nil {
		t.Fatalf("no form: %s", body)
	}
	u, _ := url.Parse(address)
	resp, err = hc.PostForm(u.Scheme+"://"+u.Host+loginPath, url.Values{"id": {id[1]}, "username": {"alice"}, "password": {"wonderland"}, "action": {action}})
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, resp)
	back, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	return back.Query()
}

func moduleClient(t *testing.T, issuer, id string, method auth.Method) *client.Client {
	t.Helper()
	c, err := client.New(client.Config{Issuer: issuer, ClientID: id, Auth: method, RedirectURL: redirectURL, Scopes: []string{"openid", "photos.read"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestModuleSignsIn: the module's client signs in, and its API accepts the token.
func TestModuleSignsIn(t *testing.T) {
	for name, opaque := range map[string]bool{"JWT": false, "opaque": true} {
		t.Run(name, func(t *testing.T) {
			issuer := startModule(t, opaque)
			c := moduleClient(t, issuer, "app", auth.SecretBasic("app-secret"))
			redirect, pending, err := c.Begin(t.Context(), client.Request{Resources: []string{audience}})
			if err != nil {
				t.Fatal(err)
			}
			tokens, err := c.Finish(t.Context(), pending, signsIn(t, redirect, "allow"))
			if err != nil {
				t.Fatal(err)
			}
			if info, err := c.UserInfo(t.Context(), tokens); err != nil || info.Subject != "4711" {
				t.Errorf("UserInfo: %v", err)
			}
			provider := &discovery.Provider{Issuer: issuer}
			v := &rs.JWTOrOpaque{
				JWT:    &rs.JWT{Issuer: issuer, Audience: audience, Keys: provider.Keys()},
				Opaque: &rs.Introspection{Server: provider, Issuer: issuer, Audience: audience, Auth: auth.SecretBasic("api-secret").For("api", issuer)},
			}
			p, err := v.VerifyToken(t.Context(), tokens.AccessToken)
			if err != nil || p.Subject != "4711" || p.ClientID != "app" || !p.HasScope("photos.read") {
				t.Errorf("%+v, %v", p, err)
			}
			if _, err := v.VerifyToken(t.Context(), tokens.AccessToken[:len(tokens.AccessToken)-4]+"AAAA"); err == nil {
				t.Error("a changed token is accepted")
			}
		})
	}
}

func TestModuleIsRefused(t *testing.T) {
	issuer := startModule(t, false)
	c := moduleClient(t, issuer, "app", auth.SecretBasic("app-secret"))
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	var refused *client.Error
	if _, err := c.Finish(t.Context(), pending, signsIn(t, redirect, "cancel")); !errors.As(err, &refused) || refused.Code != "access_denied" {
		t.Errorf("cancelled: %v", err)
	}
	wrong := moduleClient(t, issuer, "app", auth.SecretBasic("another-secret"))
	if _, _, err := wrong.Begin(t.Context(), client.Request{}); !errors.As(err, &refused) || refused.Code != "invalid_client" {
		t.Errorf("a wrong secret: %v", err)
	}
}

// TestModuleDeviceAndExchange: alice enters the code of a device and allows the login. An API
// exchanges the token of the device.
func TestModuleDeviceAndExchange(t *testing.T) {
	issuer := startModule(t, false)
	phone := moduleClient(t, issuer, "phone", auth.Public())
	d, err := grant.BeginDevice(t.Context(), phone, client.TokenRequest{Resources: []string{audience}})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.PostForm(d.VerificationURI, url.Values{"user_code": {d.UserCode}, "username": {"alice"}, "password": {"wonderland"}, "action": {"allow"}})
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, resp)
	tokens, err := grant.FinishDevice(t.Context(), phone, d)
	if err != nil {
		t.Fatal(err)
	}
	album := moduleClient(t, issuer, "album", auth.SecretBasic("album-secret"))
	exchanged, err := grant.TokenExchange(t.Context(), album, grant.ExchangeRequest{
		SubjectToken: tokens.AccessToken, RequestedTokenType: grant.AccessTokenType,
		TokenRequest: client.TokenRequest{Scopes: []string{"photos.print"}, Resources: []string{printer}},
	})
	if err != nil || strings.Join(exchanged.Scopes, " ") != "photos.print" {
		t.Errorf("%v, %v", exchanged, err)
	}
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
