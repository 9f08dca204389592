package fositeserver

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// deviceBench is a server with a public client, and a device that waits.
type deviceBench struct {
	t      *testing.T
	server *Server
	issuer string
	begun  map[string]any
}

func startDevice(t *testing.T) *deviceBench {
	t.Helper()
	b := &deviceBench{t: t}
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.server.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	var err error
	b.server, err = New(Config{
		Issuer: ts.URL,
		Clients: []Client{
			{ID: "tv", Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}},
			{ID: "other"},
			{ID: "app", Secret: "app-secret"},
		},
		Users: []User{{Subject: "1", Username: "alice", Password: "wonderland"}}, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	b.issuer = ts.URL
	status, begun := b.post(devicePath, url.Values{"client_id": {"tv"}, "scope": {"openid photos.read"}})
	if status != 200 || begun["verification_uri"] != ts.URL+activatePath {
		t.Fatalf("status %d, %v", status, begun)
	}
	b.begun = begun
	return b
}

func (b *deviceBench) post(path string, form url.Values) (int, map[string]any) {
	b.t.Helper()
	return post(b.t, b.issuer+path, "", "", form)
}

// poll sends the device's token request.
func (b *deviceBench) poll(clientID string) (answer map[string]any) {
	b.t.Helper()
	_, answer = b.post(tokenPath, url.Values{"grant_type": {grantDevice}, "client_id": {clientID}, "device_code": {b.begun["device_code"].(string)}})
	return answer
}

func (b *deviceBench) device() *device {
	return b.server.devices.byCode[b.begun["device_code"].(string)]
}

// waited sets the time of the last poll to long ago.
func (b *deviceBench) waited() *deviceBench {
	b.device().asked = time.Time{}
	return b
}

// user sends the form for a code.
func (b *deviceBench) user(code, password, action string) string {
	b.t.Helper()
	form := url.Values{"user_code": {code}, "username": {"alice"}, "password": {password}, "action": {action}}
	r, err := http.NewRequest(http.MethodPost, b.issuer+activatePath, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	body, _ := visit(b.t, r)
	return body
}

func (b *deviceBench) code() string { return b.begun["user_code"].(string) }

// TestDevice: the device polls, gets slow_down, and gets its tokens once. NAT-03: with an address
// that contains the code, the user still confirms the device before it is signed in.
func TestDevice(t *testing.T) {
	b := startDevice(t)
	for _, want := range []string{"authorization_pending", "slow_down"} {
		if got := b.poll("tv")["error"]; got != want {
			t.Errorf("error %v, want %s", got, want)
		}
	}
	if got := b.poll("other")["error"]; got != "invalid_grant" {
		t.Errorf("another client gets %v", got)
	}
	if page, _ := get(t, b.issuer+activatePath); !strings.Contains(page, `name="user_code"`) {
		t.Error("there is no form for the code")
	}
	if page, _ := get(t, b.begun["verification_uri_complete"].(string)); !strings.Contains(page, "<strong>"+b.code()+"</strong>") || !strings.Contains(page, "<strong>tv</strong>") {
		t.Errorf("the page does not name the device's code and client:\n%s", page)
	}
	if page := b.user(strings.ToLower(strings.ReplaceAll(b.code(), "-", " ")), "wrong", "allow"); !strings.Contains(page, "password is wrong") {
		t.Errorf("a wrong password:\n%s", page)
	}
	if page := b.user(b.code(), "wonderland", "allow"); !strings.Contains(page, "The device is signed in") {
		t.Errorf("allowed:\n%s", page)
	}
	answer := b.waited().poll("tv")
	if answer["access_token"] == nil || answer["scope"] != "openid photos.read" {
		t.Fatalf("no tokens: %v", answer["error"])
	}
	_, claims := decode(t, answer["id_token"])
	if claims["sub"] != "1" || claims["iss"] != b.issuer || claims["at_hash"] == nil || claims["nonce"] != nil {
		t.Errorf("ID token %v", claims)
	}
	if got := b.poll("tv")["error"]; got != "invalid_grant" {
		t.Errorf("a second time: %v", got)
	}
}

func TestDeviceRefused(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(*deviceBench)
		want string
	}{
		"cancelled":            {func(b *deviceBench) { b.user(b.code(), "", "cancel") }, "access_denied"},
		"too many passwords":   {func(b *deviceBench) { b.guess(maxPasswords); b.user(b.code(), "wonderland", "allow") }, "access_denied"},
		"expired":              {func(b *deviceBench) { b.device().until = time.Now() }, "expired_token"},
		"another code":         {func(b *deviceBench) { b.user("BBBB-BBBB", "wonderland", "allow") }, "authorization_pending"},
		"codes guessed before": {func(b *deviceBench) { b.guessCodes(); b.user(b.code(), "wonderland", "allow") }, "authorization_pending"},
	} {
		t.Run(name, func(t *testing.T) {
			b := startDevice(t)
			test.do(b)
			if got := b.poll("tv"); got["error"] != test.want || got["access_token"] != nil {
				t.Errorf("%v, want %s", got["error"], test.want)
			}
		})
	}
	b := startDevice(t)
	for name, form := range map[string]url.Values{
		"no client": {"scope": {"openid"}}, "an unknown client": {"client_id": {"x"}},
		"a scope that is not the client's": {"client_id": {"other"}, "scope": {"openid"}}, "a client with a browser": {"client_id": {"app"}},
	} {
		if status, answer := b.post(devicePath, form); status < 400 || answer["error"] == nil {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
}

func (b *deviceBench) guess(n int) {
	for range n {
		b.user(b.code(), "wrong", "allow")
	}
}

func (b *deviceBench) guessCodes() {
	for range maxWrongCodes {
		b.user("BBBB-BBBB", "wonderland", "allow")
	}
}
