package fositeserver

import (
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ory/fosite"
)

// push is the pushed authorization request endpoint, RFC 9126 §2.
func (s *Server) push(w http.ResponseWriter, r *http.Request) {
	readResources(r)
	ar, err := s.provider.NewPushedAuthorizeRequest(r.Context(), r)
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WritePushedAuthorizeError(r.Context(), w, ar, err)
		return
	}
	resp, err := s.provider.NewPushedAuthorizeResponse(r.Context(), ar, blank())
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WritePushedAuthorizeError(r.Context(), w, ar, err)
		return
	}
	s.provider.WritePushedAuthorizeResponse(r.Context(), w, ar, resp)
}

// authorize is the authorization endpoint, RFC 6749 §3.1: it shows the login form.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	readResources(r)
	ar, err := s.provider.NewAuthorizeRequest(r.Context(), r)
	if err == nil {
		err = checkRequest(ar)
	}
	if err != nil {
		s.refuse(w, r, ar, err)
		return
	}
	s.showForm(w, http.StatusOK, &interaction{request: ar, pushed: r.Form.Get("request_uri")}, "")
}

// checkRequest makes the checks that fosite leaves to its host.
func checkRequest(ar fosite.AuthorizeRequester) error {
	if pushed := ar.GetSession(); pushed != nil {
		if time.Now().After(pushed.GetExpiresAt(fosite.PushedAuthorizeRequestContext)) {
			return fosite.ErrInvalidRequestURI.WithHint("The pushed request has expired.") // RFC 9126 §4
		}
	}
	prompts := strings.Fields(ar.GetRequestForm().Get("prompt"))
	if slices.Contains(prompts, "none") { // this server keeps no sessions
		return fosite.ErrLoginRequired
	}
	return nil
}

// grant sends the browser back with a code. The user has allowed everything that was
// requested.
func (s *Server) grant(w http.ResponseWriter, r *http.Request, ar fosite.AuthorizeRequester, u *User) {
	for _, scope := range ar.GetRequestedScopes() {
		ar.GrantScope(scope)
	}
	for _, resource := range resourcesOf(ar) {
		ar.GrantAudience(resource)
	}
	resp, err := s.provider.NewAuthorizeResponse(r.Context(), ar, s.newSession(u, ar.GetClient(), ar.GetRequestedAt()))
	if err != nil {
		s.refuse(w, r, ar, err)
		return
	}
	resp.AddParameter("iss", s.config.Issuer) // RFC 9207 §2
	s.respond(w, r, ar, resp.GetParameters())
}

var refused = newPage(`The application sent you here by mistake`, `
<p>Its request cannot be answered: <strong>{{.}}</strong>. Please go back and start again.</p>
`)

// refuse sends the browser back with an error, RFC 6749 §4.1.2.1, unless the redirect URI is
// not verified. fosite's own writer would omit iss.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, ar fosite.AuthorizeRequester, err error) {
	s.logRefusal(r, err)
	answer := fosite.ErrorToRFC6749Error(err)
	if !ar.IsRedirectURIValid() {
		refused.Write(w, http.StatusBadRequest, answer.ErrorField)
		return
	}
	s.respond(w, r, ar, s.errorQuery(ar.GetState(), answer))
}

func (s *Server) errorQuery(state string, answer *fosite.RFC6749Error) url.Values {
	q := url.Values{}
	q.Set("error", answer.ErrorField)
	q.Set("error_description", answer.GetDescription())
	q.Set("iss", s.config.Issuer) // RFC 9207 §2
	if state != "" {
		q.Set("state", state)
	}
	return q
}

func (s *Server) logRefusal(r *http.Request, err error) {
	answer, level := fosite.ErrorToRFC6749Error(err), slog.LevelInfo
	if answer.ErrorField == "authorization_pending" { // sent at every poll, and not a rejection
		level = slog.LevelDebug
	}
	s.config.Logger.Log(r.Context(), level, "authorization server refused a request",
		"path", r.URL.Path, "error", answer.ErrorField, "reason", answer.GetDescription())
}
