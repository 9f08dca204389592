package playground

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/login"
	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

// The functions of this file run an attack again, on a program without the check.

// withoutPKCE injects a code into a login of a client that does not use PKCE. The nonce still
// stops that client, after the server has redeemed the code.
func withoutPKCE(ctx context.Context, l *lab) string {
	redeemed := false
	c, err := client.New(l.weakConfig(func(x *wire.Exchange) {
		redeemed = redeemed || x.Method == http.MethodPost && x.Status == http.StatusOK
	}))
	if err != nil {
		return ""
	}
	address, pending, err := c.Begin(ctx, client.Request{})
	if err != nil {
		return ""
	}
	other, _, err := c.Begin(ctx, client.Request{})
	if err != nil {
		return ""
	}
	q := withCode(l.responseTo(l.newBrowser(), address).values(), l.responseTo(l.newBrowser(), other).code())
	_, err = c.Finish(ctx, pending, q)
	var rejected *idtoken.Error
	if !redeemed || !errors.As(err, &rejected) {
		return ""
	}
	return fmt.Sprintf("In this run a client without PKCE made the same request, and the server redeemed the injected code. Step %d of the ID token (nonce) stopped that client; without it the login would have succeeded.", rejected.Step.Number)
}

// weakConfig is the application's configuration without PKCE. It has no code that is bound to a DPoP
// key (RFC 9449 §10), and no profile that requires them.
func (l *lab) weakConfig(record func(*wire.Exchange)) client.Config {
	c := l.clientConfig()
	c.InsecureNoPKCE, c.Profile, c.PAR = true, client.NoProfile, client.PAROff
	c.DPoP, c.RequestObject, c.ResponseMode, c.ResponseAlgs = nil, nil, "", nil
	c.HTTP = &http.Client{Transport: &wire.Recorder{Base: l.trusting(), Record: record}}
	return c
}

// withoutOriginCheck posts again without the header fields that a careless handler does not
// read.
func withoutOriginCheck(_ context.Context, l *lab) string {
	quiet := stopAt(l.browser, l.atServer)
	l.post(quiet, l.app+"/logout", nil, nil)
	if l.signedIn(l.get(quiet, l.app+"/photos")) {
		return ""
	}
	return "In this run the same post was sent again without Origin and Sec-Fetch-Site. A handler that does not read these header fields accepted it: the victim was signed out. The browser of this page sends all cookies. A real one leaves the session cookie out, because it is SameSite=Lax."
}

const attackersPage = "Your session has expired. Enter your password:"

// withoutReturnCheck opens the links at two applications. One returns to any address, the other to
// any address with a slash in front. The attacker's site is on loopback too.
func withoutReturnCheck(_ context.Context, l *lab) string {
	var site string
	listener, err := l.listen(&site)
	if err != nil {
		return ""
	}
	l.serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, attackersPage) }))
	l.carelessPages("/any", func(string) bool { return true })
	l.carelessPages("/slash", func(to string) bool { return strings.HasPrefix(to, "/") })
	without, _ := url.Parse(site)
	for path, target := range map[string]string{"/any": site + "/", "/slash": "//" + without.Host + "/"} {
		shown := l.get(l.newBrowser(), l.app+path+"?return_to="+url.QueryEscape(target))
		if !strings.HasPrefix(shown.URL, site) || !strings.Contains(shown.Text, attackersPage) {
			return ""
		}
	}
	return fmt.Sprintf("In this run an application that returns to any address sent the visitor to %s/ after a real login. The page there says: “%s” An application that only looks for a slash in front did the same with the link //%s/.", site, attackersPage, without.Host)
}

// carelessPages adds a sign-in page to the application, and the page that it returns to.
func (l *lab) carelessPages(path string, accepts func(to string) bool) {
	l.pages.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		l.login.Begin(w, r, login.BeginOptions{ReturnTo: path + "/return?" + url.Values{"to": {r.FormValue("return_to")}}.Encode()})
	})
	l.pages.HandleFunc(path+"/return", func(w http.ResponseWriter, r *http.Request) {
		if to := r.FormValue("to"); accepts(to) {
			http.Redirect(w, r, to, http.StatusSeeOther)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
}
