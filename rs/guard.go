package rs

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Require guards single routes behind a [Protection] with any condition: check gets
// the request and who sent it. An [*Error] that it returns is answered as it is, any
// other error with 403 insufficient_scope, whose meaning is that the token does not
// carry what the request needs (RFC 6750 §3.1).
//
// A request that had no token and was let through is answered 401, and one that did
// not come through a Protection 503.
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
	if _, ok := protectionOf(r); !ok {
		return notAvailable(errors.New("a guard is not behind a Protection's Handler"))
	}
	if check == nil {
		return notAvailable(errors.New("Require has no condition"))
	}
	principal, ok := FromContext(r.Context())
	if !ok {
		return noToken()
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

// insufficientScope tells the client and the log which scopes are required, and which the
// token has.
func insufficientScope(scopes []string, required string, p *Principal) *Error {
	granted := "none"
	if len(p.Scopes) > 0 {
		granted = quote(strings.Join(p.Scopes, " "))
	}
	if len(granted) > maxLogged {
		granted = granted[:maxLogged] + "..."
	}
	all := strings.Join(scopes, " ")
	e := &Error{
		Status: http.StatusForbidden, Code: InsufficientScope, Scope: all,
		Description: fmt.Sprintf("the access token lacks a scope: required %s%s, granted %s", required, all, granted),
	}
	if len(scopes) == 0 {
		e.Description, e.Err = "no access token is accepted here", errors.New("the guard has no scopes, and so rejects every request: name the scopes")
	}
	return e
}

// RequireScope guards single routes behind a [Protection]: the token must have been
// granted all of scopes. Other tokens are answered with 403 insufficient_scope (RFC 6750
// §3.1). Without arguments every request is rejected.
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

// RequireAnyScope is [RequireScope] for a route that needs one of scopes. Without
// arguments every request is rejected.
func RequireAnyScope(scopes ...string) func(http.Handler) http.Handler {
	return Require(func(_ *http.Request, p *Principal) error {
		if slices.ContainsFunc(scopes, p.HasScope) {
			return nil
		}
		return insufficientScope(scopes, "one of ", p)
	})
}

func insufficientAuthentication() *Error {
	return &Error{Status: http.StatusUnauthorized, Code: InsufficientUserAuthentication, Description: "the user must authenticate in another way or again"}
}

// RequireACR wants the user to have authenticated by one of values, the authentication
// context classes in order of preference. Others, and tokens that do not say, are
// answered 401 insufficient_user_authentication with acr_values (RFC 9470 §3). No
// value opens the route to nobody.
func RequireACR(values ...string) func(http.Handler) http.Handler {
	wanted := strings.Join(values, " ")
	return Require(func(_ *http.Request, p *Principal) error {
		if p.ACR != "" && slices.Contains(values, p.ACR) {
			return nil
		}
		e := insufficientAuthentication()
		e.ACRValues, e.Err = wanted, p.wrongACR(wanted)
		return e
	})
}

// RequireMaxAge wants the user to have authenticated at most age ago, by the clock of
// the [Protection]. Others are answered 401 insufficient_user_authentication with
// max_age (RFC 9470 §3); a token that does not say when counts as too old, and so does
// one that names a time to come, but for what a server's clock may be off. The age must
// not be below 0: then nobody is let through.
func RequireMaxAge(age time.Duration) func(http.Handler) http.Handler {
	return Require(func(r *http.Request, p *Principal) error {
		protection, _ := protectionOf(r)
		ago := now(protection.Now).Sub(p.AuthTime) // saturates, and never overflows
		if !p.AuthTime.IsZero() && -maxSkew <= ago && age >= 0 && ago <= age {
			return nil
		}
		e := insufficientAuthentication()
		e.Err = p.wrongAge(ago, age)
		age := max(age, 0)
		e.MaxAge = &age
		return e
	})
}

// RequireAuthorizationDetails wants the token to carry an authorization detail of the
// type typ (RFC 9396 §2) that match accepts; a nil match accepts any. The type alone
// says little: what was granted is in the members that the type defines.
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
