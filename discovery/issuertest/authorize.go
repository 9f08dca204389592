package issuertest

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// authorize is the authorization endpoint, OpenID Connect Core §3.1.2.
func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		i.showError(w, err)
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	c, q, err := i.readRequest(r, r.Form)
	if err != nil {
		i.showError(w, err)
		return
	}
	if e := i.checkParameters(c, q); e != nil {
		i.respond(w, c, q, failure(e))
		return
	}
	i.decide(w, r, c, q)
}

// decide signs the user in, shows a page, or returns an error to the client.
func (i *Issuer) decide(w http.ResponseWriter, r *http.Request, c *Client, q url.Values) {
	prompt := strings.Fields(q.Get("prompt"))
	s, id := i.session(r)
	user, silent := i.chosen(q, s), slices.Contains(prompt, "none")
	fresh := s == nil || s.user != user || slices.Contains(prompt, "login") || tooOld(s, q, i.Now())
	switch {
	case i.config.Page && silent && fresh:
		i.respond(w, c, q, failure(refuse("login_required", "the user is not signed in at this issuer")))
	case i.config.Page && !silent:
		i.ask(w, c, q)
	default:
		if fresh {
			s, id = i.begin(w, user)
		}
		i.allow(w, c, q, s, id)
	}
}

// chosen returns the user to sign in when no page is shown.
func (i *Issuer) chosen(q url.Values, s *session) *User {
	if u := i.user(q.Get("login_hint")); u != nil {
		return u
	}
	if s != nil {
		return s.user
	}
	return &i.config.Users[0]
}

func tooOld(s *session, q url.Values, now time.Time) bool {
	age, err := time.ParseDuration(q.Get("max_age") + "s")
	return err == nil && now.Sub(s.authTime) >= age
}

// codeLifetime is the maximum that RFC 6749 §4.1.2 recommends.
const codeLifetime = 10 * time.Minute

const sessionCookie = "issuertest_session"

// session returns the browser's session, or nil if it has none.
func (i *Issuer) session(r *http.Request) (*session, string) {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil, ""
	}
	s, ok := i.state.sessions.get(cookie.Value, i.Now())
	if !ok {
		return nil, ""
	}
	return s, cookie.Value
}

// begin starts a session for user in the browser.
func (i *Issuer) begin(w http.ResponseWriter, user *User) (*session, string) {
	s, id := &session{user: user, authTime: i.Now()}, newID()
	i.state.sessions.put(id, s, i.Now().Add(24*time.Hour))
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: id, Path: or(i.path, "/"), HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: strings.HasPrefix(i.URL, "https:"),
	})
	return s, id
}

// allow returns the authorization response to the browser of a signed-in user.
func (i *Issuer) allow(w http.ResponseWriter, c *Client, q url.Values, s *session, id string) {
	g := i.granted(c, q, s.user)
	g.authTime, g.sid = s.authTime, id
	if !slices.Contains(s.clients, c) {
		s.clients = append(s.clients, c)
	}
	answer := url.Values{}
	made := ""
	if strings.Contains(q.Get("response_type"), "code") {
		made = i.secret()
		answer.Set("code", made)
		i.state.codes.put(made, &code{
			grant: g, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"),
			method: q.Get("code_challenge_method"), key: q.Get("dpop_jkt"), used: i.faults.has(CallbackCodeUsed),
		}, i.Now().Add(codeLifetime))
	}
	if strings.Contains(q.Get("response_type"), "id_token") {
		answer.Set("id_token", i.idToken(g, "", made))
	}
	i.respond(w, c, q, answer)
}

// granted returns the grant for a request by user.
func (i *Issuer) granted(c *Client, q url.Values, user *User) *grant {
	g := &grant{
		client: c, user: user, scopes: strings.Fields(q.Get("scope")), audience: q["resource"], nonce: q.Get("nonce"),
		authTime: i.Now(), sid: newID(), acr: user.ACR,
	}
	if first := strings.Fields(q.Get("acr_values")); g.acr == "" && len(first) > 0 {
		g.acr = first[0]
	}
	if g.acr == "" {
		g.acr = essentialACR(q.Get("claims"))
	}
	if details := q.Get("authorization_details"); json.Valid([]byte(details)) {
		g.details = json.RawMessage(details)
	}
	if len(g.audience) == 0 {
		g.audience = i.audienceOf(c)
	}
	return g
}

// essentialACR is the first acr in the claims parameter, OpenID Connect Core §5.5.1.1.
func essentialACR(claims string) string {
	var wanted struct {
		IDToken struct {
			ACR struct {
				Value  string   `json:"value"`
				Values []string `json:"values"`
			} `json:"acr"`
		} `json:"id_token"`
	}
	if json.Unmarshal([]byte(claims), &wanted) != nil {
		return ""
	}
	return append(wanted.IDToken.ACR.Values, wanted.IDToken.ACR.Value)[0]
}

func failure(e *refusal) url.Values {
	return url.Values{"error": {e.code}, "error_description": {e.description}}
}

// respond sends the browser to the client with answer: RFC 6749 §4.1.2, RFC 9207, JARM.
func (i *Issuer) respond(w http.ResponseWriter, c *Client, q, answer url.Values) {
	i.state.pushed.take(q.Get("request_uri"), i.Now())
	answer = maps.Clone(answer)
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	answer.Set("iss", i.URL)
	i.spoilCallback(answer)
	if i.config.Edit.Callback != nil {
		i.config.Edit.Callback(answer)
	}
	mode, signed := i.responseMode(q)
	if signed && !i.faults.has(CallbackResponsePlain) {
		answer = url.Values{"response": {i.jarm(c, answer)}}
	}
	i.deliver(w, mode, i.redirectOf(c, q), answer)
}

// redirectOf returns the redirect URI of a request, or the registered one.
func (i *Issuer) redirectOf(c *Client, q url.Values) string {
	if redirect := q.Get("redirect_uri"); redirect != "" || len(c.RedirectURLs) == 0 {
		return redirect
	}
	return c.RedirectURLs[0]
}

func (i *Issuer) spoilCallback(answer url.Values) {
	for fault, spoil := range map[Fault]func(){
		CallbackStateWrong:    func() { answer.Set("state", "another-state") },
		CallbackStateMissing:  func() { answer.Del("state") },
		CallbackIssuerForeign: func() { answer.Set("iss", foreignIssuer) },
		CallbackIssuerMissing: func() { answer.Del("iss") },
		CallbackCodeMissing:   func() { answer.Del("code") },
		CallbackCodeTwice:     func() { answer.Add("code", i.secret()) },
		CallbackDenied:        func() { answer.Del("code"); answer.Set("error", "access_denied") },
		CallbackServerError:   func() { answer.Del("code"); answer.Set("error", "server_error") },
	} {
		if i.faults.has(fault) {
			spoil()
		}
	}
}

// responseMode returns the mode without "jwt", and whether the response is signed.
func (i *Issuer) responseMode(q url.Values) (mode string, signed bool) {
	mode = q.Get("response_mode")
	if mode == "jwt" {
		mode, signed = "", true
	}
	if before, ok := strings.CutSuffix(mode, ".jwt"); ok {
		mode, signed = before, true
	}
	if mode == "" {
		mode = "query"
		if strings.Contains(q.Get("response_type"), "id_token") {
			mode = "fragment"
		}
	}
	return mode, signed
}

// jarm encodes a response as a JWT, JARM §2.1.
func (i *Issuer) jarm(c *Client, answer url.Values) string {
	claims := map[string]any{"iss": i.URL, "aud": c.ID, "exp": i.Now().Add(10 * time.Minute).Unix()}
	for name := range answer {
		if name != "iss" {
			claims[name] = answer.Get(name)
		}
	}
	key := i.keys.current()
	switch {
	case i.faults.has(CallbackResponseIssuer):
		claims["iss"] = foreignIssuer
	case i.faults.has(CallbackResponseClient):
		claims["aud"] = "another-client"
	case i.faults.has(CallbackResponseOld):
		claims["exp"] = i.Now().Add(-time.Hour).Unix()
	case i.faults.has(CallbackResponseKey):
		key = Key{ID: key.ID, Alg: key.Alg, Private: i.keys.other().Private}
	}
	return encryptTo(c, c.ResponseEncryptionAlg, c.ResponseEncryptionEnc, key.Sign(claims, nil))
}

func (i *Issuer) deliver(w http.ResponseWriter, mode, redirect string, answer url.Values) {
	if mode == "form_post" {
		i.showPage(w, http.StatusOK, formPost, map[string]any{"To": redirect, "Values": answer})
		return
	}
	separator := map[string]string{"query": "?", "fragment": "#"}[mode]
	if separator == "?" && strings.Contains(redirect, "?") {
		separator = "&"
	}
	w.Header().Set("Location", redirect+separator+answer.Encode())
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusSeeOther)
}

var formPost = newPage(`Signing in`, `<form method="post" action="{{.To}}">{{range $name, $values := .Values}}{{range $values}}
<input type="hidden" name="{{$name}}" value="{{.}}">{{end}}{{end}}
<noscript><button>Continue</button></noscript></form><script>document.forms[0].submit()</script>`)

// showError shows the developer an error that must not be sent in a redirect.
func (i *Issuer) showError(w http.ResponseWriter, err error) {
	e := refuse("invalid_request", err.Error())
	errors.As(err, &e)
	i.showPage(w, http.StatusBadRequest, errorPage, e.Error())
}
