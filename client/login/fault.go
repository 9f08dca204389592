package login

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// Who is at fault? A visitor can change the address of the server's sign-in page, and forge a
// callback. So some errors may come from the configuration or from one visitor. The first two such
// errors after the server accepted the same request are taken for a visitor's. After more, the
// operator must look, because the client may have changed at the server. A visitor must not fill
// the log with errors.
const (
	acceptedFor  = time.Hour
	maxVisitors  = 2    // failures after an accepted request
	maxAccepted  = 1000 // requests that are remembered
	maxDoubtful  = 10   // errors of that kind that are logged as ERROR
	doubtfulTime = time.Minute
)

// accepted remembers when the server last accepted a request, and how often it failed since then.
type accepted struct {
	mu   sync.Mutex
	last map[string]acceptance
}

type acceptance struct {
	at     time.Time
	failed int
}

func (x *accepted) note(request string, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.last == nil || len(x.last) >= maxAccepted {
		x.last = map[string]acceptance{}
	}
	x.last[request] = acceptance{at: now}
}

// failed counts a failure. It returns how long ago the server accepted the request, and whether that
// is recent and few logins have failed since then.
func (x *accepted) failed(request string, now time.Time) (time.Duration, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	last, ok := x.last[request]
	if !ok {
		return 0, false
	}
	last.failed++
	x.last[request] = last
	age := now.Sub(last.at)
	return age, age.Abs() < acceptedFor && last.failed <= maxVisitors
}

// alarms allow a number of errors within a time.
type alarms struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

func (b *alarms) spend(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if age := now.Sub(b.since); age >= doubtfulTime || age < 0 {
		b.since, b.n = now, 0
	}
	b.n++
	return b.n <= maxDoubtful
}

// requestKey identifies what the application requested, without what differs between two logins.
func requestKey(a *attempt) string {
	p := a.Pending
	if p == nil {
		return ""
	}
	key, _ := json.Marshal([]any{a.Client, p.RedirectURL, p.Scopes, p.ACRValues, p.MaxAge, p.Prompt, p.ResponseType, p.ResponseMode, p.Resources, a.Request})
	return hashed(string(key))
}

// doubtfulError is an error that the configuration or the visitor may have caused.
type doubtfulError struct{ err error }

func (e *doubtfulError) Error() string {
	return e.err.Error() + ". If only some logins fail so, a visitor has changed the address of the server's page or forged the callback"
}
func (e *doubtfulError) Unwrap() error { return e.err }

// faultOf returns the code of a failed login, and the error to log.
func (l *Login) faultOf(a *attempt, err error) (string, error) {
	code := codeOf(err)
	if a == nil {
		return code, err
	}
	if code == CodeFailed && (isFromServer(l.config.Clients[a.Client], err) || l.lacksNonce(a, err)) {
		code = CodeConfiguration
	}
	if code != CodeConfiguration || !isDoubtful(a, err) {
		return code, err
	}
	if age, ok := l.accepted.failed(requestKey(a), l.config.Now()); ok && !isInvalidTokenRequest(err) {
		return CodeFailed, fmt.Errorf("%w. The server accepted the same request %s ago, so the visitor has probably changed the address of the server's page or forged the callback",
			err, jose.Duration(age.Round(time.Second)))
	}
	return code, &doubtfulError{err}
}

// isInvalidTokenRequest reports whether the token endpoint answered invalid_request. A few servers
// do so for a changed code, but it is nearly always a fault of the configuration.
func isInvalidTokenRequest(err error) bool {
	var e *client.TokenError
	return errors.As(err, &e) && e.Code == "invalid_request"
}

// isDoubtful reports whether a visitor can cause an error that looks like one of the configuration.
func isDoubtful(a *attempt, err error) bool {
	var e *client.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Step {
	case client.StepPush: // the visitor's link may have had the hint
		return a.Request != nil && a.Request.LoginHint != "" && e.Code == "invalid_request"
	case client.StepCallback:
		return true
	case client.StepToken:
		return isAboutCode(e)
	case client.StepIDToken: // scope or nonce was removed from the address
		return errors.Is(err, idtoken.ErrNoNonce) || !errors.As(err, new(*idtoken.Error))
	}
	return false
}

// isOfResponse reports whether a visitor can cause an error by another callback or another code. Some
// servers answer an unusual code with status 500.
func isOfResponse(err error) bool {
	var e *client.Error
	return errors.As(err, &e) && (e.Step == client.StepCallback || e.Step == client.StepToken)
}

// clientErrors are the errors of a token endpoint about the client, whatever the code is.
var clientErrors = map[string]bool{
	"invalid_client": true, "unauthorized_client": true, "unsupported_grant_type": true, "access_denied": true,
	"incorrect_client_credentials": true, "redirect_uri_mismatch": true, "bad_client_secret": true, "deleted_client": true, "disabled_client": true,
	"invalid_client_id": true, "invalid_client_credentials": true,
}

// isAboutCode reports whether a token endpoint may have rejected the code, which a visitor can
// change, with an error that is not invalid_grant.
func isAboutCode(e *client.Error) bool {
	var rejected *client.TokenError
	var foreign interface{ Foreign() bool }
	if errors.As(e, &foreign) && foreign.Foreign() {
		return true
	}
	if !errors.As(e, &rejected) || clientErrors[rejected.Code] {
		return false
	}
	switch rejected.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed:
		return rejected.Code != ""
	}
	return rejected.Status >= 400 && rejected.Status < 500
}
