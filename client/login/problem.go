package login

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/idtoken"
)

// Problem describes a failed request for the visitor. The log has the reason, under ID.
type Problem struct {
	Status     int           // HTTP status of the response
	Code       string        // one of the Code constants
	ID         string        // identifies this problem in the log
	Retry      string        // path of this site at which to sign in again; "" if another sign-in does not help
	RetryAfter time.Duration // how long to wait before the next sign-in; 0 means that no pause is needed

	// Reason is the text of the log. It is set only with Config.InsecureHTTP, which is for
	// development. Visitors of a site must not see it.
	Reason string
}

// The codes of problems.
const (
	CodeDenied        = "access_denied"           // the visitor, the server or Config.SignIn denied the login
	CodeSignIn        = "login_required"          // the visitor is not signed in
	CodeFailed        = "login_failed"            // the login failed for another reason
	CodeConfiguration = "configuration_error"     // the operator must change the configuration or the registration
	CodeAnotherUser   = "another_user"            // another user signed in than the one who was asked to
	CodeExpired       = "login_expired"           // the login took longer than 10 minutes
	CodeUnknown       = "login_unknown"           // no login is under way in this browser
	CodeLost          = "session_lost"            // the browser keeps no session
	CodeTooLarge      = "session_too_large"       // the session does not fit into cookies: see Config.Store
	CodeLimited       = "too_many_requests"       // Config.Limit rejected the login
	CodeUnavailable   = "temporarily_unavailable" // the server or the Store does not answer, or Config.MaxCalls is reached
	CodeRequest       = "invalid_request"         // the link is malformed
	CodeMethod        = "method_not_allowed"      // the HTTP method is not allowed
	CodeCrossOrigin   = "cross_origin"            // another site made the request
	CodeDevice        = "device_required"         // the session is not bound to a device: see RequireDevice
	CodeLogout        = "logout_failed"           // the response to a logout is not for this browser
)

// statuses are the HTTP statuses of codes. A code that is not listed has status 400.
var statuses = map[string]int{
	CodeSignIn: http.StatusUnauthorized, CodeDenied: http.StatusForbidden, CodeCrossOrigin: http.StatusForbidden, CodeAnotherUser: http.StatusForbidden, CodeDevice: http.StatusForbidden,
	CodeMethod: http.StatusMethodNotAllowed, CodeTooLarge: http.StatusRequestEntityTooLarge, CodeLimited: http.StatusTooManyRequests,
	CodeConfiguration: http.StatusInternalServerError, CodeUnavailable: http.StatusServiceUnavailable,
}

// interactive are the server's errors for a login that requires interaction with the visitor
// (OpenID Connect Core §3.1.2.6).
var interactive = map[string]bool{
	"login_required": true, "interaction_required": true, "account_selection_required": true, "consent_required": true,
}

// codeError is an error whose code is known.
type codeError struct {
	code string
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// codeOf returns the code for the reason why a login failed. It does not return the server's code,
// because every website can forge a callback.
func codeOf(err error) string {
	var known *codeError
	var refused *client.CallbackError
	var another *client.SubjectError
	var said *signInError
	switch {
	case errors.As(err, &known):
		return known.code
	case errors.Is(err, errTooLarge):
		return CodeTooLarge
	case errors.Is(err, errBusy):
		return CodeUnavailable
	case errors.As(err, new(*limitError)):
		return CodeLimited
	case errors.As(err, &said):
		return said.code()
	case errors.As(err, &another):
		return CodeAnotherUser
	case errors.As(err, &refused) && refused.Code == "access_denied":
		return CodeDenied
	case errors.As(err, &refused) && interactive[refused.Code]:
		return CodeSignIn
	case isLasting(err):
		return CodeConfiguration
	case isTemporary(err):
		return CodeUnavailable
	case isConfiguration(err):
		return CodeConfiguration
	}
	return CodeFailed
}

// isUnavailable reports whether a server that called this application should call it again. It also
// returns true for a mistake that the operator must correct first.
func isUnavailable(err error) bool {
	return codeOf(err) == CodeUnavailable || isLasting(err) && isTemporary(err)
}

func isTemporary(err error) bool {
	var temporary interface{ Temporary() bool }
	var e *client.Error
	return errors.As(err, &temporary) && temporary.Temporary() || errors.As(err, &e) && e.Code == "server_error" && e.Step != client.StepCallback
}

// code returns the code of an error of Config.SignIn: a rejection, unless another service was
// not available.
func (e *signInError) code() string {
	var timeout interface{ Timeout() bool }
	var call *url.Error // an HTTP request of the application failed
	if isTemporary(e.err) || errors.As(e.err, &timeout) && timeout.Timeout() || errors.As(e.err, &call) {
		return CodeUnavailable
	}
	return CodeDenied
}

// visitorCodes are the errors of the token endpoint that a visitor can cause or fix. The code has
// expired, was used before or belongs to another login, or the server requires interaction. Every
// other rejection is for the operator, also a response that is not an OAuth error.
var visitorCodes = map[string]bool{
	"invalid_grant": true, "interaction_required": true, "login_required": true, "consent_required": true, "account_selection_required": true,
	"bad_verification_code": true, "invalid_code": true, "code_already_used": true, // GitHub and Slack
}

// operatorCodes are the errors of a callback that no visitor can cause or fix (RFC 6749 §4.1.2.1,
// RFC 8707 §2, RFC 9101 §7).
var operatorCodes = map[string]bool{
	"invalid_client": true, "unauthorized_client": true, "invalid_request": true, "invalid_scope": true,
	"unsupported_response_type": true, "invalid_target": true, "invalid_redirect_uri": true, "invalid_request_object": true, "request_not_supported": true,
	"incorrect_client_credentials": true, "redirect_uri_mismatch": true, // GitHub and Google
}

// isLasting reports whether a later try fails too, such as with a certificate that is not trusted.
func isLasting(err error) bool {
	var configuration interface{ Configuration() bool }
	return errors.As(err, &configuration) && configuration.Configuration()
}

// isConfiguration reports whether only the operator can fix an error: in the configuration here,
// or in the registration at the server.
func isConfiguration(err error) bool {
	var arrived *arrivalError
	if errors.As(err, &arrived) {
		return arrived.operator
	}
	var e *client.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Step {
	case client.StepDiscovery, client.StepRequest, client.StepUserInfo:
		return true
	case client.StepPush, client.StepToken:
		return !visitorCodes[e.Code]
	case client.StepCallback:
		return operatorCodes[e.Code]
	}
	return false
}

func (l *Login) failLogin(w http.ResponseWriter, r *http.Request, a *attempt, err error) {
	code, err := l.faultOf(a, err)
	l.failWith(w, r, code, a, err)
}

// isFromServer reports whether err rejects an ID token of the token endpoint in a way that no
// visitor can cause. Steps from 11 on compare the token with the login, and a code of another
// login may have been injected. With tenants, the issuer depends on who signs in.
func isFromServer(c *client.Client, err error) bool {
	var e *client.Error
	var token *idtoken.Error
	if c == nil || !errors.As(err, &e) || e.Step != client.StepIDToken || !errors.As(err, &token) {
		return false
	}
	config, step := c.Config(), token.Step.Number
	byTenant := step == 2 && (len(config.Tenants) > 0 || config.AcceptTenant != nil)
	return (config.ResponseType == "" || config.ResponseType == client.ResponseCode) && step <= 10 && !byTenant
}

// lacksNonce reports whether the server seems to return no nonce at all. This login has none, and no
// login of this client had one since New. Later, an injected code is the likely cause.
func (l *Login) lacksNonce(a *attempt, err error) bool {
	_, had := l.nonces.Load(a.Client)
	return errors.Is(err, idtoken.ErrNoNonce) && !had
}

func (l *Login) fail(w http.ResponseWriter, r *http.Request, code string, err error) {
	l.failWith(w, r, code, nil, err)
}

// failWith answers with a problem of the login a, which may be nil, and reports the reason.
func (l *Login) failWith(w http.ResponseWriter, r *http.Request, code string, a *attempt, err error) {
	p := l.newProblem(code, a, err)
	l.report(r, a, p, err)
	private(w.Header())
	if p.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.FormatInt(int64((p.RetryAfter+time.Second-1)/time.Second), 10))
	}
	switch {
	case !wantsPage(r):
		writeJSON(w, p)
	case l.config.ErrorPage != nil:
		l.config.ErrorPage(w, r, p)
	default:
		writePage(w, p)
	}
}

func (l *Login) newProblem(code string, a *attempt, err error) Problem {
	p := Problem{Status: statuses[code], Code: code, ID: rand.Text()[:12], Retry: l.retry(code, a), RetryAfter: retryAfter(err)}
	if p.Status == 0 {
		p.Status = http.StatusBadRequest
	}
	if l.config.InsecureHTTP {
		p.Reason = err.Error()
	}
	return p
}

// report logs the problem and calls Config.OnProblem.
func (l *Login) report(r *http.Request, a *attempt, p Problem, err error) {
	attributes := []slog.Attr{slog.String("id", p.ID), slog.Any("reason", err)}
	if a != nil && l.config.Clients[a.Client] != nil {
		c := l.config.Clients[a.Client]
		attributes = append(attributes, slog.String("client", a.Client), slog.String("issuer", c.Issuer()), slog.String("redirect_uri", c.Config().RedirectURL))
	}
	l.config.Log.LogAttrs(r.Context(), l.level(p, err), "login: "+p.Code, attributes...)
	if l.config.OnProblem != nil {
		l.config.OnProblem(r.Context(), p, err)
	}
}

// level returns error if the operator must act, and info otherwise.
func (l *Login) level(p Problem, err error) slog.Level {
	switch {
	case errors.As(err, new(*doubtfulError)) && !l.doubtful.spend(l.config.Now()),
		p.Code == CodeUnavailable && isOfResponse(err) && !l.outages.spend(l.config.Now()):
		return slog.LevelInfo
	case errors.Is(err, errBusy):
		return slog.LevelWarn
	case p.Status >= 500 || p.Code == CodeTooLarge:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// retry returns the address at which to sign in again.
func (l *Login) retry(code string, a *attempt) string {
	switch code {
	case CodeRequest, CodeMethod, CodeCrossOrigin, CodeLogout, CodeTooLarge, CodeConfiguration:
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
