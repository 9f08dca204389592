package optest

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
)

// InitialToken is the token that a Server requires for the registration of a client with a secret.
const InitialToken = "canary-initial-token"

// registered is the one client that was registered. It gets the ID and the secret of the server's
// other client, so that it can sign users in.
type registered struct {
	members map[string]any
	token   string
}

// register accepts a registration, RFC 7591 §3. A public client needs no token for it.
func (s *Server) register(w http.ResponseWriter, r *http.Request) {
	var members map[string]any
	if r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&members) != nil {
		oauthError(w, 400, "invalid_client_metadata")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+InitialToken && members["token_endpoint_auth_method"] != "none" {
		oauthError(w, 401, "invalid_token")
		return
	}
	s.Lock()
	defer s.Unlock()
	s.client = &registered{members, "canary-registration-0"}
	JSON(w, 201, s.information(true))
}

// manageClient reads, changes and deletes the registration, RFC 7592 §2. Every change
// makes a new token.
func (s *Server) manageClient(w http.ResponseWriter, r *http.Request) {
	s.Lock()
	defer s.Unlock()
	if s.client == nil || r.Header.Get("Authorization") != "Bearer "+s.client.token || r.URL.Query().Get("client") != "1" {
		oauthError(w, 401, "invalid_token")
		return
	}
	switch r.Method {
	case http.MethodDelete:
		s.client = nil
		w.WriteHeader(204)
	case http.MethodPut:
		s.change(w, r)
	default:
		JSON(w, 200, s.information(false))
	}
}

func (s *Server) change(w http.ResponseWriter, r *http.Request) {
	was := s.information(true)
	var members map[string]any
	if json.NewDecoder(r.Body).Decode(&members) != nil || members["client_id"] != was["client_id"] || members["client_secret"] != was["client_secret"] {
		oauthError(w, 400, "invalid_request")
		return
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, ok := members[name]; ok { // RFC 7592 §2.2
			oauthError(w, 400, "invalid_request")
			return
		}
	}
	s.client = &registered{members, s.client.token + "1"}
	JSON(w, 200, s.information(true))
}

// information is the answer about the client. Without fresh, nothing is issued anew.
func (s *Server) information(fresh bool) map[string]any {
	out := maps.Clone(s.client.members)
	out["client_id"] = PublicID
	delete(out, "client_secret")
	if method, _ := out["token_endpoint_auth_method"].(string); !slices.Contains([]string{"none", "private_key_jwt"}, method) {
		out["client_id"] = ClientID
		if fresh {
			out["client_secret"], out["client_secret_expires_at"] = ClientSecret, 0
		}
	}
	if fresh {
		out["registration_access_token"], out["registration_client_uri"] = s.client.token, s.URL+"/registered?client=1"
		out["client_id_issued_at"] = s.Now().Unix()
	}
	if s.Registration != nil {
		s.Registration(out)
	}
	return out
}
