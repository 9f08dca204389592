package optest

import (
	"crypto/sha256"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// The clients that a Server knows.
const (
	ClientID     = "rp"
	ClientSecret = "canary-secret of the client"
	PublicID     = "public"
	RedirectURL  = "https://rp.example/cb"
	Subject      = "alice"
	Audience     = "https://api.example/"
)

// Server is an OpenID provider on loopback. Everybody is signed in as alice, at
// once. Its fields are set before the first request, or under Lock.
type Server struct {
	sync.Mutex
	URL string // and the issuer

	Keys     []Key                // the first signs
	Edit     func(map[string]any) // changes the metadata
	EditID   func(map[string]any) // changes the ID token's claims
	Token    func(map[string]any) // changes the token response
	Callback func(url.Values)     // changes the authorization response
	Active   map[string]any       // what introspection says of a token it knows
	Now      func() time.Time
	Wrap     func(path string, next http.HandlerFunc) http.HandlerFunc // around every answer; nil changes none
	Opaque   bool                                                      // access tokens are opaque, not JWTs
	Asserted bool                                                      // whoever has a client_assertion is authenticated
	Waits    []string                                                  // what those who poll are told first: see granted

	Registration func(map[string]any) // changes what is said about a registered client
	DocumentID   string               // a public client by its client ID metadata document

	http     *httptest.Server
	replaced map[string]http.HandlerFunc
	hits     map[string]int
	pushed   map[string]url.Values
	codes    map[string]url.Values
	forms    map[string]url.Values
	client   *registered
}

// New starts a Server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		Keys: []Key{NewKey("k1", "RS256")}, Now: time.Now,
		replaced: map[string]http.HandlerFunc{}, hits: map[string]int{}, pushed: map[string]url.Values{},
		codes: map[string]url.Values{}, forms: map[string]url.Values{},
	}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	t.Cleanup(s.http.Close)
	return s
}

// Close stops the server, as an outage does.
func (s *Server) Close() { s.http.Close() }

// Replace answers a path by h instead; nil takes that back.
func (s *Server) Replace(path string, h http.HandlerFunc) {
	s.Lock()
	defer s.Unlock()
	s.replaced[path] = h
}

// Hits tells how often a path was asked for.
func (s *Server) Hits(path string) int {
	s.Lock()
	defer s.Unlock()
	return s.hits[path]
}

// Form is what was last posted to a path, with Authorization as one more field.
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
		h = s.handlers()[r.URL.Path]
	}
	if h == nil {
		h = http.NotFound
	}
	if s.Wrap != nil {
		h = s.Wrap(r.URL.Path, h)
	}
	h(w, r)
}

func (s *Server) handlers() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/.well-known/openid-configuration":       s.metadata,
		"/.well-known/oauth-authorization-server": s.metadata,
		"/jwks":        s.jwks,
		"/par":         s.par,
		"/authorize":   s.authorize,
		"/token":       s.token,
		"/userinfo":    s.userinfo,
		"/introspect":  s.introspect,
		"/revoke":      s.revoke,
		"/logout":      s.logout,
		"/register":    s.register,
		"/registered":  s.manageClient,
		"/device":      s.device,
		"/backchannel": s.backchannel,
	}
}

// JSON answers with status and v.
func JSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}

func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	m := map[string]any{
		"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize", "token_endpoint": s.URL + "/token",
		"jwks_uri": s.URL + "/jwks", "userinfo_endpoint": s.URL + "/userinfo", "introspection_endpoint": s.URL + "/introspect",
		"device_authorization_endpoint": s.URL + "/device", "backchannel_authentication_endpoint": s.URL + "/backchannel",
		"pushed_authorization_request_endpoint": s.URL + "/par", "authorization_response_iss_parameter_supported": true,
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
	}
	s.addAfter(m)
	if s.Edit != nil {
		s.Edit(m)
	}
	JSON(w, 200, m)
}

func (s *Server) jwks(w http.ResponseWriter, _ *http.Request) {
	s.Lock()
	defer s.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.Write(JWKS(s.Keys...))
}

// Rotate replaces the keys.
func (s *Server) Rotate(keys ...Key) {
	s.Lock()
	defer s.Unlock()
	s.Keys = keys
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

func oauthError(w http.ResponseWriter, status int, code string) {
	JSON(w, status, map[string]string{"error": code, "error_description": "told by the fake server"})
}

func (s *Server) par(w http.ResponseWriter, r *http.Request) {
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	s.Lock()
	uri := "urn:ietf:params:oauth:request_uri:" + B64([]byte(r.PostFormValue("state")))
	s.pushed[uri] = r.PostForm
	s.Unlock()
	JSON(w, 201, map[string]any{"request_uri": uri, "expires_in": 60})
}

func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	q := r.URL.Query()
	if uri := q.Get("request_uri"); uri != "" {
		q = s.pushed[uri]
		delete(s.pushed, uri)
	}
	code := "canary-code-" + q.Get("state")
	s.codes[code] = q
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {s.URL}}
	if s.Callback != nil {
		s.Callback(back)
	}
	separator := "?"
	if strings.Contains(q.Get("redirect_uri"), "?") {
		separator = "&"
	}
	http.Redirect(w, r, q.Get("redirect_uri")+separator+back.Encode(), http.StatusFound)
}

// Visit plays the browser: it goes to the address and gives the parameters with which
// it would be sent back.
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

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	if grant := r.PostFormValue("grant_type"); grant != "authorization_code" && grant != "refresh_token" {
		s.granted(w, r)
		return
	}
	request := url.Values{"scope": {"openid"}}
	if r.PostFormValue("grant_type") == "authorization_code" {
		known, ok := s.codes[r.PostFormValue("code")]
		delete(s.codes, r.PostFormValue("code"))
		if !ok || known.Get("redirect_uri") != r.PostFormValue("redirect_uri") || !proves(known, r.PostFormValue("code_verifier")) {
			oauthError(w, 400, "invalid_grant")
			return
		}
		request = known
	} else if r.PostFormValue("refresh_token") != "canary-refresh" {
		oauthError(w, 400, "invalid_grant")
		return
	}
	JSON(w, 200, s.tokens(request))
}

// proves checks a code_verifier, RFC 7636 §4.6.
func proves(request url.Values, verifier string) bool {
	challenge := request.Get("code_challenge")
	if request.Get("code_challenge_method") != "S256" {
		return verifier == challenge
	}
	sum := sha256.Sum256([]byte(verifier))
	return B64(sum[:]) == challenge
}

func (s *Server) tokens(request url.Values) map[string]any {
	access := s.AccessToken(asked(request), nil)
	if s.Opaque {
		access = "canary-opaque"
	}
	out := map[string]any{"access_token": access, "token_type": "Bearer", "expires_in": 300, "refresh_token": "canary-refresh"}
	if strings.Contains(request.Get("scope"), "openid") {
		claims := s.IDClaims()
		claims["at_hash"] = LeftHalf(s.Keys[0].Alg, access)
		if nonce := request.Get("nonce"); nonce != "" {
			claims["nonce"] = nonce
		}
		if s.EditID != nil {
			s.EditID(claims)
		}
		out["id_token"] = s.Keys[0].Sign(claims, nil)
	}
	if issued := request.Get("issued"); issued != "" {
		out["issued_token_type"] = issued
	}
	if s.Token != nil {
		s.Token(out)
	}
	return out
}

// asked are the claims of an access token that an authorization request asked for.
func asked(request url.Values) map[string]any {
	out := map[string]any{}
	if scope := request.Get("scope"); strings.Contains(scope, " ") {
		out["scope"] = scope
	}
	if acr, _, _ := strings.Cut(request.Get("acr_values"), " "); acr != "" {
		out["acr"], out["auth_time"] = acr, time.Now().Unix()
	}
	return out
}

// IDClaims are those of a good ID token without nonce.
func (s *Server) IDClaims() map[string]any {
	now := s.Now().Unix()
	return map[string]any{"iss": s.URL, "sub": Subject, "aud": ClientID, "exp": now + 300, "iat": now}
}

// AccessToken is a good JWT access token, RFC 9068, after the two maps (claims, then
// header) have been laid over it; a nil value removes a member.
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

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(401)
		return
	}
	JSON(w, 200, map[string]any{"sub": Subject, "email": "alice@example.com"})
}

func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	if r.PostFormValue("token") != "canary-opaque" {
		JSON(w, 200, map[string]any{"active": false})
		return
	}
	answer := s.Active
	if answer == nil {
		answer = map[string]any{
			"active": true, "iss": s.URL, "sub": Subject, "client_id": ClientID, "aud": Audience,
			"scope": "openid photos.read", "exp": s.Now().Unix() + 300,
		}
	}
	JSON(w, 200, answer)
}
