package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/rs"
)

// album is what the API has: photos by the sub of their owner.
var album = map[string][]string{
	demoUser.Subject: {"rabbit-hole.jpg", "tea-party.jpg", "croquet.jpg"},
}

// newAPI is the API. The middleware verifies the token and puts user, scope and
// client ID into the request's context; the guard requires a scope. Without a token there
// are two pages, for people who follow the address.
func newAPI(tokens rs.Verifier, address string, log *slog.Logger) http.Handler {
	protection := &rs.Protection{Tokens: tokens, Realm: "photos", Logger: log}
	mux := http.NewServeMux()
	mux.Handle("GET /photos", protection.Handler(rs.RequireScope(apiScope)(http.HandlerFunc(photos))))
	mux.Handle("GET /favicon.ico", page.API.Icon())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { apiPage.Write(w, http.StatusOK, address) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { apiNotFound.Write(w, http.StatusNotFound, r.URL.Path) })
	return mux
}

// answer is what the API says: whose photos, and what it knows from the token.
type answer struct {
	User     string   `json:"user"`
	ClientID string   `json:"client_id"`
	Scope    string   `json:"scope"`
	Verified string   `json:"verified"`
	Photos   []string `json:"photos"`
}

func photos(w http.ResponseWriter, r *http.Request) {
	caller, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "no caller", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(answer{
		User: caller.Subject, ClientID: caller.ClientID, Scope: strings.Join(caller.Scopes, " "),
		Verified: howVerified(caller), Photos: append([]string{}, album[caller.Subject]...),
	})
}

// howVerified tells the two kinds of tokens apart by active, which introspection
// answers have (RFC 7662 §2.2).
func howVerified(caller *rs.Principal) string {
	var answer struct {
		Active *bool `json:"active"`
	}
	if caller.Claims(&answer) == nil && answer.Active != nil {
		return "an opaque token, by introspection"
	}
	return "a JWT, with the server's keys"
}
