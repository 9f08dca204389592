package login

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/countersign/countersign/client"
)

// warnMissingClaims warns the operator once about the claims of Config.Claims that are missing. The
// UserInfo endpoint has all claims that a user has. If it lacks one, only a missing scope is a
// mistake.
func (l *Login) warnMissingClaims(ctx context.Context, c *client.Client, all map[string]json.RawMessage) {
	var missing []string
	for _, name := range l.config.Claims {
		if _, there := all[name]; !there && (!l.config.UserInfo || lacksScope(c, name)) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return
	}
	text, remedy := "login: the ID token lacks a claim of Config.Claims",
		"set Config.UserInfo to get the claims from the UserInfo endpoint, or add their scopes to client.Config.Scopes"
	if l.config.UserInfo {
		text, remedy = "login: the scope of a claim of Config.Claims is not requested", "add the scopes of the claims to client.Config.Scopes"
	}
	l.once.missingClaim.Do(func() { l.config.Log.WarnContext(ctx, text, "claims", missing, "remedy", remedy) })
}

// claimsOf are the claims that a scope requests (OpenID Connect Core §5.4).
var claimsOf = map[string][]string{
	"profile": {
		"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile",
		"picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
	},
	"email":   {"email", "email_verified"},
	"address": {"address"},
	"phone":   {"phone_number", "phone_number_verified"},
}

// lacksScope reports whether a client does not request the scope of a standard claim.
func lacksScope(c *client.Client, claim string) bool {
	for scope, claims := range claimsOf {
		if slices.Contains(claims, claim) {
			return !slices.Contains(c.Config().Scopes, scope)
		}
	}
	return false
}
