package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/discovery"
)

// A web application with pages for signed-in visitors. Metadata is configured here, so that the
// example needs no server. Without Metadata it is discovered.
func ExampleNew() {
	c, err := client.New(client.Config{
		Issuer:      "https://as.example",
		ClientID:    "web",
		Auth:        auth.SecretBasic("of the registration"),
		RedirectURL: "https://app.example/callback",
		Metadata: &discovery.Metadata{
			Issuer:                "https://as.example",
			AuthorizationEndpoint: "https://as.example/authorize",
			TokenEndpoint:         "https://as.example/token",
			JWKSURI:               "https://as.example/jwks",
		},
	})
	if err != nil {
		panic(err)
	}
	keys, err := login.ParseKeys("c2l4dHkgZm91ciBjaGFyYWN0ZXJzIGFyZSB0b28gbG8=")
	if err != nil {
		panic(err)
	}
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: keys})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/login", l.Start())
	mux.Handle("/callback", l.Callback())
	mux.Handle("/logout", l.Logout())
	mux.Handle("/", l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, "Hello %s", user.Subject)
	})))

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/albums?year=2026", nil))
	to, _ := url.Parse(w.Header().Get("Location"))
	fmt.Println(w.Code, to.Host, to.Query().Get("client_id"), to.Query().Get("redirect_uri"))
	// Output: 303 as.example web https://app.example/callback
}
