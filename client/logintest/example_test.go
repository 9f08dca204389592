package logintest_test

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/client/logintest"
)

// Routes that contain the Login itself.
func ExampleWithSession() {
	c, err := client.New(client.Config{
		Issuer: "https://as.example", ClientID: "web", Auth: auth.Secret("of the registration"), RedirectURL: "https://app.example/callback",
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := login.New(login.Config{Clients: map[string]*client.Client{"main": c}, Keys: [][]byte{[]byte("32 random bytes, of ParseKeys...")}})
	if err != nil {
		log.Fatal(err)
	}
	albums := l.Require(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := login.FromContext(r.Context())
		if !ok {
			http.Error(w, "not signed in", http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, user.Subject)
	}))

	r := logintest.WithSession(httptest.NewRequest(http.MethodGet, "/albums", nil), l, logintest.User{Subject: "alice"})
	w := httptest.NewRecorder()
	albums.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 alice
}
