package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

func main() {
	server := &discovery.Provider{Issuer: os.Getenv("ISSUER")}
	api := &rs.Protection{Tokens: &rs.Cache{Tokens: &rs.JWT{
		Issuer:   server.Issuer,
		Audience: os.Getenv("AUDIENCE"), // how the server names this API
		Keys:     server.Keys(),
	}}}
	if err := api.Ready(context.Background()); err != nil {
		log.Fatal(err)
	}
	http.Handle("GET /photos", rs.RequireScope("photos.read")(http.HandlerFunc(photos)))
	log.Fatal(http.ListenAndServe("127.0.0.1:8081", api.Handler(http.DefaultServeMux)))
}

func photos(w http.ResponseWriter, r *http.Request) {
	caller, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, "photos of %s, for the client %s with scope %v\n", caller.Subject, caller.ClientID, caller.Scopes)
}
