package fositeserver

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

const printer = "https://printer.example/"

// startGrants starts a server whose clients get tokens without a browser.
func startGrants(t *testing.T) (s *Server, issuer string) {
	t.Helper()
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { s.ServeHTTP(w, r) }))
	t.Cleanup(ts.Close)
	s, err := New(Config{
		Issuer: ts.URL,
		Clients: []Client{
			{ID: "daemon", Secret: "secret", Scopes: []string{"photos.read"}, Audience: []string{audience}, Grants: []string{ClientCredentials}},
			{ID: "device", Secret: "secret", Scopes: []string{"openid", "photos.read"}, Audience: []string{audience}, Grants: []string{grantDevice}},
			{ID: "album", Secret: "secret", Scopes: []string{"photos.print"}, Audience: []string{printer}, Grants: []string{TokenExchange}, Resource: audience},
			{ID: "shop", Secret: "secret", Scopes: []string{"photos.print"}, Audience: []string{printer}, Grants: []string{TokenExchange}, Resource: "https://shop.example/"},
		},
		Users:  []User{{Subject: "1", Username: "alice", Password: "wonderland"}},
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, ts.URL
}

// ask returns the response of the token endpoint, and its error code.
func ask(t *testing.T, issuer, id string, form url.Values) (map[string]any, string) {
	t.Helper()
	status, answer := post(t, issuer+tokenPath, id, "secret", form)
	code, _ := answer["error"].(string)
	if (status == http.StatusOK) != (code == "") {
		t.Fatalf("status %d: %v", status, answer)
	}
	return answer, code
}

func TestClientCredentials(t *testing.T) {
	_, issuer := startGrants(t)
	answer, code := ask(t, issuer, "daemon", url.Values{"grant_type": {ClientCredentials}, "scope": {"photos.read"}, "resource": {audience}})
	if code != "" || answer["scope"] != "photos.read" || answer["id_token"] != nil || answer["refresh_token"] != nil {
		t.Fatalf("got %v", answer)
	}
	_, claims := decode(t, answer["access_token"].(string))
	if claims["sub"] != "daemon" || claims["client_id"] != "daemon" || claims["iss"] != issuer {
		t.Errorf("claims %v", claims)
	}
	for name, form := range map[string]url.Values{
		"a scope of others":  {"grant_type": {ClientCredentials}, "scope": {"photos.print"}},
		"an API of others":   {"grant_type": {ClientCredentials}, "resource": {printer}},
		"a grant of others":  {"grant_type": {grantDevice}, "device_code": {"x"}},
		"a grant of nobody":  {"grant_type": {"urn:example:grant"}},
		"two grants at once": {"grant_type": {ClientCredentials + " " + grantDevice}},
	} {
		if answer, code := ask(t, issuer, "daemon", form); code == "" {
			t.Errorf("%s: %v", name, answer)
		}
	}
}

// signedIn returns an access token of alice for the album.
func signedIn(t *testing.T, issuer string) string {
	t.Helper()
	status, begun := post(t, issuer+devicePath, "device", "secret", url.Values{"scope": {"openid photos.read"}})
	if status != http.StatusOK {
		t.Fatalf("%d: %v", status, begun)
	}
	form := url.Values{"user_code": {begun["user_code"].(string)}, "username": {"alice"}, "password": {"wonderland"}, "action": {"allow"}}
	resp, err := http.PostForm(issuer+activatePath, form)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	answer, refusal := ask(t, issuer, "device", url.Values{"grant_type": {grantDevice}, "device_code": {begun["device_code"].(string)}})
	if refusal != "" {
		t.Fatal(refusal)
	}
	return answer["access_token"].(string)
}

func TestTokenExchange(t *testing.T) {
	_, issuer := startGrants(t)
	alice := signedIn(t, issuer)
	form := func(name, value string) url.Values {
		v := url.Values{
			"grant_type": {TokenExchange}, "subject_token": {alice}, "subject_token_type": {accessTokenType},
			"scope": {"photos.print"}, "resource": {printer},
		}
		if name != "" {
			v.Set(name, value)
		}
		return v
	}
	got, refusal := ask(t, issuer, "album", form("", ""))
	if refusal != "" || got["issued_token_type"] != accessTokenType {
		t.Fatalf("got %v", got)
	}
	_, claims := decode(t, got["access_token"].(string))
	act, _ := claims["act"].(map[string]any)
	aud, _ := claims["aud"].([]any)
	if claims["sub"] != "1" || claims["client_id"] != "album" || act["sub"] != "album" || len(aud) != 1 || aud[0] != printer || claims["scope"] != "photos.print" {
		t.Errorf("claims %v", claims)
	}
	for name, f := range map[string]url.Values{
		"no token":        form("subject_token", ""),
		"not a token":     form("subject_token", "x"),
		"an ID token":     form("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
		"an actor":        form("actor_token", "x"),
		"another type":    form("requested_token_type", "urn:ietf:params:oauth:token-type:jwt"),
		"another API":     form("resource", audience),
		"another scope":   form("scope", "photos.read"),
		"its own outcome": form("subject_token", got["access_token"].(string)),
	} {
		if answer, refusal := ask(t, issuer, "album", f); refusal == "" {
			t.Errorf("%s: %v", name, answer)
		}
	}
	if answer, refusal := ask(t, issuer, "shop", form("", "")); refusal != "invalid_request" {
		t.Errorf("a token that is not for the shop: %v", answer)
	}
}
