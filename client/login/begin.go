package login

import (
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/client"
)

// BeginOptions are the settings of a login that the application starts.
type BeginOptions struct {
	// Client is a name in Config.Clients. "" means the only client.
	Client string

	// Request holds the settings of this login. nil means Config.Request. If Request is set and is a
	// step-up request (Prompt "login", MaxAge, ACRValues, Claims), a signed-in visitor must
	// authenticate again, or in a stronger way. Then the same user must sign in. Another user is
	// rejected with CodeAnotherUser, and the session stays. Prompt "select_account" in addition allows
	// another user.
	Request *client.Request

	// ReturnTo is the path of the application, with its query, to return to, for example
	// r.RequestURI. "" and every value that is not such a path mean HomePath.
	ReturnTo string
}

// Begin redirects the browser to the server to sign in. Use it for logins that differ from
// Config.Request, for example if the user must authenticate again. All rules of Start apply.
//
// Problems:
//
//   - CodeRequest: there is no such client.
//   - CodeLimited: see Config.Limit.
//   - CodeUnavailable: the server or the Store does not answer, or Config.MaxCalls is reached.
//   - CodeConfiguration: the log names the setting or the registration to change, or the path at
//     which to mount Callback.
//   - CodeTooLarge: Request does not fit into a cookie.
//   - CodeFailed: the server rejected a pushed request for another reason.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, ask BeginOptions) {
	private(w.Header())
	if path := l.misplaced(r); path != "" {
		l.fail(w, r, CodeConfiguration, misplacedError(r, "Start or Begin", path))
		return
	}
	name, c := l.named(ask.Client)
	if c == nil {
		l.fail(w, r, CodeRequest, errors.New("the login request names a client that is not in Config.Clients"))
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

// begin calls Config.Limit, creates the request, and redirects the browser. A login costs one
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

// requestOf returns the request of a login.
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

// expectUser requires the same user to sign in if a signed-in visitor must authenticate again.
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

// isStepUp reports whether a request says how or when the user must authenticate.
func isStepUp(r *client.Request) bool {
	if slices.Contains(r.Prompt, "select_account") {
		return false
	}
	return slices.Contains(r.Prompt, "login") || r.MaxAge != nil || len(r.ACRValues) > 0 || r.Claims != nil
}

// Start starts a login. It accepts GET. With several clients, the request names the client as
// {client} in the pattern or as a parameter. The parameter return_to is a path of this site
// with its query. If Config.Limit rejects the login, the answer is 429 with Retry-After. If
// Config.MaxCalls is reached, it is 503.
//
// Problems: those of [Login.Begin] (CodeRequest, CodeLimited, CodeUnavailable,
// CodeConfiguration, CodeTooLarge, CodeFailed) and CodeMethod.
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

// Initiated starts a login that a third party requests (OpenID Connect Core §4). Register its
// URL as initiate_login_uri. It accepts only configured issuers, and redirects only to this
// site.
//
// Problems: CodeMethod, CodeRequest (a parameter is malformed, or of another issuer or site),
// and those of [Login.Begin]: CodeLimited, CodeUnavailable, CodeConfiguration, CodeTooLarge and
// CodeFailed.
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

// initiated finds the client of the named issuer. If several clients have that issuer, the
// request must name the client too.
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
			return "", nil, errors.New("several Config.Clients have the issuer of the request: add the parameter client to the request")
		default:
			found, ask = name, one
		}
	}
	if ask == nil {
		return "", nil, errors.Join(errs...)
	}
	return found, ask, nil
}
