// Api accepts access tokens. It verifies JWTs with the server's keys (RFC 9068), and asks the
// server about opaque tokens (RFC 7662).
//
//	ISSUER          the server: exactly the issuer of its metadata
//	AUDIENCE        this API's identifier, which aud must contain
//	TYP             the typ of the server's JWTs, for a server that does not follow RFC 9068: JWT,
//	                or - for none; at+jwt if it is not set
//	SCOPE           the required scope; photos.read if it is not set
//	CLIENT_ID       with CLIENT_SECRET, this API's credentials at the server's introspection
//	CLIENT_SECRET   endpoint; without them opaque tokens are rejected
//	LISTEN          where it listens; 127.0.0.1:8081 if it is not set
package main

import (
	"cmp"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/rs"
)

func main() {
	server := &http.Server{
		Addr:              cmp.Or(os.Getenv("LISTEN"), "127.0.0.1:8081"),
		Handler:           routes(verifier(os.Getenv("ISSUER"), os.Getenv("AUDIENCE")), cmp.Or(os.Getenv("SCOPE"), "photos.read")),
		ReadHeaderTimeout: 5 * time.Second,
	}
	log.Printf("listening on %s", server.Addr)
	log.Fatal(server.ListenAndServe())
}

// routes puts the middleware around the whole, and the guard around one route.
func routes(tokens rs.Verifier, scope string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /photos", rs.RequireScope(scope)(http.HandlerFunc(photos)))
	return (&rs.Protection{Tokens: tokens}).Handler(mux)
}

// photos is a handler: who calls is in the context.
func photos(w http.ResponseWriter, r *http.Request) {
	caller, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "no token", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "the photos of %s, for %s, scope %q\n", caller.Subject, caller.ClientID, caller.Scopes)
}

// verifier touches no network: the server is asked when the first token comes.
func verifier(issuer, audience string) rs.Verifier {
	provider := &discovery.Provider{Issuer: issuer}
	jwts := &rs.JWT{Issuer: issuer, Audience: audience, Keys: provider.Keys()}
	jwts.Typ = os.Getenv("TYP")
	id, secret := os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET")
	if id == "" {
		return jwts
	}
	return &rs.JWTOrOpaque{JWT: jwts, Opaque: &rs.Introspection{
		Server: provider, Issuer: issuer, Audience: audience, Auth: auth.SecretBasic(secret).For(id, issuer),
	}}
}
