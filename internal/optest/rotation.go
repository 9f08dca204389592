package optest

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Rotation is the state of a server that issues a new refresh token with every refresh. It treats
// the second use of a refresh token as a theft (RFC 9700 §4.14.2).
type Rotation struct {
	// Grace is how long a refresh token is accepted again after its first use, for clients that have
	// lost the response.
	Grace time.Duration

	// Before is called with every refresh before it counts, After before its answer goes out.
	Before, After func()

	mu      sync.Mutex
	server  *Server
	posts   int
	used    map[string]time.Time
	revoked bool
}

// RotateRefreshTokens has the server rotate. The first token is "canary-refresh-0".
func (s *Server) RotateRefreshTokens() *Rotation {
	r := &Rotation{server: s, used: map[string]time.Time{}}
	s.Replace("/token", r.serve)
	return r
}

// Posts is the number of requests.
func (r *Rotation) Posts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.posts
}

// Revoked reports whether a theft was noticed. Then every token is rejected.
func (r *Rotation) Revoked() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.revoked
}

func (r *Rotation) serve(w http.ResponseWriter, req *http.Request) {
	if r.Before != nil {
		r.Before()
	}
	answer, ok := r.rotate(req)
	if r.After != nil {
		r.After()
	}
	if !ok {
		oauthError(w, 400, "invalid_grant")
		return
	}
	JSON(w, 200, answer)
}

func (r *Rotation) rotate(req *http.Request) (answer map[string]any, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.posts++
	token := req.PostFormValue("refresh_token")
	at, again := r.used[token]
	if token == "" || again && time.Since(at) > r.Grace {
		r.revoked = true
	}
	if r.revoked || !r.server.authenticated(req) {
		return nil, false
	}
	r.used[token] = time.Now()
	return map[string]any{
		"access_token": fmt.Sprintf("canary-access-%d", r.posts), "token_type": "Bearer", "expires_in": 300,
		"refresh_token": fmt.Sprintf("canary-refresh-%d", r.posts),
	}, true
}
func (s *Server) authenticated(r *http.Request) bool {
	if s.Asserted && r.PostFormValue("client_assertion") != "" {
		return true
	}
	id, secret, basic := r.BasicAuth()
	if basic {
		id, _ = url.QueryUnescape(id)
		secret, _ = url.QueryUnescape(secret)
	} else {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	return id == ClientID && secret == ClientSecret || (id == PublicID || id == s.DocumentID && id != "") && secret == "" && !basic
}
