package issuertest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// newID generates an identifier that is not secret.
func newID() string { return rand.Text() }

// secret generates a code or a token.
func (i *Issuer) secret() string { return i.config.SecretPrefix + rand.Text() + rand.Text() }

// mint signs or generates an access token and stores it. The caller holds i.mu.
func (i *Issuer) mint(a *access) string {
	a.id, a.issued = newID(), i.Now()
	a.expires = a.issued.Add(i.config.Lifetime)
	if i.faults.has(AccessTokenExpired) {
		a.issued, a.expires = a.issued.Add(-2*time.Hour), a.issued.Add(-time.Hour)
	}
	if i.faults.has(AccessTokenAudience) {
		a.audience = []string{"https://other-api.example"}
	}
	if i.faults.has(AccessTokenUnbound) {
		a.cnf = nil
	}
	raw := or(a.value, i.secret())
	if a.value == "" && or(a.grant.client.AccessTokens, i.config.AccessTokens) == JWT {
		key := i.keys.current()
		if i.faults.has(AccessTokenKeySwapped) {
			key = Key{ID: key.ID, Alg: key.Alg, Private: i.keys.other().Private}
		}
		raw = key.Sign(edited(i.config.Edit.AccessToken, i.claimsOf(a)), map[string]any{"typ": "at+jwt"})
	}
	i.state.access.put(raw, a, a.expires.Add(24*time.Hour))
	return raw
}

// claimsOf returns the claims of an access token, RFC 9068 §2.2, and of its introspection
// response.
func (i *Issuer) claimsOf(a *access) map[string]any {
	g := a.grant
	claims := map[string]any{
		"iss": i.URL, "sub": g.subject(), "client_id": g.client.ID, "exp": a.expires.Unix(), "iat": a.issued.Unix(), "jti": a.id,
		"aud": a.audience,
	}
	if len(a.audience) == 1 {
		claims["aud"] = a.audience[0]
	}
	optional := map[string]any{"scope": strings.Join(a.scopes, " "), "acr": g.acr}
	for name, value := range optional {
		if value != "" {
			claims[name] = value
		}
	}
	if g.user != nil {
		claims["auth_time"] = g.authTime.Unix()
	}
	if a.cnf != nil {
		claims["cnf"] = a.cnf
	}
	if g.act != nil {
		claims["act"] = g.act
	}
	if g.details != nil {
		claims["authorization_details"] = g.details
	}
	if i.faults.has(AccessTokenIssuer) {
		claims["iss"] = foreignIssuer
	}
	return overlay(claims, a.extra)
}

// scopeClaims are the claims that a scope gives access to, OpenID Connect Core §5.4.
var scopeClaims = map[string][]string{
	"profile": {"name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
		"website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"},
	"email": {"email", "email_verified"}, "address": {"address"}, "phone": {"phone_number", "phone_number_verified"},
}

// userClaims returns the claims about the user that the grant's scopes allow.
func userClaims(g *grant) map[string]any {
	out := map[string]any{}
	for name, value := range g.user.Claims {
		allowed := true
		for scope, names := range scopeClaims {
			if slices.Contains(names, name) {
				allowed = g.has(scope)
			}
		}
		if allowed {
			out[name] = value
		}
	}
	return out
}

// idToken returns the ID token of a grant. accessToken and code are issued together with it;
// "" means none.
func (i *Issuer) idToken(g *grant, accessToken, code string) string {
	return i.idTokenWith(g, accessToken, code, nil)
}

// idTokenWith replaces claims with those in more. A nil value removes a claim.
func (i *Issuer) idTokenWith(g *grant, accessToken, code string, more map[string]any) string {
	now := i.Now()
	claims := overlay(userClaims(g), map[string]any{
		"iss": i.URL, "sub": g.user.Subject, "aud": g.client.ID, "iat": now.Unix(), "exp": now.Add(i.config.Lifetime).Unix(),
		"auth_time": g.authTime.Unix(), "sid": g.sid,
	})
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if g.acr != "" {
		claims["acr"] = g.acr
	}
	if g.user.AMR != nil {
		claims["amr"] = g.user.AMR
	}
	key := i.idTokenKey(g.client)
	if accessToken != "" {
		claims["at_hash"] = LeftHalf(key.Alg, accessToken)
	}
	if code != "" {
		claims["c_hash"] = LeftHalf(key.Alg, code)
	}
	return encryptTo(g.client, g.client.IDTokenEncryptionAlg, g.client.IDTokenEncryptionEnc, i.signID(key, i.spoilClaims(edited(i.config.Edit.IDToken, overlay(claims, more)))))
}

// idTokenKey returns the issuer's key, or the client secret if the client is registered for
// it.
func (i *Issuer) idTokenKey(c *Client) Key {
	if c.IDTokenAlg != "" {
		return Key{Alg: c.IDTokenAlg, Secret: []byte(c.Secret)}
	}
	return i.keys.current()
}

// encryptTo encrypts a JWT to a key of the client. With alg "" it returns the JWT unchanged.
func encryptTo(c *Client, alg, enc, jwt string) string {
	if alg == "" {
		return jwt
	}
	set := must(jose.ParseSet(c.jwks()))
	return must(set.Encrypt(jwt, alg, or(enc, "A256GCM")))
}

// claimFaults change the claims of an ID token.
var claimFaults = map[Fault]func(c map[string]any, now time.Time){
	IDTokenIssuerForeign:   func(c map[string]any, _ time.Time) { c["iss"] = foreignIssuer },
	IDTokenSubjectMissing:  func(c map[string]any, _ time.Time) { delete(c, "sub") },
	IDTokenAudienceForeign: func(c map[string]any, _ time.Time) { c["aud"] = "another-client" },
	IDTokenAudienceMore: func(c map[string]any, _ time.Time) {
		c["aud"] = []any{c["aud"], "another-client"}
		c["azp"] = c["aud"].([]any)[0]
	},
	IDTokenPartyMissing:  func(c map[string]any, _ time.Time) { c["aud"] = []any{c["aud"], OtherAudience} },
	IDTokenPartyForeign:  func(c map[string]any, _ time.Time) { c["azp"] = "another-client" },
	IDTokenExpired:       func(c map[string]any, now time.Time) { c["exp"] = now.Add(-time.Hour).Unix() },
	IDTokenExpiryMissing: func(c map[string]any, _ time.Time) { delete(c, "exp") },
	IDTokenIssuedInFuture: func(c map[string]any, now time.Time) {
		c["iat"] = now.Add(time.Hour).Unix()
		c["exp"] = now.Add(2 * time.Hour).Unix()
	},
	IDTokenIssuedLongAgo: func(c map[string]any, now time.Time) { c["iat"] = now.AddDate(0, 0, -30).Unix() },
	IDTokenNotYetValid: func(c map[string]any, now time.Time) {
		c["nbf"] = now.Add(time.Hour).Unix()
		c["exp"] = now.Add(2 * time.Hour).Unix()
	},
	IDTokenNonceWrong:       func(c map[string]any, _ time.Time) { c["nonce"] = "another-nonce" },
	IDTokenNonceMissing:     func(c map[string]any, _ time.Time) { delete(c, "nonce") },
	IDTokenACRWrong:         func(c map[string]any, _ time.Time) { c["acr"] = "urn:example:another-acr" },
	IDTokenAuthTimeOld:      func(c map[string]any, now time.Time) { c["auth_time"] = now.AddDate(0, 0, -30).Unix() },
	IDTokenAuthTimeMissing:  func(c map[string]any, _ time.Time) { delete(c, "auth_time") },
	IDTokenAccessTokenOther: func(c map[string]any, _ time.Time) { c["at_hash"] = LeftHalf("RS256", "another access token") },
	IDTokenCodeOther:        func(c map[string]any, _ time.Time) { c["c_hash"] = LeftHalf("RS256", "another code") },
}

func (i *Issuer) spoilClaims(claims map[string]any) map[string]any {
	for fault, spoil := range claimFaults {
		if i.faults.has(fault) {
			spoil(claims, i.Now())
		}
	}
	return claims
}

// signID signs an ID token, or applies a fault of the token itself.
func (i *Issuer) signID(key Key, claims map[string]any) string {
	payload := must(json.Marshal(claims))
	switch {
	case i.faults.has(IDTokenUnreadable):
		return "this-is-not-a-jwt"
	case i.faults.has(IDTokenTyp):
		return key.Sign(claims, map[string]any{"typ": "at+jwt"})
	case i.faults.has(IDTokenCritical):
		return key.Sign(claims, map[string]any{"crit": []string{"urn:example:unknown"}, "urn:example:unknown": true})
	case i.faults.has(IDTokenDuplicateClaim):
		payload = bytes.Replace(payload, []byte(`{`), []byte(`{"sub":"somebody-else",`), 1)
		return key.SignRaw(headerOf(key, nil), payload)
	case i.faults.has(IDTokenSignatureWrong):
		return flipped(key.Sign(claims, nil))
	case i.faults.has(IDTokenKeySwapped):
		return Key{ID: key.ID, Alg: i.config.Algorithm, Private: i.keys.other().Private}.Sign(claims, nil)
	case i.faults.has(IDTokenAlgorithmNone):
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(payload) + "."
	case i.faults.has(IDTokenAlgorithmPublic):
		public := must(json.Marshal(i.keys.current().JWK()))
		return Key{ID: key.ID, Alg: "HS256", Secret: public}.Sign(claims, nil)
	case i.faults.has(IDTokenKeyForeign):
		return i.keys.other().Sign(claims, nil)
	case i.faults.has(IDTokenKeyEmbedded):
		other := i.keys.other()
		return other.Sign(claims, map[string]any{"jwk": other.JWK()})
	}
	return key.Sign(claims, nil)
}

func headerOf(key Key, more map[string]any) []byte {
	return must(json.Marshal(overlay(map[string]any{"alg": key.Alg, "kid": key.ID, "typ": "JWT"}, more)))
}

// flipped returns jwt with the first character of the signature changed.
func flipped(jwt string) string {
	at := strings.LastIndexByte(jwt, '.')
	head, signature := jwt[:at], jwt[at+1:]
	first := "A"
	if signature[0] == 'A' {
		first = "B"
	}
	return head + "." + first + signature[1:]
}
