package fositeserver

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ory/fosite"
)

// The device authorization grant, RFC 8628, which fosite does not implement.
const (
	grantDevice    = "urn:ietf:params:oauth:grant-type:device_code"
	deviceLifetime = 5 * time.Minute
	deviceInterval = time.Second
	maxDevices     = 1000
	maxWrongCodes  = 50 // per lifetime of a code; there are 20^8 codes, RFC 8628 §5.1
)

// device is a login on a device. All fields except client and scopes are guarded by the lock
// of devices.
type device struct {
	client   fosite.Client
	scopes   []string
	userCode string
	until    time.Time
	asked    time.Time // time of the device's last poll
	denied   bool
	wrong    int      // wrong passwords
	session  *session // of the user who allowed it, or nil
}

// devices holds the logins in progress, by device code.
type devices struct {
	mu     sync.Mutex
	byCode map[string]*device
	wrong  int // unknown user codes
	since  time.Time
}

func (d *devices) put(one *device) (deviceCode string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for code, old := range d.byCode {
		if time.Now().After(old.until.Add(deviceLifetime)) { // kept longer than its lifetime, to respond with expired_token
			delete(d.byCode, code)
		}
	}
	if len(d.byCode) >= maxDevices {
		return "", errors.New("too many devices")
	}
	if d.byCode == nil {
		d.byCode = map[string]*device{}
	}
	deviceCode = rand.Text() + rand.Text()
	d.byCode[deviceCode] = one
	return deviceCode, nil
}

// byUserCode returns a login that no user has decided about yet. After many unknown codes
// someone is guessing, and it returns none for a while.
func (d *devices) byUserCode(userCode string) *device {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	if now.Sub(d.since) > deviceLifetime {
		d.since, d.wrong = now, 0
	}
	if d.wrong >= maxWrongCodes {
		return nil
	}
	for _, one := range d.byCode {
		if one.userCode == userCode && now.Before(one.until) && !one.denied && one.session == nil {
			return one
		}
	}
	d.wrong++
	return nil
}

// decide stores the user's decision. A nil session means that the user denied the login.
func (d *devices) decide(one *device, s *session) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one.session, one.denied = s, s == nil
}

// oneMore counts a wrong password. After too many, the login is denied.
func (d *devices) oneMore(one *device) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	one.wrong++
	one.denied = one.denied || one.wrong >= maxPasswords
	return !one.denied
}

// redeem returns the state of a device's login (RFC 8628 §3.5). It returns the session once.
func (d *devices) redeem(deviceCode, clientID string) (*device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	one := d.byCode[deviceCode]
	if one == nil || one.client.GetID() != clientID {
		return nil, fosite.ErrInvalidGrant
	}
	early := time.Since(one.asked) < deviceInterval/2
	one.asked = time.Now()
	switch {
	case one.denied:
		delete(d.byCode, deviceCode)
		return nil, fosite.ErrAccessDenied
	case time.Now().After(one.until):
		delete(d.byCode, deviceCode)
		return nil, deviceError("expired_token")
	case one.session != nil:
		delete(d.byCode, deviceCode)
		return one, nil
	case early:
		return nil, deviceError("slow_down")
	}
	return nil, deviceError("authorization_pending")
}

func deviceError(code string) *fosite.RFC6749Error {
	return &fosite.RFC6749Error{ErrorField: code, DescriptionField: "See RFC 8628, section 3.5.", CodeField: http.StatusBadRequest}
}

// newUserCode generates a code without vowels, so that it is not a word, and without letters
// that look alike.
func newUserCode() string {
	const letters = "BCDFGHJKLMNPQRSTVWXZ"
	var b strings.Builder
	for b.Len() < 9 {
		if b.Len() == 4 {
			b.WriteByte('-')
		}
		var one [1]byte
		if rand.Read(one[:]); one[0] < 240 { // a multiple of 20
			b.WriteByte(letters[one[0]%20])
		}
	}
	return b.String()
}

// cleanUserCode normalizes a code that a user typed.
func cleanUserCode(s string) string {
	s = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(s) != 8 {
		return ""
	}
	return s[:4] + "-" + s[4:]
}

// deviceAuthorization is the endpoint of RFC 8628 §3.1.
func (s *Server) deviceAuthorization(w http.ResponseWriter, r *http.Request) {
	answer, err := s.beginDevice(r)
	if err != nil {
		s.logRefusal(r, err)
		s.provider.WriteAccessError(r.Context(), w, fosite.NewAccessRequest(blank()), err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, answer)
}

func (s *Server) beginDevice(r *http.Request) (map[string]any, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fosite.ErrInvalidRequest
	}
	c, err := s.provider.AuthenticateClient(r.Context(), r, r.PostForm)
	if err != nil {
		return nil, err
	}
	if !c.GetGrantTypes().Has(grantDevice) {
		return nil, fosite.ErrUnauthorizedClient
	}
	scopes := strings.Fields(r.PostForm.Get("scope"))
	for _, scope := range scopes {
		if !slices.Contains(c.GetScopes(), scope) {
			return nil, fosite.ErrInvalidScope
		}
	}
	one := &device{client: c, scopes: scopes, userCode: newUserCode(), until: time.Now().Add(deviceLifetime)}
	code, err := s.devices.put(one)
	if err != nil {
		return nil, fosite.ErrTemporarilyUnavailable
	}
	at := s.config.Issuer + activatePath
	return map[string]any{
		"device_code": code, "user_code": one.userCode, "verification_uri": at,
		"verification_uri_complete": at + "?" + url.Values{"user_code": {one.userCode}}.Encode(),
		"expires_in":                int(deviceLifetime / time.Second), "interval": int(deviceInterval / time.Second),
	}, nil
}

var (
	codeForm = newPage(`Connect a device`, `
{{if .}}<p class="wrong" role="alert">This code is unknown or no longer good. Look at the device again.</p>{{end}}
<form method="get" action="/device">
<label for="user_code">The code that the device shows</label>
<input id="user_code" name="user_code" autocomplete="off" autocapitalize="characters" spellcheck="false" required autofocus>
<button>Go on</button>
</form>
`)

	// The page shows the device's code and a warning: the device may belong to someone else
	// (RFC 8628 §5.4).
	deviceForm = newPage(`Sign in on a device`, `
<p><strong>{{.Client}}</strong> on a device that shows the code <strong>{{.UserCode}}</strong> asks for access to: {{range $i, $s := .Scopes}}{{if $i}}, {{end}}{{$s}}{{end}}.</p>
<p>Go on only if you have this device in front of you and it shows this code.</p>
{{with .Wrong}}<p class="wrong" role="alert">{{.}}</p>{{end}}
<form method="post" action="/device">
<input type="hidden" name="user_code" value="{{.UserCode}}">
`+signInFields)

	deviceDone = newPage(`{{if .}}The device is signed in{{else}}The device was not signed in{{end}}`, `
<p>You can close this window and go back to the device.</p>
`)
)

// activate shows the form for a code, or the login form for it.
func (s *Server) activate(w http.ResponseWriter, r *http.Request) {
	typed := r.FormValue("user_code")
	if typed == "" {
		codeForm.Write(w, http.StatusOK, false)
		return
	}
	one := s.devices.byUserCode(cleanUserCode(typed))
	if one == nil {
		codeForm.Write(w, http.StatusBadRequest, true)
		return
	}
	if r.Method != http.MethodPost {
		s.showDevice(w, http.StatusOK, one, "")
		return
	}
	s.decideDevice(w, r, one)
}

func (s *Server) showDevice(w http.ResponseWriter, status int, one *device, wrong string) {
	deviceForm.Write(w, status, map[string]any{
		"Client": s.nameOf(one.client.GetID()), "UserCode": one.userCode, "Scopes": one.scopes, "Wrong": wrong, "Demo": s.config.Users[0],
	})
}

func (s *Server) decideDevice(w http.ResponseWriter, r *http.Request, one *device) {
	if r.PostFormValue("action") != "allow" {
		s.devices.decide(one, nil)
		deviceDone.Write(w, http.StatusOK, false)
		return
	}
	user := s.authenticate(r.PostFormValue("username"), r.PostFormValue("password"))
	if user == nil && s.devices.oneMore(one) {
		s.showDevice(w, http.StatusForbidden, one, "User name or password is wrong.")
		return
	}
	if user == nil {
		deviceDone.Write(w, http.StatusForbidden, false)
		return
	}
	s.devices.decide(one, s.newSession(user, one.client, time.Now().UTC()))
	deviceDone.Write(w, http.StatusOK, true)
}
