package fositeserver

import (
	"net/http"
	"slices"

	"github.com/ory/fosite"
)

// errInvalidTarget is RFC 8707 §2's answer to a resource that is not the client's to use.
var errInvalidTarget = &fosite.RFC6749Error{
	ErrorField:       "invalid_target",
	DescriptionField: "The requested resource is invalid, unknown, or not open to this client.",
	CodeField:        http.StatusBadRequest,
}

// readResources lets clients name the API that a token is for as RFC 8707 has it;
// fosite knows a parameter of its own for that.
func readResources(r *http.Request) {
	if r.ParseForm() == nil && r.Form.Has("resource") {
		r.Form["audience"] = r.Form["resource"]
		if r.PostForm.Has("resource") {
			r.PostForm["audience"] = r.PostForm["resource"]
		}
	}
}

// matchResources is a fosite.AudienceMatchingStrategy.
func matchResources(registered, requested []string) error {
	for _, resource := range requested {
		if !slices.Contains(registered, resource) {
			return errInvalidTarget
		}
	}
	return nil
}

// resourcesOf are the APIs that the tokens of a request are for: those asked for, or
// else the client's own, as no access token may be without an audience (RFC 9068 §3).
func resourcesOf(ar fosite.Requester) []string {
	if asked := ar.GetRequestedAudience(); len(asked) > 0 {
		return asked
	}
	return ar.GetClient().GetAudience()
}
