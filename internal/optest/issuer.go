package optest

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

// config is the issuer of a Server: the plainest one that a client works with. Edit adds
// what a test needs.
func (s *Server) config() issuertest.Config {
	return issuertest.Config{
		Issuer: s.URL, Audience: []string{Audience}, SecretPrefix: "canary-", MaxExchanges: 1, Now: func() time.Time { return s.Now() },
		Clients: []issuertest.Client{
			{ID: ClientID, Secret: ClientSecret, KeepRefreshTokens: true}, {ID: PublicID, KeepRefreshTokens: true},
		},
		Users: []issuertest.User{{Subject: Subject, Claims: map[string]any{"email": "alice@example.com"}}},
		Grants: map[string]issuertest.GrantType{
			"client_credentials": s.extension, "urn:example:grant": s.extension,
			"urn:ietf:params:oauth:grant-type:jwt-bearer": s.extension, "urn:ietf:params:oauth:grant-type:token-exchange": s.exchange,
		},
		Edit: issuertest.Edit{
			Metadata: s.editMetadata, IDToken: s.editID, AccessToken: s.editAccess, Token: s.editToken,
			Callback: s.editCallback, Introspection: s.editIntrospection,
			Device: editDevice, Backchannel: editBackchannel,
		},
	}
}

// Members that stay in the metadata. Clients then choose for themselves.
var published = []string{
	"issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "introspection_endpoint",
	"device_authorization_endpoint", "backchannel_authentication_endpoint", "pushed_authorization_request_endpoint",
	"revocation_endpoint", "registration_endpoint", "end_session_endpoint", "authorization_response_iss_parameter_supported",
	"response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
}

func keep(m map[string]any, names []string) {
	maps.DeleteFunc(m, func(name string, _ any) bool { return !slices.Contains(names, name) })
}

func (s *Server) editMetadata(m map[string]any) {
	keep(m, published)
	m["response_types_supported"] = []string{"code"}
	if s.Edit != nil {
		s.Edit(m)
	}
}

func (s *Server) editID(claims map[string]any) {
	keep(claims, []string{"iss", "sub", "aud", "exp", "iat", "nonce", "at_hash"})
	if s.Opaque {
		claims["at_hash"] = LeftHalf(s.Keys[0].Alg, opaque)
	}
	if s.EditID != nil {
		s.EditID(claims)
	}
}

// editAccess adds the scope of the tests' API to a token without a scope of an API.
func (s *Server) editAccess(claims map[string]any) {
	if scope, _ := claims["scope"].(string); !strings.Contains(scope, " ") {
		claims["scope"] = "openid photos.read"
	}
	claims["sub"] = Subject
	if claims["acr"] == nil {
		delete(claims, "auth_time")
	}
}

func (s *Server) editToken(m map[string]any) {
	delete(m, "scope")
	if s.Opaque {
		m["access_token"] = opaque
	}
	if s.Token != nil {
		s.Token(m)
	}
}

func (s *Server) editCallback(q url.Values) {
	if s.Callback != nil {
		s.Callback(q)
	}
}

func (s *Server) editIntrospection(m map[string]any) {
	if active, _ := m["active"].(bool); active && s.Active != nil {
		clear(m)
		maps.Copy(m, s.Active)
	} else if active {
		keep(m, []string{"active", "iss", "sub", "client_id", "aud", "scope", "exp"})
	}
}

// answer prepares the issuer for a request, and has it answer.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; path {
	case "/authorize", "/token", "/par", "/device", "/backchannel", "/revoke":
		s.Lock()
		defer s.Unlock()
		s.prepare(r)
		if path == "/token" && s.poll(w, r) {
			return
		}
	case "/userinfo":
		s.know(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), "openid", "email")
	case "/introspect":
		s.prepare(r)
		s.know(opaque, "openid", "photos.read")
	case "/jwks":
		s.Lock()
		defer s.Unlock()
		if s.useKeys(); len(s.Keys) == 0 {
			w.Header().Set("Content-Type", "application/json")
			w.Write(JWKS())
			return
		}
	case "/logout":
		r.ParseForm()
		r.Form.Del("id_token_hint")
	case "/register":
		s.register(w, r)
		return
	case "/registered":
		s.manageClient(w, r)
		return
	}
	if s.issuer.ServeHTTP(cookieless{w}, r); r.URL.Path == "/device" {
		s.issuer.Approve(UserCode, Subject)
	}
}

// know has the issuer accept an access token that it did not issue.
func (s *Server) know(token string, scopes ...string) {
	if token != "" {
		s.issuer.AccessToken(issuertest.AccessToken{Value: token, ClientID: ClientID, Scopes: scopes})
	}
}

func (s *Server) useKeys() {
	if len(s.Keys) > 0 {
		s.issuer.UseKeys(s.Keys[0], s.Keys[1:]...)
	}
}

// prepare sets the keys of the issuer. It also removes from the request what the tests check by
// themselves: assertions, request objects, proofs and response modes.
func (s *Server) prepare(r *http.Request) {
	s.useKeys()
	if s.DocumentID != "" {
		s.issuer.Register(issuertest.Client{ID: s.DocumentID, KeepRefreshTokens: true})
	}
	r.ParseForm()
	r.Header.Del("DPoP")
	plain(r.Form)
	plain(r.PostForm)
	if s.Asserted && r.PostForm.Get("client_assertion") != "" {
		r.PostForm.Del("client_assertion")
		r.SetBasicAuth(url.QueryEscape(ClientID), url.QueryEscape(ClientSecret))
	}
}

// plain replaces a request object by its claims, and requests a code in the query.
func plain(form url.Values) {
	if object := strings.Split(form.Get("request"), "."); len(object) > 1 {
		form.Del("request")
		payload, _ := base64.RawURLEncoding.DecodeString(object[1])
		var claims map[string]any
		json.Unmarshal(payload, &claims)
		for name, value := range claims {
			if text, ok := value.(string); ok {
				form.Set(name, text)
			}
		}
	}
	for _, name := range []string{"response_mode", "dpop_jkt", "id_token_hint", "login_hint_token"} {
		form.Del(name)
	}
	if !form.Has("grant_type") {
		form.Set("response_type", "code")
	}
	if !form.Has("grant_type") && !form.Has("redirect_uri") {
		form.Set("redirect_uri", RedirectURL) // an encrypted request object has it
	}
	form.Set("login_hint", Subject)
}

// cookieless removes the issuer's session cookie. The tests' browsers have one cookie jar for
// the server and the application, which have the same host.
type cookieless struct{ http.ResponseWriter }

func (w cookieless) WriteHeader(status int) {
	w.Header().Del("Set-Cookie")
	w.ResponseWriter.WriteHeader(status)
}

// Forget has the issuer remember nothing of the logins so far.
func (s *Server) Forget() { s.issuer.Forget() }
