package fositeserver

import (
	"net/http"
	"slices"

	"github.com/ory/fosite"
)

// errInvalidTarget is the error of RFC 8707 §2 for a resource that the client may not use.
var errInvalidTarget = &fosite.RFC6749Error{
	ErrorField:       "invalid_target",
	DescriptionField: "The requested resource is invalid, unknown, or not open to this client.",
	CodeField:        http.StatusBadRequest,
}

// readResources supports the parameter of RFC 8707 for the API that a token is for. fosite
// uses a parameter with another name.
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

// resourcesOf returns the APIs that the tokens of a request are for: the requested ones, or
// else those of the client. An access token must have an audience (RFC 9068 §3).
func resourcesOf(ar fosite.Requester) []string {
	if asked := ar.GetRequestedAudience(); len(asked) > 0 {
		return asked
	}
	return ar.GetClient().GetAudience()
}
