package playground

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
)

var continueLink = regexp.MustCompile(`id="continue" href="([^"]*)"`)

// TestOwnServer: a login at another server, and each attack on its response. No secret of that
// server is on the page, and the server gets one token request for each login.
func TestOwnServer(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true, Clients: []issuertest.Client{{ID: "mine", Secret: "canary-own-secret"}}})
	address := serve(t, &Own{Issuer: issuer.URL, ClientID: "mine", Secret: "canary-own-secret"})
	base, _, _ := strings.Cut(address, "?")
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar}
	read := func(resp *http.Response, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	if page := read(browser.Get(address)); !strings.Contains(page, base+"callback") {
		t.Fatal(page)
	}
	for attack, want := range map[string]string{"": "Signed in.", "state": "state", "mixup": "iss", "replay": "Rejected", "none": "Step 1 of 14", "clock": "Step 9 of 14"} {
		before := len(issuer.Exchanges(issuertest.TokenEndpoint))
		found := continueLink.FindStringSubmatch(read(browser.PostForm(base+"run", url.Values{"attack": {attack}, "par": {"on"}})))
		if found == nil {
			t.Fatalf("%s: no link", attack)
		}
		if page := read(browser.Get(html.UnescapeString(found[1]))); !strings.Contains(page, `url=/own`) {
			t.Fatal(page)
		}
		page := read(browser.Get(base + "own"))
		if !strings.Contains(page, want) || strings.Contains(page, notRejected) {
			t.Errorf("%s: %q is missing\n%s", attack, want, text(page))
		}
		var secrets []string
		for _, x := range issuer.Exchanges(issuertest.TokenEndpoint) {
			secrets = append(secrets, x.Request.Form.Get("code"), x.Request.Form.Get("code_verifier"), x.Request.Header.Get("Authorization"))
		}
		for _, s := range append(secrets, "canary-own-secret") {
			if s != "" && strings.Contains(page, s) {
				t.Errorf("%s: a secret is on the page", attack)
			}
		}
		if sent := len(issuer.Exchanges(issuertest.TokenEndpoint)) - before; sent > 1 {
			t.Errorf("%s: %d token requests", attack, sent)
		}
	}
	if resp, err := http.Get(base + "own"); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("the result without the cookie: %v %v", resp, err)
	}
}
