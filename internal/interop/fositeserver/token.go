package fositeserver

import (
	"net/http"
	"strings"

	"github.com/ory/fosite"
)

// token is the token endpoint, RFC 6749 §3.2.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	readResources(r)
	ar, err := s.provider.NewAccessRequest(r.Context(), r, blank())
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WriteAccessError(r.Context(), w, ar, err)
		return
	}
	if ar.GetGrantTypes().ExactOne(ClientCredentials) {
		s.grantToItself(ar)
	}
	resp, err := s.provider.NewAccessResponse(r.Context(), ar)
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WriteAccessError(r.Context(), w, ar, err)
		return
	}
	s.provider.WriteAccessResponse(r.Context(), w, ar, resp)
}

// introspect is the introspection endpoint, RFC 7662 §2.
func (s *Server) introspect(w http.ResponseWriter, r *http.Request) {
	ir, err := s.provider.NewIntrospectionRequest(r.Context(), r, blank())
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WriteIntrospectionError(r.Context(), w, err)
		return
	}
	s.provider.WriteIntrospectionResponse(r.Context(), w, ir)
}

// userInfo is the UserInfo endpoint, OpenID Connect Core §5.3, for tokens with the scope
// openid. The scopes determine the claims (§5.4).
func (s *Server) userInfo(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, ar, err := s.provider.IntrospectToken(r.Context(), token, fosite.AccessToken, blank(), "openid")
	if err != nil {
		s.logRefusal(r, err)
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, s.userClaims(ar))
}

func (s *Server) userClaims(ar fosite.AccessRequester) map[string]any {
	subject, scopes := ar.GetSession().GetSubject(), ar.GetGrantedScopes()
	claims := map[string]any{"sub": subject}
	for _, u := range s.config.Users {
		if u.Subject != subject {
			continue
		}
		if scopes.Has("profile") {
			claims["name"], claims["preferred_username"] = u.Name, u.Username
		}
		if scopes.Has("email") {
			claims["email"] = u.Email
		}
	}
	return claims
}
