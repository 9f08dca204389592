package issuertest

import (
	"crypto/sha256"
	"crypto/x509"
	"time"
)

// AccessToken describes an access token that a test requests directly. The zero value is a
// bearer token of the first user for the first client.
type AccessToken struct {
	output[AccessToken]

	Subject  string    // "" means the first user
	ClientID string    // "" means the first client
	Scopes   []string  // the granted scopes; empty for none
	Audience []string  // empty means the audience of the client or the Config
	ACR      string    // acr; "" for none
	AuthTime time.Time // zero means now

	KeyThumbprint string            // of a DPoP key (jkt), "" for none
	Certificate   *x509.Certificate // the certificate that the token is bound to; nil means none

	// Claims replace the token's claims. A nil value removes a claim.
	Claims map[string]any

	// Value is the token itself, for an opaque token with a known value. "" means that a new
	// token is generated.
	Value string
}

// AccessToken issues an access token without a login, for tests of an API. The introspection,
// revocation and UserInfo endpoints accept it. It panics if the subject or the client is
// unknown.
func (i *Issuer) AccessToken(t AccessToken) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.ordered(t.ClientID, t.Subject)
	g.scopes, g.acr = t.Scopes, t.ACR
	if !t.AuthTime.IsZero() {
		g.authTime = t.AuthTime
	}
	a := &access{grant: g, scopes: t.Scopes, audience: t.Audience, extra: t.Claims, value: t.Value}
	if len(a.audience) == 0 {
		a.audience = i.audienceOf(g.client)
	}
	switch {
	case t.KeyThumbprint != "":
		a.cnf = map[string]any{"jkt": t.KeyThumbprint}
	case t.Certificate != nil:
		sum := sha256.Sum256(t.Certificate.Raw)
		a.cnf = map[string]any{"x5t#S256": encode(sum[:])}
	}
	return i.mint(a)
}

// IDToken describes an ID token that a test requests directly.
type IDToken struct {
	output[IDToken]

	Subject     string // "" means the first user
	ClientID    string // "" means the first client
	Nonce       string // nonce; "" for none
	AccessToken string // the value for at_hash; "" means no at_hash
	Code        string // the value for c_hash; "" means no c_hash
	SessionID   string // sid; "" means a new one

	// Claims replace the token's claims. A nil value removes a claim.
	Claims map[string]any
}

// IDToken issues an ID token without a login. Faults apply to it. It panics if the subject
// or the client is unknown.
func (i *Issuer) IDToken(t IDToken) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	g := i.ordered(t.ClientID, t.Subject)
	g.nonce, g.sid = t.Nonce, or(t.SessionID, g.sid)
	g.scopes = []string{"openid", "profile", "email", "address", "phone"}
	return i.idTokenWith(g, t.AccessToken, t.Code, t.Claims)
}

// SignJWT signs any claims with the current key. Use it for JWTs that no other method issues.
// The members of header replace alg, kid and typ.
func (i *Issuer) SignJWT(claims, header map[string]any) string {
	return i.keys.current().Sign(claims, header)
}

func (i *Issuer) ordered(clientID, subject string) *grant {
	c, u := i.state.clients[0], &i.config.Users[0]
	if clientID != "" {
		c = i.state.client(clientID)
	}
	if subject != "" {
		u = i.user(subject)
	}
	if c == nil || u == nil {
		panic("issuertest: no client " + clientID + " or no user " + subject + " in the Config")
	}
	return &grant{client: c, user: u, authTime: i.Now(), acr: u.ACR, sid: newID()}
}

func (i *Issuer) audienceOf(c *Client) []string {
	if len(c.Audience) > 0 {
		return c.Audience
	}
	return i.config.Audience
}
