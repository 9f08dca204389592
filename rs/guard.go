package rs

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// Require is a guard for single routes behind a [Protection]. It calls check with the request and
// its [Principal]. If check returns an [*Error], the request is answered with it. The other answers
// are:
//
//   - 403 insufficient_scope for any other error of check: the token does not grant what the
//     request needs (RFC 6750 §3.1). The log has the error.
//   - 401 without a code for a request without a token that Protection.Optional accepted.
//   - 503 if check is nil, or the request did not pass through a Protection: wrap the route with
//     Protection.Handler.
func Require(check func(*http.Request, *Principal) error) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := guard(r, check); err != nil {
				protection, _ := protectionOf(r)
				protection.deny(w, r, err)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

func guard(r *http.Request, check func(*http.Request, *Principal) error) *Error {
	protection, ok := protectionOf(r)
	if !ok {
		return notAvailable(errors.New("a guard ran outside of a Protection: wrap the route with Protection.Handler"))
	}
	if check == nil {
		return notAvailable(errors.New("the condition of Require is nil: pass a function"))
	}
	principal, ok := FromContext(r.Context())
	if !ok {
		return protection.noToken(r)
	}
	err := check(r, principal)
	if err == nil {
		return nil
	}
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Status: http.StatusForbidden, Code: InsufficientScope, Description: "the access token does not allow this request", Err: err}
	}
	e = e.own()
	e.dpop, e.who = principal.Cnf.KeyThumbprint != "", principal
	return e
}

// unsatisfiable is the answer of a guard that rejects every request.
func unsatisfiable(why string) *Error {
	return &Error{Status: http.StatusForbidden, Code: InsufficientScope, Description: "no access token is accepted here", Err: operatorFault{errors.New(why)}}
}

// checkScopes reports scopes that no token can have: none, or several in one string.
func checkScopes(scopes []string) *Error {
	if len(scopes) == 0 {
		return unsatisfiable("the guard has no scopes and rejects every request: pass the required scopes")
	}
	for _, s := range scopes {
		if s == "" || strings.ContainsAny(s, " \t\r\n") {
			return unsatisfiable(fmt.Sprintf("the guard has the scope %s, which no token can have: pass each scope as an argument, without spaces", jose.Quote(s)))
		}
	}
	return nil
}

// insufficientScope tells the client and the log which scopes are required and which the token
// has.
func insufficientScope(scopes []string, required string, p *Principal) *Error {
	if err := checkScopes(scopes); err != nil {
		return err
	}
	granted := "none"
	if len(p.Scopes) > 0 {
		granted = quote(strings.Join(p.Scopes, " "))
	}
	if len(granted) > maxLogged {
		granted = granted[:maxLogged] + "..."
	}
	all := strings.Join(scopes, " ")
	return &Error{
		Status: http.StatusForbidden, Code: InsufficientScope, Scope: all,
		Description: fmt.Sprintf("the access token lacks a scope: required %s%s, granted %s", required, all, granted),
	}
}

// RequireScope is a guard for single routes behind a [Protection]. The token must have all of
// the scopes. Other tokens are answered with 403 insufficient_scope (RFC 6750 §3.1). Without
// arguments, or with several scopes in one string, requests are rejected. Without a token the
// answer is 401, and outside of a Protection 503, as for [Require].
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	return Require(func(_ *http.Request, p *Principal) error {
		for _, s := range scopes {
			if !p.HasScope(s) {
				return insufficientScope(scopes, "", p)
			}
		}
		if len(scopes) == 0 {
			return insufficientScope(nil, "", p)
		}
		return nil
	})
}

// RequireAnyScope is [RequireScope] for a route that needs at least one of the scopes. Other
// tokens are answered with 403 insufficient_scope. Without arguments, or with several scopes in
// one string, requests are rejected. Without a token the answer is 401, and outside of a
// Protection 503, as for [Require].
func RequireAnyScope(scopes ...string) func(http.Handler) http.Handler {
	return Require(func(_ *http.Request, p *Principal) error {
		if slices.ContainsFunc(scopes, p.HasScope) {
			return nil
		}
		return insufficientScope(scopes, "one of ", p)
	})
}

func insufficientAuthentication() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: InsufficientUserAuthentication, Description: "the user must authenticate again or with another method"}
}

// RequireACR is a guard that requires acr to be one of values: authentication context classes
// in order of preference. Other tokens, and tokens without acr, are answered with 401
// insufficient_user_authentication and acr_values (RFC 9470 §3). Without arguments every
// request is rejected. Without a token the answer is 401, and outside of a Protection 503, as
// for [Require].
func RequireACR(values ...string) func(http.Handler) http.Handler {
	wanted := strings.Join(values, " ")
	return Require(func(_ *http.Request, p *Principal) error {
		if p.ACR != "" && slices.Contains(values, p.ACR) {
			return nil
		}
		e := insufficientAuthentication()
		e.ACRValues, e.Err = wanted, p.wrongACR(wanted)
		if len(values) == 0 {
			e.Err = operatorFault{errors.New("RequireACR has no values and rejects every request: pass the accepted values")}
		}
		return e
	})
}

// RequireMaxAge is a guard that requires the user to have authenticated at most age ago, by the
// clock of the [Protection]. Other tokens are answered with 401 insufficient_user_authentication
// and max_age (RFC 9470 §3). A token is rejected without auth_time, and with an auth_time that is
// more than 5 minutes in the future. A negative age rejects every request. Without a token the
// answer is 401, and outside of a Protection 503, as for [Require].
func RequireMaxAge(age time.Duration) func(http.Handler) http.Handler {
	return Require(func(r *http.Request, p *Principal) error {
		protection, _ := protectionOf(r)
		ago := now(protection.Now).Sub(p.AuthTime) // saturates and never overflows
		if !p.AuthTime.IsZero() && -maxSkew <= ago && age >= 0 && ago <= age {
			return nil
		}
		e := insufficientAuthentication()
		e.Err = p.wrongAge(ago, age)
		if age < 0 {
			e.Err = operatorFault{errors.New("RequireMaxAge has a negative age and rejects every request: pass an age of at least 0")}
		}
		age := max(age, 0)
		e.MaxAge = &age
		return e
	})
}

// RequireAuthorizationDetails is a guard that requires an authorization detail of type typ (RFC
// 9396 §2) for which match returns true. A nil match accepts every detail of the type. Compare the
// members that the type defines: the members contain the granted access.
//
// Other tokens are answered with 403 insufficient_scope. Without a token the answer is 401, and
// outside of a Protection 503, as for [Require].
func RequireAuthorizationDetails(typ string, match func(*http.Request, AuthorizationDetail) bool) func(http.Handler) http.Handler {
	return Require(func(r *http.Request, p *Principal) error {
		for _, d := range p.AuthorizationDetails {
			if d.Type == typ && (match == nil || match(r, d)) {
				return nil
			}
		}
		return p.wrongDetails(typ)
	})
}
