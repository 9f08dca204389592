package fositeserver

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"

	"github.com/ory/fosite"
)

const (
	maxPending   = 1000
	maxPasswords = 5 // wrong passwords per request
	formLifetime = 10 * time.Minute
)

// interaction is an authorization request that waits for the user's decision.
type interaction struct {
	request fosite.AuthorizeRequester
	pushed  string // request_uri, "" for one that was not pushed
	wrong   int    // wrong passwords
	since   time.Time
}

// pending holds the interactions in progress, by the id in the form.
type pending struct {
	mu   sync.Mutex
	byID map[string]*interaction
}

func (p *pending) put(in *interaction) (id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, old := range p.byID {
		if time.Since(old.since) > formLifetime || len(p.byID) >= maxPending {
			delete(p.byID, id)
		}
	}
	if p.byID == nil {
		p.byID = map[string]*interaction{}
	}
	id, in.since = rand.Text(), time.Now()
	p.byID[id] = in
	return id
}

// take returns an interaction and removes it.
func (p *pending) take(id string) *interaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	in := p.byID[id]
	delete(p.byID, id)
	if in == nil || time.Since(in.since) > formLifetime {
		return nil
	}
	return in
}

var form = newPage(`Sign in`, `
<p><strong>{{.Client}}</strong> asks for access to: {{range $i, $s := .Scopes}}{{if $i}}, {{end}}{{$s}}{{end}}.</p>
{{with .Wrong}}<p class="wrong" role="alert">{{.}}</p>{{end}}
<form method="post" action="/login">
<input type="hidden" name="id" value="{{.ID}}">
`+signInFields)

// signInFields are the last fields of the forms for user name and password.
const signInFields = `<label for="username">User name</label>
<input id="username" name="username" autocomplete="username" autocapitalize="none" required autofocus>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required>
<button name="action" value="allow">Sign in and allow</button>
<button name="action" value="cancel" class="quiet" formnovalidate>Cancel</button>
</form>
<p>This server is a demonstration. Its account is <strong>{{.Demo.Username}}</strong>, with the password <strong>{{.Demo.Password}}</strong>.</p>
`

func (s *Server) showForm(w http.ResponseWriter, status int, in *interaction, wrong string) {
	form.Write(w, status, map[string]any{
		"ID": s.pending.put(in), "Wrong": wrong, "Demo": s.config.Users[0],
		"Client": s.nameOf(in.request.GetClient().GetID()), "Scopes": in.request.GetRequestedScopes(),
	})
}

func (s *Server) nameOf(clientID string) string {
	for _, c := range s.config.Clients {
		if c.ID == clientID && c.Name != "" {
			return c.Name
		}
	}
	return clientID
}

var over = newPage(`This form has been used`, `
<p>It was sent before, or it was left open for too long. Please go back to the application and start again.</p>
`)

// login handles the submitted form. The id in it identifies one authorization request and can
// be used once.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	in := s.pending.take(r.PostFormValue("id"))
	if in == nil {
		over.Write(w, http.StatusBadRequest, nil)
		return
	}
	if r.PostFormValue("action") != "allow" {
		s.decided(r, in)
		s.refuse(w, r, in.request, fosite.ErrAccessDenied.WithHint("The user cancelled."))
		return
	}
	user := s.authenticate(r.PostFormValue("username"), r.PostFormValue("password"))
	switch in.wrong++; {
	case user != nil:
		s.decided(r, in)
		s.grant(w, r, in.request, user)
	case in.wrong < maxPasswords:
		s.showForm(w, http.StatusForbidden, in, "User name or password is wrong.")
	default:
		s.decided(r, in)
		s.refuse(w, r, in.request, fosite.ErrAccessDenied.WithHint("Too many wrong passwords."))
	}
}

// decided removes a pushed request, so that it is not answered twice.
func (s *Server) decided(r *http.Request, in *interaction) {
	if in.pushed != "" {
		s.pushed.DeletePARSession(r.Context(), in.pushed) // which never fails
	}
}

func (s *Server) authenticate(username, password string) *User {
	for i := range s.config.Users {
		u := &s.config.Users[i]
		if u.Username == username && subtle.ConstantTimeCompare([]byte(u.Password), []byte(password)) == 1 {
			return u
		}
	}
	return nil
}
