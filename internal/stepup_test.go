package internal_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
	"github.com/countersign/countersign/rs"
)

// stepUpAPI has a page for every token, one that requires a recent strong authentication, and one
// that requires a scope.
func stepUpAPI(t *testing.T, s *optest.Server) *httptest.Server {
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "come in") })
	mux := http.NewServeMux()
	mux.Handle("/photos", page)
	mux.Handle("/payments", rs.RequireACR("urn:gold")(rs.RequireMaxAge(5*time.Minute)(page)))
	mux.Handle("/albums", rs.RequireScope("albums.write")(page))
	server := &discovery.Provider{Issuer: s.URL}
	api := httptest.NewServer((&rs.Protection{Tokens: &rs.JWT{Issuer: s.URL, Audience: optest.Audience, Keys: server.Keys()}}).Handler(mux))
	t.Cleanup(api.Close)
	return api
}

// TestStepUp: an API requires more than the token has, the error says what, and after a new login
// the call succeeds. The requirement is a stronger authentication (RFC 9470) or a scope (RFC 6750
// §3.1). Without a new login the token stays as it is.
func TestStepUp(t *testing.T) {
	for path, code := range map[string]string{"/payments": tokens.InsufficientUserAuthentication, "/albums": tokens.InsufficientScope} {
		t.Run(path, func(t *testing.T) {
			s := optest.New(t)
			api := stepUpAPI(t, s)
			c, err := client.New(client.Config{
				Issuer: s.URL, ClientID: optest.ClientID, Auth: auth.SecretBasic(optest.ClientSecret), RedirectURL: optest.RedirectURL,
			})
			if err != nil {
				t.Fatal(err)
			}
			r := &tokens.Refresher{Client: c}
			hc := &http.Client{Transport: &tokens.Transport{Client: c, Tokens: r.Source("alice"), Origins: []string{api.URL}}}
			signIn(t, s, r, client.Request{})
			if err := get(hc, api.URL+"/photos"); err != nil {
				t.Fatal(err)
			}
			err = get(hc, api.URL+path)
			var wants *tokens.ChallengeError
			if !errors.As(err, &wants) || wants.Code != code {
				t.Fatalf("got %v, want %s", err, code)
			}
			s.EditID = func(m map[string]any) { m["acr"], m["auth_time"] = "urn:gold", time.Now().Unix() }
			signIn(t, s, r, wants.Request())
			if err := get(hc, api.URL+path); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// signIn makes a login, and stores its tokens for "alice".
func signIn(t *testing.T, s *optest.Server, r *tokens.Refresher, req client.Request) {
	t.Helper()
	redirect, pending, err := r.Client.Begin(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := r.Client.Finish(t.Context(), pending, s.Visit(t, redirect))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Add(t.Context(), "alice", tokens); err != nil {
		t.Fatal(err)
	}
}

func get(hc *http.Client, u string) error {
	resp, err := hc.Get(u)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}
