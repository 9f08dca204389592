package login

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// TestStoreHasNoID: the Store contains no session ID, so a copy of the Store is not enough to make
// a cookie.
func TestStoreHasNoID(t *testing.T) {
	c, err := client.New(client.Config{Issuer: "https://as.example", ClientID: "web", Auth: auth.Secret("canary-secret"), RedirectURL: "https://app.example/callback"})
	if err != nil {
		t.Fatal(err)
	}
	store := &Memory{}
	l, err := New(Config{
		Clients: map[string]*client.Client{"main": c}, Store: store, Keys: [][]byte{[]byte("canary-key-of-thirty-two-bytes..")}, Device: &Device{}, KeepTokens: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	issued := &client.Tokens{Token: &oauth2.Token{AccessToken: "canary-access", RefreshToken: "canary-refresh", Expiry: time.Now().Add(time.Hour)}}
	s := l.newSession(time.Now(), &User{Client: "main", Issuer: "https://as.example", Subject: "alice"}, issued)
	s.SessionID = "s1"
	if err := l.sessions.begin(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil), s, issued); err != nil {
		t.Fatal(err)
	}
	seen := 0
	look := func(text string) {
		seen++
		for what, secret := range map[string]string{"the ID": s.ID, "the user": "alice"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q contains %s", text, what)
			}
		}
	}
	for key, e := range store.entries {
		look(key)
		look(string(e.value))
	}
	for index, keys := range store.sets {
		look(index)
		for key := range keys {
			look(key)
		}
	}
	if seen < 8 {
		t.Errorf("the Store has %d texts", seen)
	}
}
