package interop

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/rs"
)

// caller is what the API knows about who asks, from the request's context alone.
type caller struct {
	Issuer, User, Client string
	Scopes               []string
}

// newAPI starts an API: /photos is for those with photos.read, /uploads for those
// with photos.write. Both answer with the caller.
func newAPI(t *testing.T, tokens rs.Verifier) (address string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/photos", rs.RequireScope("photos.read")(http.HandlerFunc(whoami)))
	mux.Handle("/uploads", rs.RequireScope("photos.write")(http.HandlerFunc(whoami)))
	protection := &rs.Protection{Tokens: tokens, Realm: "photos", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	server := httptest.NewServer(protection.Handler(mux))
	t.Cleanup(server.Close)
	return server.URL
}

func whoami(w http.ResponseWriter, r *http.Request) {
	p, ok := rs.FromContext(r.Context())
	if !ok {
		http.Error(w, "nobody", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(caller{Issuer: p.Issuer, User: p.Subject, Client: p.ClientID, Scopes: p.Scopes})
}

// call asks the API with an access token.
func call(ctx context.Context, address, token string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultClient.Do(r)
}
