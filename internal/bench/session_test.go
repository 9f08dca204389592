package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/gorilla/sessions"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
)

// bareSession is what login keeps of a session.
type bareSession struct {
	ID       string                     `json:"id"`
	Client   string                     `json:"client"`
	At       string                     `json:"at"`
	Issuer   string                     `json:"iss"`
	Subject  string                     `json:"sub"`
	ACR      string                     `json:"acr"`
	AMR      []string                   `json:"amr"`
	AuthTime time.Time                  `json:"auth_time"`
	Claims   map[string]json.RawMessage `json:"claims"`
	Begun    time.Time                  `json:"begun"`
	Seen     time.Time                  `json:"seen"`
}

func visitor() logintest.User {
	return logintest.User{
		Client: "main", Issuer: issuer, Subject: "248289761001-000001", ACR: "urn:mace:incommon:iap:silver", AMR: []string{"pwd", "otp"},
		AuthTime: time.Now().Truncate(time.Second), Claims: map[string]any{"name": "Alice Liddell", "email": "alice@example.com"},
	}
}

// contestant handles one request with a session, and returns what a handler would read.
type contestant struct {
	name   string
	handle func()
}

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkSession measures one request of a signed-in visitor through Login.Require. It compares
// this with only AES-GCM, base64 and encoding/json, and with the session libraries that most Go
// applications use. All alternate in one run.
func BenchmarkSession(b *testing.B) {
	all := []contestant{bare(b), countersign(b, "Require, sealed cookie", nil)}
	store := &counting{Store: &login.Memory{}}
	all = append(all, countersign(b, "Require, store in memory", store), gorilla(b), scsMemory(b))
	spent := make([]time.Duration, len(all))
	for _, c := range all {
		c.handle()
	}
	before, rounds := store.loads.Load(), 0
	for b.Loop() {
		for i, c := range all {
			begun := time.Now()
			for range 20 {
				c.handle()
			}
			spent[i] += time.Since(begun)
		}
		rounds++
	}
	if trips := float64(store.loads.Load()-before) / float64(20*rounds); trips != 1 {
		b.Errorf("%.2f round trips to the store for a request, want 1", trips)
	}
	for i, c := range all {
		report(b, c.name, "ns", float64(spent[i].Nanoseconds())/float64(20*rounds))
		report(b, c.name, "ratio", float64(spent[i])/float64(spent[0]))
		report(b, c.name, "allocs", testing.AllocsPerRun(200, c.handle))
	}
}

func bare(b *testing.B) contestant {
	v := visitor()
	plain, err := json.Marshal(bareSession{
		ID: "2X4MNPB7ZKQ3V5R6T8W9Y2A4C6E8G0J1", Client: "main", At: "pLVHyDHJ0EFoE4iRPcZBlOXQ0BsP2vCtwn7bDYD2LqA", Issuer: v.Issuer, Subject: v.Subject, ACR: v.ACR, AMR: v.AMR, AuthTime: v.AuthTime,
		Claims: map[string]json.RawMessage{"name": json.RawMessage(`"Alice Liddell"`), "email": json.RawMessage(`"alice@example.com"`)}, Begun: time.Now(), Seen: time.Now(),
	})
	if err != nil {
		b.Fatal(err)
	}
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		b.Fatal(err)
	}
	sealed := base64.RawURLEncoding.EncodeToString(gcm.Seal(nil, nil, plain, nil))
	return contestant{"AES-GCM + base64 + encoding/json", func() {
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			b.Fatal(err)
		}
		plain, err := gcm.Open(nil, nil, raw, nil)
		var s bareSession
		if err != nil || json.Unmarshal(plain, &s) != nil || s.Subject != v.Subject {
			b.Fatal("it does not open")
		}
	}}
}

// counting counts the requests to a store.
type counting struct {
	login.Store
	loads atomic.Int64
}

func (c *counting) Load(ctx context.Context, key string) ([]byte, error) {
	c.loads.Add(1)
	return c.Store.Load(ctx, key)
}

func countersign(b *testing.B, name string, store login.Store) contestant {
	c, err := client.New(client.Config{Issuer: issuer, ClientID: "web", Auth: auth.Public(), RedirectURL: "https://shop.example/callback", Scopes: []string{"openid"}})
	if err != nil {
		b.Fatal(err)
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{make([]byte, 32)}, Store: store, Claims: []string{"name", "email"}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	r := logintest.WithSession(httptest.NewRequest(http.MethodGet, "https://shop.example/albums/7", nil), l, visitor())
	seen := ""
	h := l.Require(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := login.FromContext(r.Context())
		seen = user.Subject
	}))
	return contestant{name, func() {
		h.ServeHTTP(discard{http.Header{}}, r)
		if seen != visitorSubject {
			b.Fatal("not signed in")
		}
	}}
}

const visitorSubject = "248289761001-000001"

// gorilla is gorilla/sessions with gorilla/securecookie and encryption, as its documentation
// shows.
func gorilla(b *testing.B) contestant {
	gob.Register(map[string]any{})
	store := sessions.NewCookieStore(make([]byte, 64), make([]byte, 32))
	r, w := httptest.NewRequest(http.MethodGet, "https://shop.example/", nil), httptest.NewRecorder()
	s, _ := store.Get(r, "session")
	v := visitor()
	for name, value := range map[string]any{"iss": v.Issuer, "sub": v.Subject, "acr": v.ACR, "amr": "pwd otp", "auth_time": v.AuthTime.Unix(), "name": "Alice Liddell", "email": "alice@example.com", "begun": time.Now().Unix(), "seen": time.Now().Unix()} {
		s.Values[name] = value
	}
	if err := s.Save(r, w); err != nil {
		b.Fatal(err)
	}
	cookie := w.Result().Cookies()[0]
	return contestant{"gorilla/sessions + securecookie", func() {
		r := (&http.Request{Method: http.MethodGet, Header: http.Header{"Cookie": {cookie.Name + "=" + cookie.Value}}}).WithContext(context.Background())
		s, err := store.Get(r, "session")
		if err != nil || s.Values["sub"] != visitorSubject {
			b.Fatal("not signed in", err)
		}
	}}
}

// scsMemory is alexedwards/scs with its store in memory.
func scsMemory(b *testing.B) contestant {
	m := scs.New()
	v := visitor()
	begin := m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]any{"iss": v.Issuer, "sub": v.Subject, "acr": v.ACR, "amr": "pwd otp", "auth_time": v.AuthTime.Unix(), "name": "Alice Liddell", "email": "alice@example.com"} {
			m.Put(r.Context(), name, value)
		}
	}))
	w := httptest.NewRecorder()
	begin.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://shop.example/", nil))
	r := httptest.NewRequest(http.MethodGet, "https://shop.example/", nil)
	r.AddCookie(w.Result().Cookies()[0])
	seen := ""
	h := m.LoadAndSave(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = m.GetString(r.Context(), "sub") }))
	return contestant{"alexedwards/scs, store in memory", func() {
		h.ServeHTTP(discard{http.Header{}}, r)
		if seen != visitorSubject {
			b.Fatal("not signed in")
		}
	}}
}
