package optest

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/discovery/issuertest"
)

// The codes of device and backchannel logins.
const (
	DeviceCode = "canary-device-code"
	UserCode   = "WDJB-MJHT"
	AuthReqID  = "canary-auth-req-id"
)

func editDevice(m map[string]any) {
	page, _, _ := strings.Cut(m["verification_uri_complete"].(string), "?")
	m["device_code"], m["user_code"], m["interval"] = DeviceCode, UserCode, 5
	m["verification_uri_complete"] = page + "?user_code=" + UserCode
}

func editBackchannel(m map[string]any) {
	m["auth_req_id"], m["expires_in"], m["interval"] = AuthReqID, 120, 2
}

// extension issues a token for any client and any assertion.
func (s *Server) extension(form url.Values) (issuertest.Granted, error) {
	return issuertest.Granted{
		Subject: Subject, Scopes: strings.Fields(form.Get("scope")), Renewable: true, Response: map[string]any{},
	}, nil
}

// exchange issues a token for any subject token, RFC 8693.
func (s *Server) exchange(form url.Values) (issuertest.Granted, error) {
	granted, err := s.extension(form)
	granted.Response["issued_token_type"] = "urn:ietf:params:oauth:token-type:access_token"
	if asked := form.Get("requested_token_type"); asked != "" {
		granted.Response["issued_token_type"] = asked
	}
	return granted, err
}

// poll answers a poll by the first of Waits: an error code, "503", or "hang up".
func (s *Server) poll(w http.ResponseWriter, r *http.Request) bool {
	polls := r.PostForm.Has("device_code") || r.PostForm.Has("auth_req_id")
	if !polls || len(s.Waits) == 0 {
		return false
	}
	next := s.Waits[0]
	s.Waits = s.Waits[1:]
	switch next {
	case "hang up":
		panic(http.ErrAbortHandler)
	case "503":
		w.Header().Set("Retry-After", "90")
		w.WriteHeader(503)
	default:
		oauthError(w, 400, next)
	}
	return true
}
