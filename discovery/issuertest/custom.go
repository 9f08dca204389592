package issuertest

import "net/url"

// GrantType handles an extension grant, RFC 6749 §4.5. It receives the parameters of the
// token request of an authenticated client. If it returns an error, the issuer responds with
// invalid_grant.
type GrantType func(form url.Values) (Granted, error)

// Granted is what a GrantType grants.
type Granted struct {
	Subject  string   // the subject of a user; "" means that the client acts for itself
	Scopes   []string // with openid, an ID token is issued too
	Audience []string // empty means the audience of the client or the Config

	// Renewable also issues a refresh token.
	Renewable bool

	// Response adds or replaces members of the token response, such as issued_token_type. A
	// nil value removes a member.
	Response map[string]any
}

// extension calls a GrantType of the Config.
func extension(answer GrantType) func(*Issuer, *tokenRequest) (map[string]any, *refusal) {
	return func(i *Issuer, t *tokenRequest) (map[string]any, *refusal) {
		allowed, err := answer(t.r.PostForm)
		if err != nil {
			return nil, refuse("invalid_grant", err.Error())
		}
		g := &grant{client: t.client, user: i.user(allowed.Subject), scopes: allowed.Scopes, audience: allowed.Audience, authTime: i.Now(), sid: newID()}
		if allowed.Subject != "" && g.user == nil {
			return nil, refuse("invalid_grant", "no user has the subject "+allowed.Subject)
		}
		tokens, e := i.issue(t, g, g.scopes, allowed.Renewable)
		return overlay(tokens, allowed.Response), e
	}
}
