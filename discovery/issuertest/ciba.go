package issuertest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// backchannel is the endpoint of OpenID Connect CIBA §7. Without Config.Page, the user in
// login_hint allows the login at once. With it, the user decides on the page that Config.Ask receives.
func (i *Issuer) backchannel(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, e := i.authenticate(r)
	if e == nil && c.public() {
		e = refuse("unauthorized_client", "CIBA is for confidential clients")
	}
	if e != nil {
		e.answer(w)
		return
	}
	q, err := i.unpack(r, c, r.PostForm)
	if err != nil {
		err.(*refusal).answer(w)
		return
	}
	user, e := i.hinted(c, q)
	if e != nil {
		e.answer(w)
		return
	}
	p := &polled{client: c, request: q, notify: q.Get("client_notification_token"), asked: user, userCode: newUserCode()}
	answer := edited(i.config.Edit.Backchannel, map[string]any{
		"auth_req_id": i.secret(), "expires_in": int(pollLifetime / time.Second), "interval": int(i.config.PollInterval / time.Second),
	})
	id, _ := answer["auth_req_id"].(string)
	i.state.polls.put(id, p, i.Now().Add(pollLifetime))
	answerJSON(w, http.StatusOK, answer)
	if !i.config.Page && !i.faults.has(PollPending) {
		p.grant = i.granted(c, q, user)
		i.ping(id, p)
	}
	if i.config.Page && i.config.Ask != nil {
		i.background(func() { i.config.Ask(user.Subject, i.URL+string(DevicePage)+"?user_code="+p.userCode) })
	}
}

func (i *Issuer) hinted(c *Client, q url.Values) (*User, *refusal) {
	if e := c.allowed(strings.Fields(q.Get("scope"))); e != nil {
		return nil, e
	}
	if hint := q.Get("id_token_hint"); hint != "" {
		if g := i.issuedID(hint); g != nil {
			return g.user, nil
		}
		return nil, refuse("invalid_request", "id_token_hint is not an ID token of this issuer")
	}
	hint := or(q.Get("login_hint"), q.Get("login_hint_token"))
	for n := range i.config.Users {
		if u := &i.config.Users[n]; hint != "" && (u.Subject == hint || u.Claims["email"] == hint) {
			return u, nil
		}
	}
	return nil, refuse("unknown_user_id", "login_hint must be the subject or the email address of a user")
}

func (i *Issuer) pollBackchannel(t *tokenRequest) (map[string]any, *refusal) {
	return i.poll(t, t.form("auth_req_id"))
}

// ping notifies the client that the user has decided, CIBA §10.2.
func (i *Issuer) ping(id string, p *polled) {
	if p.client.NotificationURL == "" || p.notify == "" {
		return
	}
	body := must(json.Marshal(map[string]string{"auth_req_id": id}))
	r, err := http.NewRequest(http.MethodPost, p.client.NotificationURL, bytes.NewReader(body))
	if err != nil {
		return
	}
	r.Header.Set("Content-Type", contentJSON)
	r.Header.Set("Authorization", "Bearer "+p.notify)
	i.background(func() { i.call(r) })
}

// background runs f in a goroutine that Close waits for.
func (i *Issuer) background(f func()) { i.served.Go(f) }

// call sends a request to an application under test and returns the status, or 0 if there was
// no response.
func (i *Issuer) call(r *http.Request) int {
	resp, err := i.config.HTTP.Do(r)
	if err != nil {
		return 0
	}
	resp.Body.Close()
	return resp.StatusCode
}
