package rs_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

// Accept requests whose access token has the scope photos.read.
func Example() {
	server := &discovery.Provider{Issuer: "https://as.example.com"}
	api := &rs.Protection{Tokens: &rs.JWT{
		Issuer:   server.Issuer,
		Audience: "https://photos.example.com",
		Keys:     server.Keys(),
	}}
	photos := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, ok := rs.FromContext(r.Context())
		if !ok {
			http.Error(w, "no token", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "the photos of %s, for %s", who.Subject, who.ClientID)
	})
	handler := api.Handler(rs.RequireScope("photos.read")(photos))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/photos", nil))
	fmt.Println(w.Code, w.Header().Get("WWW-Authenticate"))
	// Output: 401 Bearer
}
