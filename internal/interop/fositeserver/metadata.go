package fositeserver

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/go-jose/go-jose/v3"
)

// The endpoints' paths.
const (
	metadataPath   = "/.well-known/openid-configuration"
	keysPath       = "/jwks"
	pushPath       = "/par"
	authorizePath  = "/authorize"
	loginPath      = "/login"
	tokenPath      = "/token"
	introspectPath = "/introspect"
	userInfoPath   = "/userinfo"
	devicePath     = "/device_authorization"
	activatePath   = "/device"
)

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metadataPath, s.metadata)
	mux.HandleFunc("GET "+keysPath, s.keys)
	mux.HandleFunc("POST "+pushPath, s.push)
	mux.HandleFunc("GET "+authorizePath, s.authorize)
	mux.Handle("POST "+loginPath, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.login)))
	mux.HandleFunc("POST "+tokenPath, s.token)
	mux.HandleFunc("POST "+introspectPath, s.introspect)
	mux.HandleFunc("GET "+userInfoPath, s.userInfo)
	mux.HandleFunc("POST "+devicePath, s.deviceAuthorization)
	mux.HandleFunc("GET "+activatePath, s.activate)
	mux.Handle("POST "+activatePath, http.NewCrossOriginProtection().Handler(http.HandlerFunc(s.activate)))
	return http.MaxBytesHandler(mux, 64<<10)
}

// metadata is OpenID Connect Discovery 1.0 §3.
func (s *Server) metadata(w http.ResponseWriter, r *http.Request) {
	issuer := s.config.Issuer
	writeJSON(w, map[string]any{
		"issuer":                                issuer,
		"authorization_endpoint":                issuer + authorizePath,
		"token_endpoint":                        issuer + tokenPath,
		"jwks_uri":                              issuer + keysPath,
		"userinfo_endpoint":                     issuer + userInfoPath,
		"introspection_endpoint":                issuer + introspectPath,
		"pushed_authorization_request_endpoint": issuer + pushPath,
		"device_authorization_endpoint":         issuer + devicePath,

		"scopes_supported":                      s.scopes(),
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query", "form_post"},
		"grant_types_supported":                 []string{"authorization_code", grantDevice, ClientCredentials, TokenExchange},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{s.key.Algorithm},
		"code_challenge_methods_supported":      []string{"S256"},
		"claims_supported":                      []string{"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "email", "preferred_username"},

		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post", "none"},
		"introspection_endpoint_auth_methods_supported":  []string{"client_secret_basic"},
		"authorization_response_iss_parameter_supported": true, // RFC 9207 §3
		"request_uri_parameter_supported":                false,
	})
}

// scopes returns the scopes of all clients.
func (s *Server) scopes() []string {
	var all []string
	for _, c := range s.config.Clients {
		all = append(all, c.Scopes...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// keys is the JWK Set, RFC 7517 §5.
func (s *Server) keys(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.key.Public()}})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	json.NewEncoder(w).Encode(v)
}
