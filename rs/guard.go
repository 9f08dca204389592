package rs

import (
	"errors"
	"net/http"
	"strings"
)

// RequireScope guards single routes behind a [Protection]: the token must have been
// granted every one of scopes. Others are answered 403 insufficient_scope (RFC 6750
// §3.1), and requests that did not come through a Protection 503.
func RequireScope(scopes ...string) func(http.Handler) http.Handler {
	wanted := strings.Join(scopes, " ")
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			principal, ok := FromContext(r.Context())
			if !ok {
				unprotected(w, r)
				return
			}
			for _, s := range scopes {
				if !principal.HasScope(s) {
					protectionOf(r).deny(w, r, &Error{
						Status: http.StatusForbidden, Code: InsufficientScope, Scope: wanted,
						Description: "the access token lacks a scope",
					})
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// unprotected answers a request that a guard cannot judge: somebody forgot the
// Protection around it.
func unprotected(w http.ResponseWriter, r *http.Request) {
	protectionOf(r).deny(w, r, &Error{
		Status: http.StatusServiceUnavailable, Description: "the token cannot be checked now",
		Err: errors.New("a guard is not behind a Protection's Handler"),
	})
}

func protectionOf(r *http.Request) *Protection {
	if p, ok := r.Context().Value(protectionKey{}).(*Protection); ok {
		return p
	}
	return &Protection{}
}
