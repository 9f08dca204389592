package rs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// Protect a route for one role of Keycloak.
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
