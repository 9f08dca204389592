package issuertest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// tokenRequest is a token request of an authenticated client.
type tokenRequest struct {
	r      *http.Request
	client *Client
	cnf    map[string]any
}

func (t *tokenRequest) form(name string) string { return t.r.PostForm.Get(name) }

// grants are the handlers of the grant types. They are called under i.mu.
var grants = map[string]func(*Issuer, *tokenRequest) (map[string]any, *refusal){
	grantCode: (*Issuer).redeem, grantRefresh: (*Issuer).renew, grantClient: (*Issuer).clientCredentials,
	grantJWT: (*Issuer).jwtBearer, grantExchange: (*Issuer).tokenExchange, grantDevice: (*Issuer).pollDevice,
	grantCIBA: (*Issuer).pollBackchannel,
}

// token is the token endpoint, RFC 6749 §3.2.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	answer, e := i.tokens(w, r)
	if e != nil {
		if i.faults.has(TokenErrorWithStatusOK) {
			e.status = http.StatusOK
		}
		e.answer(w)
		return
	}
	i.spoilTokens(edited(i.config.Edit.Token, answer))
	if !i.faults.has(TokenDuplicateMember) {
		answerJSON(w, http.StatusOK, answer)
		return
	}
	body := must(json.Marshal(answer))
	answerRaw(w, bytes.Replace(body, []byte(`{`), []byte(`{"access_token":"another","access_token":"one-more",`), 1))
}

func answerRaw(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", contentJSON)
	w.Header().Set("Cache-Control", "no-store")
	w.Write(body)
}

func (i *Issuer) tokens(w http.ResponseWriter, r *http.Request) (map[string]any, *refusal) {
	c, e := i.authenticate(r)
	if e != nil {
		return nil, e
	}
	if i.faults.has(TokenErrorWithStatusOK) {
		return nil, refuse("invalid_grant", "an error with the status of a success")
	}
	cnf, e := i.confirmation(w, r, c)
	if e != nil {
		return nil, e
	}
	handle := i.grantType(r.PostForm.Get("grant_type"))
	if handle == nil {
		return nil, refuse("unsupported_grant_type", "the grant type is not supported")
	}
	return handle(i, &tokenRequest{r, c, cnf})
}

func (i *Issuer) grantType(name string) func(*Issuer, *tokenRequest) (map[string]any, *refusal) {
	if own := i.config.Grants[name]; own != nil {
		return extension(own)
	}
	return grants[name]
}

func (i *Issuer) spoilTokens(answer map[string]any) {
	switch {
	case i.faults.has(TokenTypeMissing):
		delete(answer, "token_type")
	case i.faults.has(TokenTypeUnknown):
		answer["token_type"] = "mac"
	case i.faults.has(TokenTypeBearer):
		answer["token_type"] = "Bearer"
	}
	if i.faults.has(TokenAccessMissing) {
		delete(answer, "access_token")
	}
	if i.faults.has(TokenIDMissing) {
		delete(answer, "id_token")
	}
}

// redeem is the authorization code grant, RFC 6749 §4.1.3. If a code is used again, the
// tokens that it issued are revoked (§4.1.2).
func (i *Issuer) redeem(t *tokenRequest) (map[string]any, *refusal) {
	c, ok := i.state.codes.get(t.form("code"), i.Now())
	switch {
	case !ok || c.grant.client != t.client:
		return nil, refuse("invalid_grant", "the code is unknown, expired, or another client's")
	case c.used:
		c.grant.revoked = true
		return nil, refuse("invalid_grant", "the code was used before")
	case c.redirect != t.form("redirect_uri"):
		return nil, refuse("invalid_grant", "redirect_uri is not that of the authorization request")
	case !c.verifies(t.form("code_verifier")):
		return nil, refuse("invalid_grant", "code_verifier does not fit code_challenge (RFC 7636)")
	case c.key != "" && c.key != t.cnf["jkt"]:
		return nil, refuse("invalid_grant", "the DPoP key is not that of the authorization request (RFC 9449 §10)")
	}
	c.used = true
	return i.issue(t, c.grant, c.grant.scopes, true)
}

func (c *code) verifies(verifier string) bool {
	switch {
	case c.challenge == "":
		return verifier == ""
	case c.method == "S256":
		sum := sha256.Sum256([]byte(verifier))
		return encode(sum[:]) == c.challenge
	}
	return verifier == c.challenge
}

// issue responds with the tokens of a grant.
func (i *Issuer) issue(t *tokenRequest, g *grant, scopes []string, renewable bool) (map[string]any, *refusal) {
	audience := g.audience
	if resources := t.r.PostForm["resource"]; len(resources) > 0 {
		if e := t.client.allowedResources(resources); e != nil {
			return nil, e
		}
		audience = resources
	}
	if len(audience) == 0 {
		audience = i.audienceOf(g.client)
	}
	a := &access{grant: g, scopes: scopes, audience: audience, cnf: t.cnf}
	raw := i.mint(a)
	answer := map[string]any{
		"access_token": raw, "token_type": "Bearer", "expires_in": int(i.config.Lifetime / time.Second),
	}
	if _, ok := t.cnf["jkt"]; ok {
		answer["token_type"] = "DPoP"
	}
	if len(scopes) > 0 {
		answer["scope"] = strings.Join(scopes, " ")
	}
	if g.details != nil {
		answer["authorization_details"] = g.details
	}
	if g.user != nil && g.has("openid") {
		answer["id_token"] = i.idToken(g, raw, "")
	}
	if renewable {
		answer["refresh_token"] = i.refreshToken(t, g)
	}
	return answer, nil
}

func (i *Issuer) refreshToken(t *tokenRequest, g *grant) string {
	fresh := &refresh{grant: g}
	if t.client.public() {
		fresh.cnf = t.cnf // RFC 9449 §5, RFC 8705 §4
	}
	raw := i.secret()
	i.state.refresh.put(raw, fresh, i.Now().Add(24*time.Hour))
	return raw
}

// renew is the refresh token grant, RFC 6749 §6. Every refresh token can be used once. A
// second use revokes all tokens of the grant (RFC 9700 §4.14.2).
func (i *Issuer) renew(t *tokenRequest) (map[string]any, *refusal) {
	old, ok := i.state.refresh.get(t.form("refresh_token"), i.Now())
	switch {
	case !ok || old.grant.client != t.client || old.grant.revoked:
		return nil, refuse("invalid_grant", "the refresh token is unknown, expired, revoked, or another client's")
	case old.used:
		old.grant.revoked = true
		return nil, refuse("invalid_grant", "the refresh token was used before: all tokens of this login are revoked")
	case old.cnf["jkt"] != nil && old.cnf["jkt"] != t.cnf["jkt"]:
		return nil, refuse("invalid_grant", "the refresh token is bound to another key")
	}
	scopes := old.grant.scopes
	if asked := strings.Fields(t.form("scope")); len(asked) > 0 {
		scopes = asked
	}
	for _, s := range scopes {
		if !old.grant.has(s) {
			return nil, refuse("invalid_scope", "the scope "+s+" was not granted")
		}
	}
	old.used = !t.client.KeepRefreshTokens
	g := old.grant
	g.nonce = "" // OpenID Connect Core §12.2
	if i.faults.has(RefreshOtherUser) && g.user != nil {
		other := *g
		other.user = &User{Subject: i.someoneElse(g.user.Subject)}
		g = &other
	}
	answer, e := i.issue(t, g, scopes, !t.client.KeepRefreshTokens)
	if e == nil && t.client.KeepRefreshTokens {
		answer["refresh_token"] = t.form("refresh_token")
	}
	return answer, e
}
