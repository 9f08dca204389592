package login

import (
	"errors"
	"net/http"
	"net/url"

	"github.com/countersign/countersign/client"
)

// Ask is a login that the application begins itself.
type Ask struct {
	// Client is the name of one of Config.Clients; "" is that of the only one.
	Client string

	// Request is what this login asks for. nil means Config.Request.
	Request *client.Request

	// ReturnTo is the path of this site, with its query, to come back to. What is not
	// such a path, and "", mean HomePath.
	ReturnTo string
}

// Begin sends the browser to the server to sign in: for logins that are not as every
// other, such as one that an API wants to be more recent.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, ask Ask) {
	private(w.Header())
	name, c := l.named(ask.Client)
	if c == nil {
		l.fail(w, r, CodeRequest, errors.New("a login at a server whose name is none of Config.Clients"))
		return
	}
	request := l.config.Request
	if ask.Request != nil {
		request = *ask.Request
	}
	a := &attempt{Client: name, ReturnTo: l.returnTo(ask.ReturnTo)}
	to, pending, err := c.Begin(r.Context(), request)
	if err == nil {
		a.Pending = pending
		err = l.keep(w, r, a)
	}
	if err != nil {
		l.failLogin(w, r, a, err)
		return
	}
	redirect(w, to)
}

// returnTo gives s, or HomePath if s leads anywhere but to a path of this site.
func (l *Login) returnTo(s string) string {
	if path, ok := cleanReturnTo(s); ok {
		return path
	}
	return l.config.HomePath
}

// Start begins a login: GET, with the name of the client as {client} in the pattern or
// as a parameter where there are several, and return_to, a path of this site.
func (l *Login) Start() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		name, _ := l.choose(r)
		l.Begin(w, r, Ask{Client: name, ReturnTo: r.URL.Query().Get("return_to")})
	}, http.MethodGet)
}

// Initiated begins a login that a third party asks for (OpenID Connect Core §4): the
// initiate_login_uri of the registrations. It is for configured issuers and leads back
// to this site alone.
func (l *Login) Initiated() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		q, err := parameters(w, r)
		if err != nil {
			l.fail(w, r, CodeRequest, err)
			return
		}
		name, ask, err := l.initiated(q, r)
		if err != nil {
			l.fail(w, r, CodeRequest, err)
			return
		}
		request := l.config.Request
		request.LoginHint = ask.Request.LoginHint
		l.Begin(w, r, Ask{Client: name, Request: &request, ReturnTo: ask.Target})
	}, http.MethodGet, http.MethodPost)
}

// initiated finds the client of the issuer that is named, which must be one alone unless
// the request names the client too.
func (l *Login) initiated(q url.Values, r *http.Request) (string, *client.Initiated, error) {
	if name, c := l.choose(r); c != nil {
		ask, err := c.Initiated(q)
		return name, ask, err
	}
	var found string
	var ask *client.Initiated
	var errs []error
	for name, c := range l.config.Clients {
		one, err := c.Initiated(q)
		switch {
		case err != nil:
			errs = append(errs, err)
		case ask != nil:
			return "", nil, errors.New("several clients are of the issuer that a third party names")
		default:
			found, ask = name, one
		}
	}
	if ask == nil {
		return "", nil, errors.Join(errs...)
	}
	return found, ask, nil
}
