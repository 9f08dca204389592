package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// claims are additional claims of access tokens, by the subject of the user. The subject "" is
// everyone.
type claims map[string]map[string]any

// serverClaims are the claims that the server sets (RFC 9068 §2.2).
var serverClaims = []string{"iss", "sub", "aud", "exp", "iat", "jti", "client_id", "scope", "acr", "cnf", "act"}

// add reads name=value. A name that is given again makes the claim an array.
func (c claims) add(subject, s string) error {
	name, text, ok := strings.Cut(s, "=")
	if !ok || name == "" {
		return fmt.Errorf("expected name=value, for example roles=admin, received %q", s)
	}
	if slices.Contains(serverClaims, name) {
		return fmt.Errorf("the server sets %s itself: name another claim", name)
	}
	value, err := claimValue(text)
	if err != nil {
		return err
	}
	if c[subject] == nil {
		c[subject] = map[string]any{}
	}
	switch old := c[subject][name].(type) {
	case nil:
	case []any:
		value = append(old, value)
	default:
		value = []any{old, value}
	}
	c[subject][name] = value
	return nil
}

// claimValue is a string, or the JSON of an object or an array.
func claimValue(text string) (any, error) {
	if !strings.HasPrefix(text, "{") && !strings.HasPrefix(text, "[") {
		return text, nil
	}
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return nil, fmt.Errorf("the value begins like JSON, but is not JSON: %w", err)
	}
	return value, nil
}

// edit adds the claims of the token's user.
func (c claims) edit(token map[string]any) {
	maps.Copy(token, c[""])
	if subject, _ := token["sub"].(string); subject != "" {
		maps.Copy(token, c[subject])
	}
}

// introspection adds the claims to the response about a valid token.
func (c claims) introspection(answer map[string]any) {
	if answer["active"] == true {
		c.edit(answer)
	}
}
