package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/examples/internal/page"
	"github.com/countersign/countersign/idtoken"
)

// app is the web application: a print shop that prints photos its visitors have
// elsewhere.
type app struct {
	*system
	client *client.Client
	method string // of client authentication
	login  *login.Login
}

// routes mounts the login's handlers and the pages.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/login", a.narrate(a.login.Start()))
	mux.Handle("/callback", remember(a.login.Callback()))
	mux.Handle("/logout", a.logout())
	mux.Handle("/signed-out", a.login.LoggedOut())
	mux.Handle("GET /photos", a.narrate(a.login.Require(http.HandlerFunc(a.photos))))
	mux.Handle("GET /{$}", a.login.Identify(http.HandlerFunc(a.home)))
	mux.Handle("GET /favicon.ico", page.App.Icon())
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		shopNotFound.Write(w, http.StatusNotFound, r.URL.Path)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.SetHeaders(w.Header())
		mux.ServeHTTP(w, r)
	})
}

// home is for all visitors. After a logout it says once that the visitor is signed out.
func (a *app) home(w http.ResponseWriter, r *http.Request) {
	user, signedIn := login.FromContext(r.Context())
	_, err := r.Cookie(signedOut)
	if err == nil {
		http.SetCookie(w, &http.Cookie{Name: signedOut, Path: "/", MaxAge: -1})
	}
	homePage.Write(w, http.StatusOK, map[string]any{
		"User": user, "SignedOut": err == nil && !signedIn, "App": a.app, "Issuer": a.issuer, "API": a.api,
	})
}

// signedOut is the cookie that tells the home page about a logout.
const signedOut = "signed_out"

func (a *app) logout() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: signedOut, Value: "1", Path: "/", MaxAge: 300, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		a.login.Logout().ServeHTTP(w, r)
	})
}

// signIn keeps in the session what the page shows: the path, and the report on the ID token.
// The login calls it after all checks.
func (a *app) signIn(ctx context.Context, user *login.User, tokens *client.Tokens, _ url.Values) error {
	path, err := a.path(ctx, user.Subject)
	if err != nil {
		return err
	}
	for number, step := range path[2:] {
		a.tell(number+3, step)
	}
	if err := user.SetClaim("path", path); err != nil {
		return err
	}
	return user.SetClaim("report", rows(tokens.Report))
}

// row is a step of the report. Reason says why a step is not valid.
type row struct {
	Number               int
	Test, Result, Reason string
}

func rows(r *idtoken.Report) (list []row) {
	if r == nil {
		return nil
	}
	for _, s := range r.Steps {
		list = append(list, newRow(s))
	}
	return list
}

// notChecked is the result of a step that was not run, because an earlier step failed.
const notChecked = "not checked"

// newRow also reads the text of the error: the result of a step that was not run is Failed.
func newRow(s idtoken.Step) row {
	out := row{s.Number, s.Test, s.Result.String(), s.Reason}
	if s.Err != nil {
		out.Reason = s.Err.Error()
	}
	if s.Result == idtoken.Failed && strings.HasPrefix(out.Reason, notChecked) {
		out.Result = notChecked
	}
	return out
}

// problem shows what went wrong with a login. The reason is in the log too.
func (a *app) problem(w http.ResponseWriter, r *http.Request, p login.Problem) {
	came := callbackOf(r.Context())
	if came.query.Has("error") && p.Code != login.CodeUnknown {
		a.tell(3, step{page.Server, describeCallback(came.query)})
	}
	report := rows(came.report)
	problemPage.Write(w, p.Status, map[string]any{
		"User": nil, "Problem": p, "Says": problems[p.Code], "Again": again(p.Code), "Report": report, "Summary": summary(report),
	})
}

// again is the text of the link that tries again.
func again(code string) string {
	if code == login.CodeUnavailable {
		return "Try again"
	}
	return "Sign in again"
}
