package rstest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/rs"
	"github.com/countersign/countersign/rs/rstest"
)

// Routes that contain the Protection itself.
func ExampleTokens() {
	api := &rs.Protection{Tokens: rstest.Tokens{"token-of-alice": {Subject: "alice", Scopes: []string{"photos.read"}}}}
	photos := api.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, who.Subject)
	}))
	r := httptest.NewRequest(http.MethodGet, "/photos", nil)
	r.Header.Set("Authorization", "Bearer token-of-alice")
	w := httptest.NewRecorder()
	photos.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 alice
}
