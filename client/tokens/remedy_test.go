package tokens_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/tokens"
	"github.com/countersign/countersign/internal/optest"
)

// TestOAuth2Error: the error has the type of golang.org/x/oauth2 with the server's code. After
// the login was forgotten the code is invalid_grant.
func TestOAuth2Error(t *testing.T) {
	s := optest.New(t)
	s.Replace("/token", answer(400, "application/json", `{"error":"invalid_grant","error_description":"revoked"}`))
	source, err := tokens.NewSource(newClient(t, config(s)), ending(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for i, description := range []string{"revoked", ""} {
		_, err := tokens.OAuth2(t.Context(), source).Token()
		var found *oauth2.RetrieveError
		if !errors.As(err, &found) || found.ErrorCode != "invalid_grant" || found.ErrorDescription != description && i == 0 || !errors.Is(err, tokens.ErrLoginRequired) {
			t.Errorf("call %d: %v", i, err)
		}
		if err != nil {
			noCanary(t, err.Error()+found.Error())
		}
		time.Sleep(1100 * time.Millisecond) // a failure is remembered for a second
	}
	s.Close()
	source, err = tokens.NewSource(newClient(t, config(s)), ending(-time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	var found *oauth2.RetrieveError
	if _, err := tokens.OAuth2(t.Context(), source).Token(); err == nil || errors.As(err, &found) {
		t.Errorf("a server that is down has an error code: %v", err)
	}
}

// TestChallengeRequest: the request of a challenge contains the granted and the missing scopes.
// The error contains the scheme. RFC 9470 §4.
func TestChallengeRequest(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		w.Header().Set("WWW-Authenticate", scheme+` error="insufficient_scope", scope="photos.write openid"`)
		w.WriteHeader(403)
	}))
	t.Cleanup(api.Close)
	for _, scheme := range []string{"Bearer", "DPoP"} {
		s := optest.New(t)
		cfg := config(s)
		cfg.Scopes = []string{"openid", "photos.read"}
		if scheme == "DPoP" {
			cfg.DPoP = &client.DPoP{}
			s.Token = func(out map[string]any) { out["token_type"] = "DPoP" }
		}
		c := newClient(t, cfg)
		issued, err := login(t, s, c)
		if err != nil {
			t.Fatal(err)
		}
		source, err := tokens.NewSource(c, issued)
		if err != nil {
			t.Fatal(err)
		}
		hc := http.Client{Transport: &tokens.Transport{Client: c, Tokens: source, Origins: []string{api.URL}}}
		_, err = hc.Get(api.URL + "/photos")
		var wanted *tokens.ChallengeError
		if !errors.As(err, &wanted) || wanted.Scheme != scheme || !strings.Contains(err.Error(), scheme) {
			t.Fatalf("%s: %v", scheme, err)
		}
		if got := wanted.Request().Scopes; !slices.Equal(got, []string{"openid", "photos.read", "photos.write"}) {
			t.Errorf("%s: asks for %q", scheme, got)
		}
	}
}
