package optest

import (
	"net/http"
	"net/url"
)

// What the fake server gives without a browser. Device and backchannel logins are for the
// codes below, and of the scopes that were asked for last.
const (
	DeviceCode = "canary-device-code"
	UserCode   = "WDJB-MJHT"
	AuthReqID  = "canary-auth-req-id"
)

func (s *Server) device(w http.ResponseWriter, r *http.Request) {
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	JSON(w, 200, map[string]any{
		"device_code": DeviceCode, "user_code": UserCode, "verification_uri": s.URL + "/activate",
		"verification_uri_complete": s.URL + "/activate?user_code=" + UserCode, "expires_in": 600, "interval": 5,
	})
}

func (s *Server) backchannel(w http.ResponseWriter, r *http.Request) {
	if !s.authenticated(r) {
		oauthError(w, 401, "invalid_client")
		return
	}
	JSON(w, 200, map[string]any{"auth_req_id": AuthReqID, "expires_in": 120, "interval": 2})
}

// granted answers the grants without a browser. Who polls is told what is in Waits, first
// things first: an error code, "503", or "hang up".
func (s *Server) granted(w http.ResponseWriter, r *http.Request) {
	switch r.PostFormValue("grant_type") {
	case "urn:ietf:params:oauth:grant-type:device_code":
		s.polled(w, r, "device_code", DeviceCode, "/device")
	case "urn:openid:params:grant-type:ciba":
		s.polled(w, r, "auth_req_id", AuthReqID, "/backchannel")
	case "urn:ietf:params:oauth:grant-type:token-exchange":
		s.exchange(w, r)
	case "client_credentials", "urn:ietf:params:oauth:grant-type:jwt-bearer", "urn:example:grant":
		JSON(w, 200, s.tokens(url.Values{"scope": {r.PostFormValue("scope")}}))
	default:
		oauthError(w, 400, "unsupported_grant_type")
	}
}

func (s *Server) polled(w http.ResponseWriter, r *http.Request, name, want, begun string) {
	if r.PostFormValue(name) != want {
		oauthError(w, 400, "invalid_grant")
		return
	}
	if len(s.Waits) == 0 {
		JSON(w, 200, s.tokens(url.Values{"scope": {s.forms[begun].Get("scope")}}))
		return
	}
	said := s.Waits[0]
	s.Waits = s.Waits[1:]
	switch said {
	case "hang up":
		panic(http.ErrAbortHandler)
	case "503":
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(503)
	default:
		oauthError(w, 400, said)
	}
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	asked := r.PostFormValue("requested_token_type")
	if asked == "" {
		asked = "urn:ietf:params:oauth:token-type:access_token"
	}
	JSON(w, 200, s.tokens(url.Values{"scope": {r.PostFormValue("scope")}, "issued": {asked}}))
}
