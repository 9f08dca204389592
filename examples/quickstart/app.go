package main

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/examples/internal/session"
)

// app is the web application: a print shop that prints photos its visitors have
// elsewhere.
type app struct {
	client   *client.Client
	api      string // the API's address
	audience string // and its identifier
	method   string // of client authentication
	sessions session.Store
	log      *slog.Logger
	say      func(step string)
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("GET /photos", a.photos)
	mux.HandleFunc("GET /callback", a.callback)
	mux.Handle("POST /logout", http.NewCrossOriginProtection().Handler(http.HandlerFunc(a.logout)))
	return mux
}

func (a *app) home(w http.ResponseWriter, r *http.Request) {
	homePage.Write(w, http.StatusOK, a.sessions.Login(r))
}

// photos is where the path begins and ends: visitors who are signed in get their
// photos, others are sent to sign in.
func (a *app) photos(w http.ResponseWriter, r *http.Request) {
	login := a.sessions.Login(r)
	if login == nil || !login.Tokens.Valid() {
		a.begin(w, r)
		return
	}
	a.show(w, r, login)
}

// begin is the first leg. Pending stays here, under this browser's cookie.
func (a *app) begin(w http.ResponseWriter, r *http.Request) {
	path := a.path(nil)
	path.add(1, "The visitor asks the print shop for photos, which are at the API %s.", a.api)
	redirect, pending, err := a.client.Begin(r.Context(), client.Request{
		Resources: []string{a.audience}, // what the access token is for
	})
	if err != nil {
		a.fail(w, r, err)
		return
	}
	path.add(2, "%s", describeRequest(redirect, a.method))
	a.sessions.Begin(w, r, &session.Attempt{Pending: pending, Path: path.lines})
	page.SetHeaders(w.Header())
	http.Redirect(w, r, redirect, http.StatusSeeOther)
}

// callback is the second leg. The attempt is dropped before it is finished, so that a
// callback that comes again finds none.
func (a *app) callback(w http.ResponseWriter, r *http.Request) {
	attempt := a.sessions.Take(r, r.URL.Query().Get("state"))
	if attempt == nil {
		a.fail(w, r, errors.New("a callback without a login under way in this browser"))
		return
	}
	path := a.path(attempt.Path)
	path.add(3, "%s", describeCallback(r.URL.Query()))
	tokens, err := a.client.Finish(r.Context(), attempt.Pending, r.URL.Query())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	info, err := a.client.UserInfo(r.Context(), tokens)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	path.add(4, "%s; the code was exchanged with the code_verifier; the ID token of %s passed the 14 steps; UserInfo has the same sub.",
		describeChecks(r.URL.Query()), tokens.IDToken.Subject)
	a.sessions.SignIn(w, r, &session.Login{Tokens: tokens, UserInfo: info, Path: path.lines})
	page.SetHeaders(w.Header())
	http.Redirect(w, r, "/photos", http.StatusSeeOther) // away from the address with the code in it
}

func (a *app) logout(w http.ResponseWriter, r *http.Request) {
	a.sessions.SignOut(w, r)
	page.SetHeaders(w.Header())
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// fail shows a code and an id; the reason goes to the log. Of the SDK's errors the
// code is what a visitor may see.
func (a *app) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, code := http.StatusBadRequest, "login_failed"
	var failed *client.Error
	if errors.As(err, &failed) {
		code = failed.Code
		if failed.Temporary() {
			status = http.StatusServiceUnavailable
		}
	}
	page.Fail(w, r, a.log, status, code, err)
}
