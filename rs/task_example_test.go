package rs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// A route for one role of Keycloak.
func ExampleRequireClaim() {
	users := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "deleted") })
	handler := rs.RequireClaim([]string{"realm_access", "roles"}, "admin")(users)
	for _, role := range []string{"admin", "viewer"} {
		r := httptest.NewRequest("DELETE", "/users/1", nil)
		r = rstest.With(r, rstest.Principal{Subject: "alice", Claims: map[string]any{"realm_access": map[string]any{"roles": []string{role}}}})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(role, w.Code)
	}
	// Output:
	// admin 200
	// viewer 403
}

// An API that asks the server about opaque tokens, and remembers its answers.
func ExampleIntrospection() {
	server := &discovery.Provider{Issuer: "https://as.example"}
	api := &rs.Protection{Tokens: &rs.Cache{Tokens: &rs.Introspection{
		Server:   server,
		Issuer:   server.Issuer,
		Audience: "https://photos.example/",
		Auth:     auth.SecretBasic("of the registration").For("photos-api", server.Issuer),
	}}}
	photos := http.NotFoundHandler()
	http.Handle("GET /photos", api.Handler(rs.RequireScope("photos.read")(photos)))
}

// An API that accepts tokens of several servers.
func ExampleIssuers() {
	work, school := rs.Keycloak("https://sso.work.example", "main"), rs.Auth0("school.eu.auth0.com")
	work.Audience, school.Audience = "photos", "https://photos.example/"
	api := &rs.Protection{Tokens: rs.Issuers{work, school}}
	_ = api.Handler(http.NotFoundHandler())
}
