package rs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// RequireClaim is a guard for single routes behind a [Protection]. A claim of the token must
// contain at least one of values. Use it for roles, permissions and groups, which are not
// scopes. path names the claim. Several elements lead into objects: "realm_access", "roles" for
// the roles of Keycloak. Names and values are compared byte for byte. The claim must be a
// string or an array of strings. To require several values, use several guards.
//
// Other tokens are answered with 403 insufficient_scope (RFC 6750 §3.1). Without a path or
// without values every request is rejected. Without a token the answer is 401, and outside of a
// Protection 503, as for [Require].
func RequireClaim(path []string, values ...string) func(http.Handler) http.Handler {
	path, values = slices.Clone(path), slices.Clone(values)
	return Require(func(_ *http.Request, p *Principal) error {
		if len(path) == 0 || len(values) == 0 {
			return unsatisfiable("RequireClaim has no path or no values and rejects every request: pass both")
		}
		has, err := p.claimStrings(path)
		if err == nil && slices.ContainsFunc(has, func(v string) bool { return slices.Contains(values, v) }) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("the token has %s", quoteAll(has))
		}
		return insufficientClaim(fmt.Sprintf("the access token lacks a claim: required %s with one of %s", strings.Join(path, "."), strings.Join(values, " ")), err)
	})
}

func insufficientClaim(description string, err error) *Error {
	return &Error{Status: http.StatusForbidden, Code: InsufficientScope, Description: description, Err: err}
}

// claimStrings returns the values of a claim: a string or an array of strings.
func (p *Principal) claimStrings(path []string) ([]string, error) {
	raw := jsontext.Value(p.payload)
	for i, name := range path {
		var members map[string]jsontext.Value
		if err := jose.Decode(raw, &members, jose.TokenLimits); err != nil {
			return nil, fmt.Errorf("claim %s is not an object", quotePath(path[:i]))
		}
		var ok bool
		if raw, ok = members[name]; !ok {
			return nil, fmt.Errorf("the token has no claim %s: %s", quotePath(path[:i+1]), p.remedyOf(path))
		}
	}
	var one string
	if json.Unmarshal(raw, &one) == nil && raw.Kind() == '"' {
		return []string{one}, nil
	}
	var all []*string
	if json.Unmarshal(raw, &all) != nil || raw.Kind() != '[' || slices.Contains(all, nil) {
		return nil, fmt.Errorf("claim %s is neither a string nor an array of strings", quotePath(path))
	}
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = *s
	}
	return out, nil
}

// remedyOf says what to do about a claim that the token lacks.
func (p *Principal) remedyOf(path []string) string {
	split := strings.Split(strings.Join(path, "."), ".")
	if len(split) > len(path) {
		if _, err := p.claimStrings(split); err == nil {
			return fmt.Sprintf("the claim is nested: pass the path with one element for each name, []string{%s}", strings.Join(quoted(split), ", "))
		}
	}
	return "configure the server to add it to access tokens"
}

func quoted(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = jose.Quote(name)
	}
	return out
}

func quotePath(path []string) string { return jose.Quote(strings.Join(path, ".")) }

// maxListed bounds the values in a log line.
const maxListed = 10

func quoteAll(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == maxListed:
			fmt.Fprintf(&b, " and %d more", len(values)-i)
			return b.String()
		case i > 0:
			b.WriteByte(' ')
		}
		b.WriteString(jose.Quote(v))
	}
	return b.String()
}
