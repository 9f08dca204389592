package login

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/client"
)

// Problem is what a visitor may know of a request that went wrong. The reason is in the
// log, under ID.
type Problem struct {
	Status int    // of HTTP
	Code   string // one of the Code constants
	ID     string // made for this problem
	Retry  string // address of this site to sign in at once more, "" when that is no help
}

// The codes of problems.
const (
	CodeDenied      = "access_denied"           // the visitor or the server said no
	CodeSignIn      = "login_required"          // nobody is signed in
	CodeFailed      = "login_failed"            // anything else about a login
	CodeExpired     = "login_expired"           // it took longer than 10 minutes
	CodeUnknown     = "login_unknown"           // no login is under way in this browser
	CodeLost        = "session_lost"            // the browser keeps no session
	CodeTooLarge    = "session_too_large"       // it does not fit into cookies: see Config.Store
	CodeUnavailable = "temporarily_unavailable" // the server or the Store does not answer
	CodeRequest     = "invalid_request"         // a link that is not as it should be
	CodeMethod      = "method_not_allowed"      // of HTTP
	CodeCrossOrigin = "cross_origin"            // another site made the request
	CodeLogout      = "logout_failed"           // the answer to a logout is not for this browser
)

// statuses are those of HTTP. A code that is not here has status 400.
var statuses = map[string]int{
	CodeSignIn: http.StatusUnauthorized, CodeDenied: http.StatusForbidden, CodeCrossOrigin: http.StatusForbidden,
	CodeMethod: http.StatusMethodNotAllowed, CodeTooLarge: http.StatusRequestEntityTooLarge, CodeUnavailable: http.StatusServiceUnavailable,
}

// interactive are the answers to a login that was to go without the visitor (OpenID
// Connect Core §3.1.2.6).
var interactive = map[string]bool{
	"login_required": true, "interaction_required": true, "account_selection_required": true, "consent_required": true,
}

// codeOf gives the code for what ended a login. The server's own is not passed on:
// anybody can write a callback.
func codeOf(err error) string {
	var refused *client.CallbackError
	var temporary interface{ Temporary() bool }
	switch {
	case errors.Is(err, errTooLarge):
		return CodeTooLarge
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return CodeDenied
	case errors.As(err, &refused) && interactive[refused.Code]:
		return CodeSignIn
	case errors.As(err, &temporary) && temporary.Temporary():
		return CodeUnavailable
	}
	return CodeFailed
}

func (l *Login) failLogin(w http.ResponseWriter, r *http.Request, a *attempt, err error) {
	l.failWith(w, r, codeOf(err), a, err)
}

func (l *Login) fail(w http.ResponseWriter, r *http.Request, code string, err error) {
	l.failWith(w, r, code, nil, err)
}

// failWith answers with a problem of a login, which may be nil, and logs the reason.
func (l *Login) failWith(w http.ResponseWriter, r *http.Request, code string, a *attempt, err error) {
	p := Problem{Status: statuses[code], Code: code, ID: rand.Text()[:12], Retry: l.retry(code, a)}
	if p.Status == 0 {
		p.Status = http.StatusBadRequest
	}
	l.config.Log.LogAttrs(r.Context(), level(p), "login: "+code, slog.String("id", p.ID), slog.Any("reason", err))
	private(w.Header())
	switch {
	case !wantsPage(r):
		writeJSON(w, p)
	case l.config.ErrorPage != nil:
		l.config.ErrorPage(w, r, p)
	default:
		writePage(w, p)
	}
}

// level: what somebody should look at is an error.
func level(p Problem) slog.Level {
	if p.Status >= 500 || p.Code == CodeTooLarge {
		return slog.LevelError
	}
	return slog.LevelInfo
}

// retry is the address to sign in at once more.
func (l *Login) retry(code string, a *attempt) string {
	switch code {
	case CodeRequest, CodeMethod, CodeCrossOrigin, CodeLogout, CodeTooLarge:
		return ""
	}
	q := url.Values{}
	if a != nil && a.ReturnTo != "" && a.ReturnTo != l.config.HomePath {
		q.Set("return_to", a.ReturnTo)
	}
	if a != nil && a.Client != "" && len(l.config.Clients) > 1 {
		q.Set("client", a.Client)
	} else if len(l.config.Clients) > 1 {
		return withQuery(l.config.SignInPath, q)
	}
	if len(q) == 0 {
		return l.config.StartPath
	}
	return withQuery(l.config.StartPath, q)
}

// writeJSON is for scripts, and for servers.
func writeJSON(w http.ResponseWriter, p Problem) {
	body, _ := json.Marshal(map[string]string{"error": p.Code, "id": p.ID})
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	w.Write(body)
}
