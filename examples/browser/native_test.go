package browser

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/client/loopback"
	"github.com/countersign/countersign/discovery/issuertest"
)

// startNative starts a server for programs on this machine.
func startNative(t *testing.T) client.Config {
	t.Helper()
	issuer := issuertest.New(t, issuertest.Config{
		PlainHTTP: true, Page: true,
		Clients: []issuertest.Client{{ID: "photoctl", RedirectURLs: []string{"http://127.0.0.1/callback"}}},
		Users:   []issuertest.User{alice},
	})
	return client.Config{Issuer: issuer.URL, ClientID: "photoctl", Auth: auth.Public(), PAR: client.PAROff}
}

// TestLoopback: the browser ends on a page with the result. NAT-01.
func TestLoopback(t *testing.T) {
	for name, test := range map[string]struct {
		button, title string
		code          string
	}{
		"loopback-done":      {alice.Subject, "You are signed in", ""},
		"loopback-cancelled": {"cancel", "You were not signed in", "access_denied"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPerson(t, nil, "")
			address := make(chan string, 1)
			done := make(chan error, 1)
			go func() {
				_, err := loopback.Login(t.Context(), loopback.Config{Client: startNative(t), Open: func(_ context.Context, to string) error {
					address <- to
					return nil
				}})
				done <- err
			}()
			to := <-address
			u, err := url.Parse(to)
			if err != nil {
				t.Fatal(err)
			}
			p.load("a stranger's link", chromedp.Navigate(u.Query().Get("redirect_uri")+"?code=x&state=y"))
			p.picture("loopback-refused")
			p.load("the program's address", chromedp.Navigate(to))
			p.click(`button[value="` + test.button + `"]`)
			if test.code == "" {
				p.click(`button[value="allow"]`)
			}
			if text := p.text(); !strings.Contains(text, test.title) || !strings.Contains(text, "close this window") {
				t.Errorf("the page says\n%s", text)
			}
			p.picture(name)
			err = <-done
			var e *client.Error
			if test.code == "" && err != nil || test.code != "" && (!errors.As(err, &e) || e.Code != test.code) {
				t.Error(err)
			}
		})
	}
}

// TestDevicePages: the user enters the code on another device. Its page shows which client requests
// access.
func TestDevicePages(t *testing.T) {
	p := newPerson(t, nil, "")
	c, err := client.New(startNative(t))
	if err != nil {
		t.Fatal(err)
	}
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	p.load("the address", chromedp.Navigate(d.VerificationURI))
	p.picture("device-code")
	p.do("type", chromedp.SendKeys(chromedp.CSS("#user_code"), "BBBB-BBBB"))
	p.click("button")
	p.picture("device-wrong-code")
	p.do("type", chromedp.SendKeys(chromedp.CSS("#user_code"), strings.ToLower(d.UserCode)))
	p.click("button")
	p.picture("device-form")
	p.choose()
	p.picture("device-done")
	if tokens, err := grant.FinishDevice(t.Context(), c, d); err != nil || tokens.IDToken.Subject != alice.Subject {
		t.Error(err)
	}
}
