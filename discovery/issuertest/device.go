package issuertest

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"
)

const pollLifetime = 10 * time.Minute

// device is the device authorization endpoint, RFC 8628 §3.1.
func (i *Issuer) device(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	c, e := i.authenticate(r)
	if e == nil {
		e = c.allowed(strings.Fields(r.PostForm.Get("scope")))
	}
	if e != nil {
		e.answer(w)
		return
	}
	user := newUserCode()
	deviceCode, page := i.secret(), i.URL+string(DevicePage)
	answer := edited(i.config.Edit.Device, map[string]any{
		"device_code": deviceCode, "user_code": user, "verification_uri": page,
		"verification_uri_complete": page + "?user_code=" + user, "expires_in": int(pollLifetime / time.Second),
		"interval": int(i.config.PollInterval / time.Second),
	})
	deviceCode, _ = answer["device_code"].(string)
	user, _ = answer["user_code"].(string)
	i.state.polls.put(deviceCode, &polled{client: c, request: r.PostForm, userCode: user}, i.Now().Add(pollLifetime))
	answerJSON(w, http.StatusOK, answer)
}

func newUserCode() string {
	letters := rand.Text()
	return letters[:4] + "-" + letters[4:8]
}

// poll responds to a device or a client that asks whether the user has decided.
func (i *Issuer) poll(t *tokenRequest, id string) (map[string]any, *refusal) {
	p, ok := i.state.polls.get(id, i.Now())
	switch {
	case ok && p.client != t.client:
		return nil, refuse("invalid_grant", "this is the login of another client")
	case !ok || i.faults.has(PollExpired):
		return nil, refuse("expired_token", "the login is unknown, or it has expired")
	case i.faults.take(PollSlowDown):
		return nil, refuse("slow_down", "ask five seconds less often")
	case p.denied:
		return nil, refuse("access_denied", "the user denied the login")
	case p.grant == nil || i.faults.has(PollPending):
		return nil, refuse("authorization_pending", "the user has not decided yet")
	}
	i.state.polls.take(id, i.Now())
	return i.issue(t, p.grant, p.grant.scopes, true)
}

func (i *Issuer) pollDevice(t *tokenRequest) (map[string]any, *refusal) {
	return i.poll(t, t.form("device_code"))
}

// Approve acts as a user who allows a device or CIBA login. code is the user code that the
// device shows, or the auth_req_id. Subject "" means the first user. An error says that the
// code or the subject is unknown.
func (i *Issuer) Approve(code, subject string) error { return i.decided(code, subject, true) }

// Deny acts as a user who denies a device or CIBA login. An error says that the code is
// unknown.
func (i *Issuer) Deny(code string) error { return i.decided(code, "", false) }

func (i *Issuer) decided(code, subject string, allowed bool) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	user := i.user(or(subject, i.config.Users[0].Subject))
	id, p := i.pollOf(code)
	if p == nil || user == nil {
		return fmt.Errorf("issuertest: no login with the code, or no user %q", subject)
	}
	p.denied = !allowed
	if allowed {
		p.grant = i.granted(p.client, p.request, user)
	}
	i.ping(id, p)
	return nil
}

func (i *Issuer) pollOf(code string) (string, *polled) {
	now := i.Now()
	for id := range i.state.polls.values {
		if p, ok := i.state.polls.get(id, now); ok && (id == code || p.userCode == code && code != "") {
			return id, p
		}
	}
	return "", nil
}

var devicePage = newPage(`Sign in on a device`, `{{with .Wrong}}<p role="alert">`+wrongSign+`{{.}}</p>{{end}}
<form method="post">{{if .Client}}<p>{{if .CIBA}}The application shows {{with .Message}}<strong>{{.}}</strong>{{else}}no message{{end}}.{{else}}The device shows the code <strong>{{.Code}}</strong>.{{end}} {{if .Scopes}}If you allow it, <strong>{{.Client}}</strong> can:</p>
<ul>{{range .Scopes}}<li>{{.Text}} <small>Scope <code>{{.Name}}</code></small></li>{{end}}</ul>{{else}}<strong>{{.Client}}</strong> asks for no scope.</p>{{end}}
<input type="hidden" name="user_code" value="{{.Code}}">
{{range .Users}}<button name="user" value="{{.Subject}}" class="user">Allow as {{.Name}} <small>Account {{.Subject}}</small></button>
{{end}}<button name="action" value="cancel" class="quiet">Deny</button>
{{else}}<p><label for="user_code">The code that the device shows</label>
<input id="user_code" name="user_code" autocapitalize="characters" autocomplete="off" required></p><button>Continue</button>{{end}}</form>`)

// devicePage is the verification URI, RFC 8628 §3.3. It requires the code and then shows which
// client requests access. Without Config.Page, a code in the query is approved at once.
func (i *Issuer) devicePage(w http.ResponseWriter, r *http.Request) {
	code := strings.ToUpper(strings.TrimSpace(r.FormValue("user_code")))
	subject, denied := r.FormValue("user"), r.FormValue("action") == "cancel"
	if code == "" || i.config.Page && subject == "" && !denied {
		i.showDevice(w, code)
		return
	}
	decide, said := i.Deny, "The device is not signed in"
	if !denied {
		decide, said = func(code string) error { return i.Approve(code, subject) }, "The device is signed in"
	}
	if r.Method != http.MethodPost && i.config.Page || decide(code) != nil {
		i.showDevice(w, "?")
		return
	}
	i.showPage(w, http.StatusOK, donePage, said)
}

// showDevice shows the form for the code, or for the user if a device waits with the code.
func (i *Issuer) showDevice(w http.ResponseWriter, code string) {
	i.mu.Lock()
	_, p := i.pollOf(code)
	i.mu.Unlock()
	data, status := map[string]any{"Code": code, "Users": i.choices()}, http.StatusOK
	switch {
	case p != nil:
		data["Client"], data["Scopes"] = p.client.name(), i.wishes(p.request.Get("scope"))
		if p.asked != nil {
			data["CIBA"], data["Message"], data["Users"] = true, p.request.Get("binding_message"), []choice{{p.asked.name(), p.asked.Subject}}
		}
	case code != "":
		data["Wrong"], status = "No device waits with this code.", http.StatusBadRequest
	}
	i.showPage(w, status, devicePage, data)
}
