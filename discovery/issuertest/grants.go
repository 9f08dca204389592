package issuertest

import (
	"context"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// clientCredentials is the grant of RFC 6749 §4.4.
func (i *Issuer) clientCredentials(t *tokenRequest) (map[string]any, *refusal) {
	if t.client.public() {
		return nil, refuse("unauthorized_client", "a public client cannot act for itself")
	}
	scopes := strings.Fields(t.form("scope"))
	if e := t.client.allowed(scopes); e != nil {
		return nil, e
	}
	return i.issue(t, &grant{client: t.client, scopes: scopes}, scopes, false)
}

// jwtBearer is the grant of RFC 7523 §2.1: the client's assertion names a user.
func (i *Issuer) jwtBearer(t *tokenRequest) (map[string]any, *refusal) {
	parsed, err := jose.Parse(t.form("assertion"), 0)
	if err != nil {
		return nil, refuse("invalid_grant", "assertion: "+err.Error())
	}
	claims, reason := i.signedBy(t.r, t.client, parsed)
	if reason != "" {
		return nil, refuse("invalid_grant", "assertion: "+reason)
	}
	user := i.user(claims.Subject)
	if user == nil {
		return nil, refuse("invalid_grant", "assertion: sub is not a user of this issuer")
	}
	scopes := strings.Fields(t.form("scope"))
	if e := t.client.allowed(scopes); e != nil {
		return nil, e
	}
	g := &grant{client: t.client, user: user, scopes: scopes, authTime: i.Now(), sid: newID()}
	return i.issue(t, g, scopes, false)
}

// tokenExchange is the grant of RFC 8693 §2.
func (i *Issuer) tokenExchange(t *tokenRequest) (map[string]any, *refusal) {
	subject, e := i.exchanged(t.form("subject_token"), t.form("subject_token_type"))
	if e != nil {
		return nil, e
	}
	g := &grant{client: t.client, user: subject.user, authTime: subject.authTime, acr: subject.acr, sid: subject.sid, act: subject.act}
	if t.form("actor_token") != "" {
		actor, e := i.exchanged(t.form("actor_token"), t.form("actor_token_type"))
		if e != nil {
			return nil, e
		}
		g.act = map[string]any{"sub": actor.subject()}
		if subject.act != nil {
			g.act["act"] = subject.act
		}
	}
	g.scopes = subject.scopes
	if asked := strings.Fields(t.form("scope")); len(asked) > 0 {
		g.scopes = asked
	}
	if e := t.client.allowed(g.scopes); e != nil {
		return nil, e
	}
	return i.exchangeAnswer(t, g)
}

func (i *Issuer) exchangeAnswer(t *tokenRequest, g *grant) (map[string]any, *refusal) {
	g.audience = t.r.PostForm["audience"]
	asked := or(t.form("requested_token_type"), typeAccessToken)
	if asked != typeAccessToken && asked != typeIDToken && !strings.HasSuffix(asked, ":jwt") {
		return nil, refuse("invalid_request", "requested_token_type is not supported")
	}
	answer, e := i.issue(t, g, g.scopes, false)
	if e != nil {
		return nil, e
	}
	delete(answer, "id_token")
	if asked == typeIDToken && g.user != nil {
		answer["access_token"], answer["token_type"] = i.idToken(g, "", ""), "N_A"
	}
	answer["issued_token_type"] = asked
	return answer, nil
}

// exchanged returns the grant of the token that the client exchanges.
func (i *Issuer) exchanged(raw, kind string) (*grant, *refusal) {
	if a, ok := i.state.access.get(raw, i.Now()); ok && kind != typeIDToken && i.active(a) {
		g := *a.grant
		g.scopes = a.scopes
		return &g, nil
	}
	if kind == typeIDToken {
		if g := i.issuedID(raw); g != nil {
			return g, nil
		}
	}
	return nil, refuse("invalid_request", "the token to exchange is unknown, expired or revoked")
}

// issuedID decodes an ID token of this issuer. It returns nil for any other token. The token
// may have expired.
func (i *Issuer) issuedID(raw string) *grant {
	t, err := jose.Parse(raw, 0)
	if err != nil {
		return nil
	}
	var claims struct {
		Issuer   string        `json:"iss"`
		Subject  string        `json:"sub"`
		Audience jose.Audience `json:"aud"`
		Session  string        `json:"sid"`
	}
	set, err := jose.ParseSet(i.keys.set())
	if err != nil || jose.Decode(t.Payload, &claims, jose.TokenLimits) != nil || claims.Issuer != i.URL || len(claims.Audience) == 0 {
		return nil
	}
	c, u := i.state.client(claims.Audience[0]), i.user(claims.Subject)
	if c == nil || u == nil {
		return nil
	}
	if c.IDTokenAlg != "" {
		set = jose.NewSecretSet([]byte(c.Secret))
	}
	if set.VerifyToken(context.Background(), t) != nil {
		return nil
	}
	return &grant{client: c, user: u, scopes: []string{"openid"}, sid: claims.Session, authTime: i.Now()}
}
