package issuertest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

var logoutPage = newPage(`Sign out`, `<p>Do you want to sign out?</p>
<form method="post">{{range $name, $values := .Values}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<button name="confirmed" value="yes">Sign out</button></form>`)

var signedOutPage = newPage(`You are signed out`, `{{range .Frames}}<iframe src="{{.}}" title="Signing out" width="1" height="1"></iframe>
{{end}}<p>{{with .Next}}<a href="{{.}}">Back to the application</a>{{else}}You can close this page.{{end}}</p>`)

// endSession is the endpoint of OpenID Connect RP-Initiated Logout 1.0. It ends the browser's
// session, sends logout tokens, and shows the front-channel logout frames, if there are any.
func (i *Issuer) endSession(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		i.showError(w, err)
		return
	}
	if i.config.Page && r.Form.Get("id_token_hint") == "" && r.Form.Get("confirmed") == "" {
		i.showPage(w, http.StatusOK, logoutPage, map[string]any{"Values": r.Form})
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	c, sid, err := i.leaving(r)
	next := ""
	if err == nil {
		next, err = afterLogout(c, r.Form)
	}
	if err != nil {
		i.showError(w, err)
		return
	}
	frames := i.end(sid)
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: or(i.path, "/"), MaxAge: -1})
	if next == "" || len(frames) > 0 {
		i.showPage(w, http.StatusOK, signedOutPage, map[string]any{"Frames": frames, "Next": next})
		return
	}
	w.Header().Set("Location", next)
	w.WriteHeader(http.StatusSeeOther)
}

// leaving returns the client and the session of a logout request.
func (i *Issuer) leaving(r *http.Request) (*Client, string, error) {
	_, sid := i.session(r)
	c := i.state.client(r.Form.Get("client_id"))
	hint := r.Form.Get("id_token_hint")
	if hint == "" {
		return c, sid, nil
	}
	g := i.issuedID(hint)
	if g == nil || c != nil && g.client != c {
		return nil, "", errors.New("id_token_hint is not an ID token of this issuer for the client")
	}
	return g.client, or(g.sid, sid), nil
}

// afterLogout returns the URL that the browser is redirected to, with state.
func afterLogout(c *Client, q url.Values) (string, error) {
	next := q.Get("post_logout_redirect_uri")
	if next == "" {
		return "", nil
	}
	if c == nil {
		return "", errors.New("post_logout_redirect_uri needs client_id or id_token_hint")
	}
	if len(c.PostLogoutRedirectURLs) > 0 && !slices.Contains(c.PostLogoutRedirectURLs, next) {
		return "", errors.New("post_logout_redirect_uri is not registered for the client " + c.ID)
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme == "" {
		return "", errors.New("post_logout_redirect_uri is not an absolute URL")
	}
	if state := q.Get("state"); state != "" {
		values := u.Query()
		values.Set("state", state)
		u.RawQuery = values.Encode()
	}
	return u.String(), nil
}

// end ends a session and returns the front-channel logout URLs. The logout tokens are sent in
// the background.
func (i *Issuer) end(sid string) (frames []string) {
	s, ok := i.state.sessions.take(sid, i.Now())
	if !ok {
		return nil
	}
	for _, c := range s.clients {
		if c.FrontChannelLogoutURL != "" {
			frames = append(frames, i.frame(c, sid))
		}
		if c.BackChannelLogoutURL != "" {
			raw := i.logoutToken(c, s.user.Subject, sid)
			i.background(func() { i.sendLogout(context.Background(), c, raw) })
		}
	}
	return frames
}

// frame is the front-channel logout URL of a client, OpenID Connect Front-Channel Logout §3.
func (i *Issuer) frame(c *Client, sid string) string {
	separator := "?"
	if strings.Contains(c.FrontChannelLogoutURL, "?") {
		separator = "&"
	}
	return c.FrontChannelLogoutURL + separator + url.Values{"iss": {i.URL}, "sid": {sid}}.Encode()
}

// FrontChannelLogoutURL returns the URL that a browser loads in a frame to end the session
// sid at a client. It is "" if the client registered no URL.
func (i *Issuer) FrontChannelLogoutURL(clientID, sid string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.state.client(clientID)
	if c == nil || c.FrontChannelLogoutURL == "" {
		return ""
	}
	return i.frame(c, sid)
}

// LogoutToken issues a logout token, OpenID Connect Back-Channel Logout §2.4. Subject or sid
// may be "", but not both. It panics if the client is unknown.
func (i *Issuer) LogoutToken(clientID, subject, sid string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	c := i.state.client(clientID)
	if c == nil {
		panic("issuertest: no client " + clientID)
	}
	return i.logoutToken(c, subject, sid)
}

func (i *Issuer) logoutToken(c *Client, subject, sid string) string {
	now, key := i.Now(), i.idTokenKey(c)
	claims := map[string]any{
		"iss": i.URL, "aud": c.ID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": newID(),
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	for name, value := range map[string]string{"sub": subject, "sid": sid} {
		if value != "" {
			claims[name] = value
		}
	}
	for fault, change := range map[Fault]map[string]any{
		LogoutTokenNonce: {"nonce": "a-nonce"}, LogoutTokenExpired: {"exp": now.Add(-time.Hour).Unix()},
		LogoutTokenAudience: {"aud": "another-client"}, LogoutTokenEvents: {"events": nil},
	} {
		if i.faults.has(fault) {
			overlay(claims, change)
		}
	}
	if i.faults.has(LogoutTokenKeySwapped) {
		key = Key{ID: key.ID, Alg: i.config.Algorithm, Private: i.keys.other().Private}
	}
	return key.Sign(claims, map[string]any{"typ": "logout+jwt"})
}

// SendLogout sends a logout token to the client's BackChannelLogoutURL and returns the status
// of its response. The client must accept the token with 200 or 204 (OpenID Connect Back-Channel
// Logout 1.0 §2.8). An error says that the client is unknown, has no such URL, or did not answer.
func (i *Issuer) SendLogout(ctx context.Context, clientID, subject, sid string) (status int, err error) {
	raw := i.LogoutToken(clientID, subject, sid)
	i.mu.Lock()
	c := i.state.client(clientID)
	i.mu.Unlock()
	if c.BackChannelLogoutURL == "" {
		return 0, fmt.Errorf("issuertest: the client %s has no BackChannelLogoutURL", clientID)
	}
	if status = i.sendLogout(ctx, c, raw); status == 0 {
		return 0, fmt.Errorf("issuertest: no response from %s", c.BackChannelLogoutURL)
	}
	return status, nil
}

func (i *Issuer) sendLogout(ctx context.Context, c *Client, raw string) int {
	body := strings.NewReader(url.Values{"logout_token": {raw}}.Encode())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.BackChannelLogoutURL, body)
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return i.call(r)
}
