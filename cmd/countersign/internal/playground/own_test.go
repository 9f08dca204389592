package playground

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

var (
	continueLink = regexp.MustCompile(`id="continue" href="([^"]*)"`)
	resultLink   = regexp.MustCompile(`url=/(own\?login=\w+)"`)
)

// tab is a browser that has opened the playground with its key.
type tab struct {
	t    *testing.T
	base string
	http *http.Client
}

func openTab(t *testing.T, own *Own) *tab {
	t.Helper()
	address := serve(t, own)
	base, _, _ := strings.Cut(address, "?")
	jar, _ := cookiejar.New(nil)
	b := &tab{t, base, &http.Client{Jar: jar}}
	if page := b.get(address); !strings.Contains(page, base+"callback") {
		t.Fatal(page)
	}
	return b
}

func (b *tab) get(address string) string {
	b.t.Helper()
	resp, err := b.http.Get(address)
	return b.read(resp, err)
}

func (b *tab) read(resp *http.Response, err error) string {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}

// begin presses a button, and returns the address of the server on the page.
func (b *tab) begin(attack string, on ...string) string {
	b.t.Helper()
	form := url.Values{"attack": {attack}}
	for _, id := range on {
		form.Set(id, "on")
	}
	page := b.read(b.http.PostForm(b.base+"run", form))
	found := continueLink.FindStringSubmatch(page)
	if found == nil {
		b.t.Fatalf("%s: no link\n%s", attack, text(page))
	}
	return html.UnescapeString(found[1])
}

// finish signs in at the server, which shows no form, and returns the page of the result.
func (b *tab) finish(address string) string {
	b.t.Helper()
	page := b.get(address)
	found := resultLink.FindStringSubmatch(page)
	if found == nil {
		b.t.Fatal(page)
	}
	return b.get(b.base + found[1])
}

const canarySecret = "canary-own-secret"

func ownIssuer(t *testing.T, edit issuertest.Edit) (*issuertest.Issuer, *Own) {
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true, Edit: edit, Clients: []issuertest.Client{{ID: "mine", Secret: canarySecret}}})
	return issuer, &Own{Issuer: issuer.URL, ClientID: "mine", Secret: canarySecret}
}

// TestOwnServer: a login at another server, and each attack on its responses. No secret of that
// server is on the page. An attack sends the server the same requests as a login.
func TestOwnServer(t *testing.T) {
	issuer, own := ownIssuer(t, issuertest.Edit{})
	b := openTab(t, own)
	b.finish(b.begin("", "par")) // fetches metadata and keys
	requests := func() (all []string) {
		for _, x := range issuer.Exchanges("") {
			all = append(all, string(x.Endpoint))
		}
		return all
	}
	plain := -len(requests())
	b.finish(b.begin("", "par"))
	plain += len(requests())
	for attack, want := range map[string]string{"": "Signed in.", "state": "state", "mixup": "iss", "replay": "Rejected", "none": "Step 1 of 14", "clock": "Step 9 of 14"} {
		before := len(requests())
		page := b.finish(b.begin(attack, "par"))
		if !strings.Contains(page, want) || strings.Contains(page, notRejected) {
			t.Errorf("%s: %q is missing\n%s", attack, want, text(page))
		}
		if sent := requests()[before:]; len(sent) > plain {
			t.Errorf("%s: the server got %q, and %d requests for a login", attack, sent, plain)
		}
		var secrets []string
		for _, x := range issuer.Exchanges(issuertest.TokenEndpoint) {
			secrets = append(secrets, x.Request.Form.Get("code"), x.Request.Form.Get("code_verifier"), x.Request.Header.Get("Authorization"))
		}
		for _, s := range append(secrets, canarySecret) {
			if s != "" && strings.Contains(page, s) {
				t.Errorf("%s: a secret is on the page", attack)
			}
		}
	}
	if resp, err := http.Get(b.base + "own"); err != nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("the result without the cookie: %v %v", resp, err)
	}
}

// TestOwnClock: the clock is set past the end of an ID token that works for hours.
func TestOwnClock(t *testing.T) {
	issuer := issuertest.New(t, issuertest.Config{PlainHTTP: true, Lifetime: 3 * time.Hour, Clients: []issuertest.Client{{ID: "mine", Secret: canarySecret}}})
	b := openTab(t, &Own{Issuer: issuer.URL, ClientID: "mine", Secret: canarySecret})
	if page := b.finish(b.begin("clock")); !strings.Contains(page, "Step 9 of 14") || !strings.Contains(page, "the clock was set 3h10m ahead") && !strings.Contains(page, "the clock was set 3h9m5") {
		t.Error(text(page))
	}
}

// TestOwnTabs: two tabs sign in at once. A response with another state does not replace the right
// one.
func TestOwnTabs(t *testing.T) {
	_, own := ownIssuer(t, issuertest.Edit{})
	b := openTab(t, own)
	first, second := b.begin("none"), b.begin("")
	if resp, err := http.Get(b.base + "callback?state=of-nobody&code=x"); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	if page := b.finish(first); !strings.Contains(page, "Step 1 of 14") {
		t.Error(text(page))
	}
	if page := b.finish(second); !strings.Contains(page, "Signed in.") {
		t.Error(text(page))
	}
	for range 2 * maxLogins {
		b.begin("")
	}
	if page := b.finish(b.begin("")); !strings.Contains(page, "Signed in.") {
		t.Error(text(page))
	}
}

// TestOwnForeignResponse: another page opens the redirect URI before the server's response has
// arrived. The login still ends with the right response. Only a person with the cookie can end it
// with the other one.
func TestOwnForeignResponse(t *testing.T) {
	_, own := ownIssuer(t, issuertest.Edit{})
	b := openTab(t, own)
	for name, query := range map[string]string{"another state": "state=of-nobody&code=x", "no state": "error=access_denied", "a forged JWT": "response=e30.eyJzdGF0ZSI6IngifQ.x"} {
		right := b.begin("")
		if page := b.finish(b.base + "callback?" + query); !strings.Contains(page, "The response has another state") || strings.Contains(page, "outcome") {
			t.Errorf("%s: %s", name, text(page))
		}
		if page := b.finish(right); !strings.Contains(page, "Signed in.") {
			t.Errorf("%s: the right response came later: %s", name, text(page))
		}
	}
	b.begin("")
	found := resultLink.FindStringSubmatch(b.get(b.base + "callback?state=of-nobody&code=x"))
	if found == nil {
		t.Fatal("no link to the result")
	}
	end := func(c *http.Client, header ...string) string {
		r, _ := http.NewRequest(http.MethodPost, b.base+found[1], nil)
		for _, site := range header {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		return b.read(c.Do(r))
	}
	for name, page := range map[string]string{"without the cookie": end(http.DefaultClient), "from another site": end(b.http, "cross-site")} {
		if strings.Contains(page, "The sign-in failed.") || strings.Contains(page, "another state") {
			t.Errorf("%s: %s", name, text(page))
		}
	}
	if page := end(b.http, "same-origin"); !strings.Contains(page, "The sign-in failed.") || !strings.Contains(page, "state") {
		t.Errorf("anyway: %s", text(page))
	}
}

// hostile is what a malicious server puts into every text.
const hostile = "\"'><img src=x onerror=alert(1)><script>alert(1)</script>\u202Ejavascript:"

// TestOwnHostileServer: no text of a server becomes part of the page, or changes its
// direction.
func TestOwnHostileServer(t *testing.T) {
	for name, edit := range map[string]issuertest.Edit{
		"claims":   {IDToken: func(m map[string]any) { m["name"], m[hostile], m["nonce"] = hostile, hostile, hostile }},
		"token":    {Token: func(m map[string]any) { m["scope"], m[hostile], m["token_type"] = hostile, hostile, hostile }},
		"error":    {Token: func(m map[string]any) { clear(m); m["error"], m["error_description"] = "invalid_grant", hostile }},
		"callback": {Callback: func(q url.Values) { q.Set("iss", hostile); q.Set(hostile, hostile) }},
		"description": {Callback: func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
			q.Set("error_description", hostile)
		}},
		"metadata": {Metadata: func(m map[string]any) { m["scopes_supported"], m[hostile] = []string{hostile}, hostile }},
	} {
		t.Run(name, func(t *testing.T) {
			_, own := ownIssuer(t, edit)
			b := openTab(t, own)
			page := b.finish(b.begin(""))
			for _, never := range []string{"<img", "<script>alert", "\u202E", `"'>`} {
				if strings.Contains(page, never) {
					t.Errorf("%q is on the page", never)
				}
			}
			if !strings.Contains(page, "alert(1)") {
				t.Errorf("the text is not shown\n%s", text(page))
			}
		})
	}
}

// TestOwnHostileAddress: an endpoint that is a script does not become a link.
func TestOwnHostileAddress(t *testing.T) {
	_, own := ownIssuer(t, issuertest.Edit{Metadata: func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" }})
	b := openTab(t, own)
	page := b.read(b.http.PostForm(b.base+"run", url.Values{}))
	if continueLink.MatchString(page) || strings.Contains(page, `"javascript:`) || !strings.Contains(page, "did not start") {
		t.Error(text(page))
	}
}

// echoing answers a token request with the content of the request, as a careless server does.
type echoing struct{ base http.RoundTripper }

func (e echoing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Path != string(issuertest.TokenEndpoint) {
		return e.base.RoundTrip(r)
	}
	body, _ := io.ReadAll(r.Body)
	form, _ := url.ParseQuery(string(body))
	text := "the code " + form.Get("code") + " with " + form.Get("code_verifier") + " is unknown"
	answer, _ := json.Marshal(map[string]string{"error": "invalid_grant", "error_description": text})
	header := http.Header{"Content-Type": {"application/json"}, "Www-Authenticate": {`Basic realm="` + text + `"`}, "X-Seen": {text}}
	return &http.Response{StatusCode: 400, ProtoMajor: 1, Header: header, Body: io.NopCloser(bytes.NewReader(answer)), Request: r}, nil
}

// TestOwnEcho: the page does not have a secret that the server repeats in an error.
func TestOwnEcho(t *testing.T) {
	_, own := ownIssuer(t, issuertest.Edit{})
	code := ""
	own.Transport = echoing{http.DefaultTransport}
	b := openTab(t, own)
	b.http.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if s := r.URL.Query().Get("code"); s != "" {
			code = s
		}
		return nil
	}
	page := b.finish(b.begin(""))
	if code == "" || !strings.Contains(page, "is unknown") {
		t.Fatal(text(page))
	}
	if at := strings.Index(page, code); at >= 0 {
		t.Errorf("the code is on the page: %s", page[max(0, at-200):at+20])
	}
}

// TestOwnPrivateEndpoint: the metadata of the server cannot make the playground connect to another
// private address than the server's own.
func TestOwnPrivateEndpoint(t *testing.T) {
	reached := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	defer other.Close()
	_, own := ownIssuer(t, issuertest.Edit{Metadata: func(m map[string]any) {
		m["token_endpoint"] = strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/token"
	}})
	b := openTab(t, own)
	if page := b.finish(b.begin("")); reached || !strings.Contains(page, "private address") {
		t.Errorf("reached: %v\n%s", reached, text(page))
	}
}
