package issuertest

import (
	"net/http"
	"strings"
)

// active reports whether an access token is valid. The caller holds i.mu.
func (i *Issuer) active(a *access) bool {
	return !a.revoked && !a.grant.revoked && i.Now().Before(a.expires)
}

// bearer returns the access token of a request and its record. The caller holds i.mu.
func (i *Issuer) bearer(w http.ResponseWriter, r *http.Request) (*access, *refusal) {
	scheme, raw, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok && r.Method == http.MethodPost {
		scheme, raw = "Bearer", r.PostFormValue("access_token")
	}
	a, known := i.state.access.get(raw, i.Now())
	_, bound := a.bound()
	switch {
	case raw == "" || !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP"):
		return nil, refuse("invalid_token", "the request has no access token")
	case !known || !i.active(a):
		return nil, refuse("invalid_token", "the access token is unknown, expired or revoked")
	case bound != strings.EqualFold(scheme, "DPoP"):
		return nil, refuse("invalid_token", "the scheme must be DPoP for a token that is bound to a key, and Bearer for others")
	}
	return a, i.holds(w, r, raw, a.cnf)
}

func (a *access) bound() (any, bool) {
	if a == nil {
		return nil, false
	}
	jkt, ok := a.cnf["jkt"]
	return jkt, ok
}

// userinfo is the UserInfo endpoint, OpenID Connect Core §5.3.
func (i *Issuer) userinfo(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	a, e := i.bearer(w, r)
	if e == nil && (a.grant.user == nil || !a.grant.has("openid")) {
		e = &refusal{http.StatusForbidden, "insufficient_scope", "the token was issued without the scope openid"}
	}
	if e != nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="`+e.code+`", error_description="`+e.description+`"`)
		if e.code == "use_dpop_nonce" || a != nil && a.cnf["jkt"] != nil {
			w.Header().Set("WWW-Authenticate", `DPoP error="`+e.code+`", error_description="`+e.description+`"`)
			e.status = http.StatusUnauthorized
		}
		answerJSON(w, e.status, map[string]string{"error": e.code})
		return
	}
	claims := overlay(userClaims(a.grant), map[string]any{"sub": a.grant.user.Subject})
	if i.faults.has(UserInfoOtherUser) {
		claims["sub"] = i.someoneElse(a.grant.user.Subject)
	}
	if i.faults.has(UserInfoSubjectMissing) {
		delete(claims, "sub")
	}
	edited(i.config.Edit.UserInfo, claims)
	if !a.grant.client.SignedUserInfo {
		answerJSON(w, http.StatusOK, claims)
		return
	}
	claims["iss"], claims["aud"] = i.URL, a.grant.client.ID
	w.Header().Set("Content-Type", contentJWT)
	c := a.grant.client
	w.Write([]byte(encryptTo(c, c.UserInfoEncryptionAlg, c.UserInfoEncryptionEnc, i.keys.current().Sign(claims, nil))))
}

// introspect is the endpoint of RFC 7662. It signs answers as in RFC 9701.
func (i *Issuer) introspect(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, e := i.authenticate(r)
	if e == nil && c.public() {
		e = refuse("invalid_client", "introspection needs a client that authenticates")
	}
	if e != nil {
		e.answer(w)
		return
	}
	answer := edited(i.config.Edit.Introspection, i.introspected(r.PostForm.Get("token")))
	if !strings.Contains(r.Header.Get("Accept"), contentSignedIntrospection) {
		answerJSON(w, http.StatusOK, answer)
		return
	}
	w.Header().Set("Content-Type", contentSignedIntrospection)
	w.Write([]byte(i.keys.current().Sign(
		map[string]any{"iss": i.URL, "aud": c.ID, "iat": i.Now().Unix(), "token_introspection": answer},
		map[string]any{"typ": "token-introspection+jwt"})))
}

func (i *Issuer) introspected(raw string) map[string]any {
	if old, ok := i.state.refresh.get(raw, i.Now()); ok && !old.used && !old.grant.revoked {
		return map[string]any{"active": true, "iss": i.URL, "sub": old.grant.subject(), "client_id": old.grant.client.ID,
			"scope": strings.Join(old.grant.scopes, " ")}
	}
	a, ok := i.state.access.get(raw, i.Now())
	expired := ok && i.faults.has(AccessTokenExpired) // the response must show it
	if !ok || i.faults.has(IntrospectionInactive) || !i.active(a) && !expired {
		return map[string]any{"active": false}
	}
	answer := overlay(i.claimsOf(a), map[string]any{"active": true, "token_type": "Bearer"})
	if _, bound := a.bound(); bound {
		answer["token_type"] = "DPoP"
	}
	if i.faults.has(IntrospectionActiveText) {
		answer["active"] = "true"
	}
	return answer
}

// revoke is the endpoint of RFC 7009. A refresh token ends all tokens of its login (§2.1).
func (i *Issuer) revoke(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, e := i.authenticate(r)
	if e != nil {
		e.answer(w)
		return
	}
	raw := r.PostForm.Get("token")
	if a, ok := i.state.access.get(raw, i.Now()); ok && a.grant.client == c {
		a.revoked = true
	}
	if old, ok := i.state.refresh.get(raw, i.Now()); ok && old.grant.client == c {
		old.grant.revoked = true
	}
	w.WriteHeader(http.StatusOK)
}

// RevokeAll revokes all tokens that were issued so far, as an administrator does.
func (i *Issuer) RevokeAll() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, e := range i.state.access.values {
		e.value.grant.revoked = true
	}
	for _, e := range i.state.refresh.values {
		e.value.grant.revoked = true
	}
}

// Forget removes everything that the issuer remembers: codes, tokens, sessions, logins under
// way and exchanges. Clients, users and keys stay.
func (i *Issuer) Forget() {
	i.mu.Lock()
	i.state = state{clients: i.state.clients, dpopNonce: i.state.dpopNonce}
	i.mu.Unlock()
	i.log.forget()
}
