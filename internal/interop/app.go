package interop

import (
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
)

// app is a web application that shows the response of an API to one visitor. It stores what
// happened, so that the test can check it.
type app struct {
	client  *client.Client
	request client.Request
	api     string // the API address whose response is shown

	redirect string          // where the visitor was redirected to
	pending  *client.Pending // the login in progress
	callback url.Values      // the parameters of the callback
	tokens   *client.Tokens
	info     *client.UserInfo
	infoErr  error
	err      error // why the login failed
}

func newApp(t *testing.T, config client.Config, kind tokenKind, api string) *app {
	t.Helper()
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	a := &app{client: c, api: api}
	if kind.resource != "" {
		a.request.Resources = []string{kind.resource}
	}
	return a
}

// ServeHTTP implements http.Handler.
func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/callback":
		a.finish(w, r)
	case a.tokens == nil:
		a.begin(w, r)
	default:
		a.show(w, r)
	}
}

func (a *app) begin(w http.ResponseWriter, r *http.Request) {
	if a.redirect, a.pending, a.err = a.client.Begin(r.Context(), a.request); a.err != nil {
		http.Error(w, "sorry", http.StatusBadGateway)
		return
	}
	http.Redirect(w, r, a.redirect, http.StatusSeeOther)
}

func (a *app) finish(w http.ResponseWriter, r *http.Request) {
	a.callback = r.URL.Query()
	if a.tokens, a.err = a.client.Finish(r.Context(), a.pending, a.callback); a.err != nil {
		http.Error(w, "sorry", http.StatusForbidden)
		return
	}
	a.info, a.infoErr = a.client.UserInfo(r.Context(), a.tokens)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *app) show(w http.ResponseWriter, r *http.Request) {
	resp, err := call(r.Context(), a.api, a.tokens.AccessToken)
	if err != nil {
		http.Error(w, "sorry", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}
