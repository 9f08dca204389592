package optest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

// The clients that a Server knows.
const (
	ClientID     = "rp"
	ClientSecret = "canary-secret of the client"
	PublicID     = "public"
	RedirectURL  = "https://rp.example/cb"
	Subject      = "alice"
	Audience     = "https://api.example/"
	opaque       = "canary-opaque"
)

// Server is an issuertest.Issuer on loopback without TLS. It signs alice in at once. Set its
// fields before the first request, or under Lock.
type Server struct {
	sync.Mutex
	URL string // and the issuer

	Keys     []Key                // the first signs
	Edit     func(map[string]any) // changes the metadata
	EditID   func(map[string]any) // changes the ID token's claims
	Token    func(map[string]any) // changes the token response
	Callback func(url.Values)     // changes the authorization response
	Active   map[string]any       // the introspection response for a known token
	Now      func() time.Time
	Wrap     func(path string, next http.HandlerFunc) http.HandlerFunc // around every response; nil changes none
	Opaque   bool                                                      // access tokens are opaque, not JWTs
	Asserted bool                                                      // every client_assertion authenticates
	Waits    []string                                                  // the responses to the first polls: see poll

	Registration func(map[string]any) // changes the client information response
	DocumentID   string               // a public client by its client ID metadata document

	issuer   *issuertest.Issuer
	http     *httptest.Server
	replaced map[string]http.HandlerFunc
	hits     map[string]int
	forms    map[string]url.Values

	client *registered
}

// New starts a Server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		Keys: []Key{NewKey("k1", "RS256")}, Now: time.Now,
		replaced: map[string]http.HandlerFunc{}, hits: map[string]int{}, forms: map[string]url.Values{},
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	t.Cleanup(s.http.Close)
	issuer, err := issuertest.NewHandler(s.config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(issuer.Close)
	s.issuer = issuer
	return s
}

// Close stops the server, as an outage does.
func (s *Server) Close() { s.http.Close() }

// Replace answers a path by h instead. nil restores the server's own answer.
func (s *Server) Replace(path string, h http.HandlerFunc) {
	s.Lock()
	defer s.Unlock()
	s.replaced[path] = h
}

// Hits is the number of requests to a path.
func (s *Server) Hits(path string) int {
	s.Lock()
	defer s.Unlock()
	return s.hits[path]
}

// Form is the last form posted to a path, with Authorization as one more field.
func (s *Server) Form(path string) url.Values {
	s.Lock()
	defer s.Unlock()
	return s.forms[path]
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	s.hits[r.URL.Path]++
	h := s.replaced[r.URL.Path]
	if r.Method == http.MethodPost && h == nil {
		r.ParseForm()
		form := maps.Clone(r.PostForm)
		if a := r.Header.Get("Authorization"); a != "" {
			form.Set("Authorization", a)
		}
		s.forms[r.URL.Path] = form
	}
	s.Unlock()
	if h == nil {
		h = s.answer
	}
	if s.Wrap != nil {
		h = s.Wrap(r.URL.Path, h)
	}
	h(w, r)
}

// JSON answers with status and v.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

// Rotate replaces the keys.
func (s *Server) Rotate(keys ...Key) {
	s.Lock()
	defer s.Unlock()
	s.Keys = keys
}

func oauthError(w http.ResponseWriter, status int, code string) {
	JSON(w, status, map[string]string{"error": code, "error_description": "told by the fake server"})
}

// Visit plays the browser: it requests the address and returns the parameters of the redirect
// that it gets.
func (s *Server) Visit(t testing.TB, address string) url.Values {
	t.Helper()
	hc := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := hc.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("the server does not send the browser back: %s", resp.Status)
	}
	return back.Query()
}

// IDClaims returns the claims of a valid ID token without nonce.
func (s *Server) IDClaims() map[string]any {
	now := s.Now().Unix()
	return map[string]any{"iss": s.URL, "sub": Subject, "aud": ClientID, "exp": now + 300, "iat": now}
}

// AccessToken is a good JWT access token, RFC 9068. The two maps are laid over its claims and
// its header; a nil value removes a member.
func (s *Server) AccessToken(claims, header map[string]any) string {
	now := s.Now().Unix()
	all := map[string]any{
		"iss": s.URL, "sub": Subject, "aud": []string{Audience}, "client_id": ClientID, "scope": "openid photos.read",
		"exp": now + 300, "iat": now, "jti": "canary-jti",
	}
	for name, value := range claims {
		all[name] = value
		if value == nil {
			delete(all, name)
		}
	}
	head := map[string]any{"typ": "at+jwt"}
	maps.Copy(head, header)
	return s.Keys[0].Sign(all, head)
}
