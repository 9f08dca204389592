package login

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client"
)

// BeginOptions is a login that the application begins itself.
type BeginOptions struct {
	// Client is the name of one of Config.Clients; "" is that of the only one.
	Client string

	// Request is what this login asks for. nil means Config.Request. If it asks a signed-in
	// visitor to authenticate again or in a stronger way (Prompt "login", MaxAge, ACRValues, Claims),
	// the same user must sign in: another one is rejected with CodeAnotherUser, and the session
	// stays. Prompt "select_account" beside it allows another user.
	Request *client.Request

	// ReturnTo is the path of the application, with its query, to return to: r.RequestURI,
	// say. "" and everything that is not such a path mean HomePath.
	ReturnTo string
}

// Begin sends the browser to the server to sign in. It is for logins that differ from
// Config.Request, such as one that must be more recent. Everything that Start does applies.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, ask BeginOptions) {
	private(w.Header())
	name, c := l.named(ask.Client)
	if c == nil {
		l.fail(w, r, CodeRequest, errors.New("the login names a client that is not in Config.Clients"))
		return
	}
	a := &attempt{Client: name, ReturnTo: l.returnTo(r, ask.ReturnTo), Request: ask.Request}
	err := l.expectUser(r, a)
	if err == nil {
		err = l.begin(w, r, a)
	}
	if err != nil {
		l.failLogin(w, r, a, err)
	}
}

// begin asks Config.Limit, makes the request, and redirects the browser. A login costs one
// call to the server if requests are pushed.
func (l *Login) begin(w http.ResponseWriter, r *http.Request, a *attempt) error {
	if err := l.checkLimit(r); err != nil {
		return err
	}
	leave, err := l.begins.enter()
	if err != nil {
		return err
	}
	to, pending, err := l.config.Clients[a.Client].Begin(r.Context(), l.requestOf(a))
	leave()
	if err != nil {
		return err
	}
	a.Pending = pending
	if err := l.keep(w, r, a); err != nil {
		return err
	}
	redirect(w, to)
	return nil
}

// requestOf is what a login asks for.
func (l *Login) requestOf(a *attempt) client.Request {
	request := l.config.Request
	if a.Request != nil {
		request = *a.Request
	}
	if a.Silent {
		request.Prompt = []string{"none"}
	}
	if a.Subject != "" && hasIDToken(l.config.Clients[a.Client], request.Scopes) {
		request.Subject = a.Subject
	}
	return request
}

// expectUser has the same user sign in again, where a signed-in visitor is asked to.
func (l *Login) expectUser(r *http.Request, a *attempt) error {
	if a.Request == nil || !isStepUp(a.Request) {
		return nil
	}
	s, err := l.sessions.load(r)
	if err != nil {
		return storeDown(err)
	}
	if s != nil && s.Client == a.Client {
		a.Issuer, a.Subject = s.Issuer, s.Subject
	}
	return nil
}

// isStepUp tells whether a request is about how or when the user authenticates.
func isStepUp(r *client.Request) bool {
	if slices.Contains(r.Prompt, "select_account") {
		return false
	}
	return slices.Contains(r.Prompt, "login") || r.MaxAge != nil || len(r.ACRValues) > 0 || r.Claims != nil
}

// Start begins a login: GET, with the name of the client as {client} in the pattern or as a
// parameter if there are several, and return_to, a path of this site with its query. A login
// that Config.Limit does not let start is answered with 429 and Retry-After, and one for which
// Config.MaxCalls leaves no room with 503.
func (l *Login) Start() http.Handler {
	return l.only(func(w http.ResponseWriter, r *http.Request) {
		name, _ := l.choose(r)
		q := r.URL.Query()
		request, err := l.stepUpRequest(name, q)
		if err != nil {
			l.fail(w, r, CodeRequest, err)
			return
		}
		l.Begin(w, r, BeginOptions{Client: name, Request: request, ReturnTo: q.Get("return_to")})
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
		if !l.inApplication(ask.Target) {
			ask.Target = ""
		}
		l.Begin(w, r, BeginOptions{Client: name, Request: &request, ReturnTo: ask.Target})
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
			return "", nil, errors.New("several Clients are of the issuer that a third party names: let the request name the client")
		default:
			found, ask = name, one
		}
	}
	if ask == nil {
		return "", nil, errors.Join(errs...)
	}
	return found, ask, nil
}
