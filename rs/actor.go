package rs

import (
	"errors"
	"fmt"
	"net/http"
)

// MaxActors is the largest depth of act that [RequireActor] accepts.
const MaxActors = 8

// RequireActor guards routes for agents and services that act for a user (RFC 8693 §4.1). The token
// must have the claim act, and check must accept the current actor. act may be nested at most depth
// times; 1 means an actor without prior actors. Prior actors, in Actor.Act, are for the log: only
// the current actor decides about access (§4.1).
//
// A token without act, with an act that cannot be read or names no actor, or with a longer chain
// is answered with 403 insufficient_scope. If check is nil, or if depth is not 1 to [MaxActors],
// every token is answered in this way. Without a token the answer is 401, and outside of a
// Protection 503, as for [Require].
func RequireActor(depth int, check func(*http.Request, *Actor) error) func(http.Handler) http.Handler {
	return Require(func(r *http.Request, p *Principal) error {
		if check == nil || depth < 1 || depth > MaxActors {
			return notAllowed(operatorFault{fmt.Errorf("RequireActor requires a check and a depth of 1 to %d, received the depth %d", MaxActors, depth)})
		}
		if err := p.Act.checkChain(depth); err != nil {
			return notAllowed(err)
		}
		if err := check(r, p.Act); err != nil {
			if e := (*Error)(nil); errors.As(err, &e) {
				return e
			}
			return notAllowed(err)
		}
		return nil
	})
}

// checkChain checks that each actor is named, and how many there are.
func (a *Actor) checkChain(depth int) error {
	if a == nil {
		return errors.New("the token has no act, expected a token that an agent received for the user (token exchange)")
	}
	for n := 1; a != nil; n, a = n+1, a.Act {
		if n > depth {
			return fmt.Errorf("act is nested more than %d times: increase the depth of RequireActor, or shorten the chain of services", depth)
		}
		if a.Subject == "" && a.ClientID == "" {
			return fmt.Errorf("act names no actor at depth %d, expected sub or client_id", n)
		}
	}
	return nil
}

func notAllowed(err error) *Error {
	return &Error{Status: http.StatusForbidden, Code: InsufficientScope, Description: "the actor of the access token is not accepted", Err: err}
}
