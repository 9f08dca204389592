package optest

import (
	"net/http"
	"net/url"
)

// addAfter adds what follows a login to the metadata.
func (s *Server) addAfter(m map[string]any) {
	m["revocation_endpoint"] = s.URL + "/revoke"
	m["registration_endpoint"] = s.URL + "/register"
	m["end_session_endpoint"] = s.URL + "/logout"
}

// revoke takes every token for one that it ends, or does not know: RFC 7009 §2.2.
func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	w.WriteHeader(200)
}

// logout sends the browser back at once.
func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back := url.Values{}
	if state := q.Get("state"); state != "" {
		back.Set("state", state)
	}
	http.Redirect(w, r, q.Get("post_logout_redirect_uri")+"?"+back.Encode(), http.StatusFound)
}
