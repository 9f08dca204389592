package interop

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/rs"
)

// caller is what the API knows about the caller. All of it comes from the request's context.
type caller struct {
	Issuer, User, Client string
	Scopes               []string
}

// newAPI starts an API. /photos requires photos.read, /uploads requires photos.write, and
// /payments requires the authentication class gold. Each responds with the caller.
func newAPI(t *testing.T, tokens rs.Verifier) (address string) {
	t.Helper()
	return serve(t, &rs.Protection{Tokens: tokens})
}

// serve starts an API with a protection. It uses TLS if the protection has an MTLS.
func serve(t *testing.T, protection *rs.Protection) (address string) {
	t.Helper()
	protection.Realm, protection.Logger = "photos", slog.New(slog.NewTextHandler(t.Output(), nil))
	server := httptest.NewUnstartedServer(protection.Handler(routes()))
	if protection.DPoP != nil {
		protection.DPoP.BaseURL = "http://" + server.Listener.Addr().String()
	}
	if protection.MTLS == nil {
		server.Start()
	} else {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate(t, "server")}, ClientAuth: tls.RequestClientCert}
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	return server.URL
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/photos", rs.RequireScope("photos.read")(http.HandlerFunc(whoami)))
	mux.Handle("/uploads", rs.RequireScope("photos.write")(http.HandlerFunc(whoami)))
	mux.Handle("/payments", rs.RequireACR("gold")(http.HandlerFunc(whoami)))
	return mux
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

// call sends a request with an access token to the API.
func call(ctx context.Context, address, token string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultClient.Do(r)
}

// ask calls the API with the client's tokens, and again if the API requires a nonce in the
// proof. It returns the status with the error code of the challenge.
func ask(t *testing.T, c *client.Client, transport http.RoundTripper, address string, tokens *client.Tokens) string {
	t.Helper()
	for again := false; ; again = true {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Authorize(r, tokens); err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if again || resp.StatusCode != http.StatusUnauthorized || !c.SaveDPoPNonce(resp) {
			return answered(resp)
		}
	}
}

// answered returns the status with the error code of the challenge.
func answered(resp *http.Response) string {
	out := strconv.Itoa(resp.StatusCode)
	if m := challengeError.FindStringSubmatch(resp.Header.Get("WWW-Authenticate")); m != nil {
		out += " " + m[1]
	}
	return out
}

var challengeError = regexp.MustCompile(`error="([^"]*)"`)
