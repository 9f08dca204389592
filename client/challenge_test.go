package client

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"

	"github.com/coreos/go-oidc/v3/oidc"
)

// TestUserInfoChallenge: the error of a UserInfo endpoint is read from WWW-Authenticate.
func TestUserInfoChallenge(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="insufficient_scope", error_description="canary"`)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	c, err := New(Config{Issuer: s.URL, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb", Metadata: &discovery.Metadata{
		Issuer: s.URL, AuthorizationEndpoint: s.URL + "/a", TokenEndpoint: s.URL + "/t", UserInfoEndpoint: s.URL + "/u", JWKSURI: s.URL + "/j",
	}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := &Tokens{Token: &oauth2.Token{AccessToken: "a"}, IDToken: &idtoken.Token{IDToken: &oidc.IDToken{Subject: "alice"}}}
	_, err = c.UserInfo(t.Context(), tokens)
	var e *Error
	if !errors.As(err, &e) || e.Step != StepUserInfo || e.Code != "insufficient_scope" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}
