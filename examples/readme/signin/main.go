package main

import (
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/login"
)

func main() {
	c, err := client.New(client.Config{
		Issuer:      os.Getenv("ISSUER"), // https://accounts.example.com
		ClientID:    os.Getenv("CLIENT_ID"),
		Auth:        auth.Secret(os.Getenv("CLIENT_SECRET")),
		RedirectURL: "http://127.0.0.1:8080/callback",
		Scopes:      []string{"openid", "profile"},
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := login.New(login.Config{
		Clients: map[string]*client.Client{"main": c}, Claims: []string{"name"},
		InsecureHTTP: true, // for development on http://127.0.0.1
	})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/login", l.Start())
	http.Handle("/callback", l.Callback()) // the path of RedirectURL
	http.Handle("/logout", l.Logout())
	http.Handle("/", l.Require(http.HandlerFunc(home)))
	log.Fatal(http.ListenAndServe("127.0.0.1:8080", nil))
}

func home(w http.ResponseWriter, r *http.Request) {
	if user, ok := login.FromContext(r.Context()); ok {
		fmt.Fprintf(w, "Hello %s, your account is %s at %s\n", user.Claim("name"), user.Subject, user.Issuer)
	}
}
