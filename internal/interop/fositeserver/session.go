package fositeserver

import (
	"crypto/rand"
	"maps"
	"time"

	"github.com/ory/fosite"
	"github.com/ory/fosite/handler/openid"
	"github.com/ory/fosite/token/jwt"
)

// session is the data that fosite stores with a code and its tokens. It provides the claims
// of ID tokens (openid.Session), of JWT access tokens (oauth2.JWTSessionContainer) and of
// introspection responses (fosite.ExtraClaimsSession).
type session struct {
	*openid.DefaultSession
	issuer, clientID, tokenID string
	actor                     string // the client that acts for the user, RFC 8693 §4.1; "" means none
}

// blank returns a session for requests for which fosite loads the stored session, if any.
func blank() *session { return &session{DefaultSession: openid.NewDefaultSession()} }

// newSession returns the session of a user who has just signed in for a client.
func (s *Server) newSession(u *User, c fosite.Client, requested time.Time) *session {
	return &session{
		DefaultSession: &openid.DefaultSession{
			Subject:  u.Subject,
			Username: u.Username,
			Claims: &jwt.IDTokenClaims{
				Issuer: s.config.Issuer, Subject: u.Subject, AuthTime: time.Now().UTC(), RequestedAt: requested,
			},
		},
		issuer: s.config.Issuer, clientID: c.GetID(), tokenID: rand.Text(),
	}
}

// GetJWTClaims returns the claims of RFC 9068 §2.2 that fosite does not set.
func (s *session) GetJWTClaims() jwt.JWTClaimsContainer {
	extra := map[string]any{"client_id": s.clientID}
	if s.actor != "" {
		extra["act"] = map[string]any{"sub": s.actor}
	}
	return &jwt.JWTClaims{Subject: s.Subject, JTI: s.tokenID, Extra: extra}
}

// GetJWTHeader sets the typ of access tokens, which distinguishes them from ID tokens, RFC
// 9068 §2.1.
func (s *session) GetJWTHeader() *jwt.Headers {
	return &jwt.Headers{Extra: map[string]any{"typ": "at+jwt"}}
}

// GetExtraClaims adds members of RFC 7662 §2.2 to introspection responses that fosite does
// not set.
func (s *session) GetExtraClaims() map[string]any {
	return map[string]any{"iss": s.issuer, "jti": s.tokenID, "token_type": "Bearer"}
}

// Clone implements fosite.Session.
func (s *session) Clone() fosite.Session {
	c, d := *s, *s.DefaultSession
	d.ExpiresAt = maps.Clone(d.ExpiresAt)
	c.DefaultSession = &d
	return &c
}
