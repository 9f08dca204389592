package issuertest_test

import (
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery/issuertest"
)

// person is a user who uses the pages.
type person struct {
	t      *testing.T
	issuer *issuertest.Issuer
}

// send returns the status, the body and the address of a redirect. The address is nil without
// one.
func (p person) send(method, address string, form url.Values) (int, string, *url.URL) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "text/html")
	hc := p.issuer.Client()
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := hc.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	to, _ := resp.Location()
	return resp.StatusCode, string(body), to
}

func (p person) answer(page issuertest.Endpoint, form url.Values) (int, string, *url.URL) {
	p.t.Helper()
	return p.send(http.MethodPost, p.issuer.URL+string(page), form)
}

var hiddenID = regexp.MustCompile(`name="id" value="([^"]+)"`)

func idIn(t *testing.T, body string) string {
	t.Helper()
	m := hiddenID.FindStringSubmatch(body)
	if m == nil {
		t.Fatalf("no form:\n%s", body)
	}
	return m[1]
}

// toConsent opens the consent page, and returns it with the id in it.
func toConsent(t *testing.T) (p person, page, id string) {
	t.Helper()
	p = person{t, issuertest.New(t, issuertest.Config{
		Page: true, ScopeTexts: map[string]string{"photos.read": "See your photos"},
		Clients: []issuertest.Client{{ID: "web", Name: "The print shop", RedirectURLs: []string{"https://app.example/callback"}}},
	})}
	q := url.Values{"client_id": {"web"}, "response_type": {"code"}, "scope": {"openid email photos.read other"}, "code_challenge": {strings.Repeat("a", 43)}, "code_challenge_method": {"S256"}}
	_, body, _ := p.send(http.MethodGet, p.issuer.URL+"/authorize?"+q.Encode(), nil)
	_, _, to := p.answer(issuertest.SignInPage, url.Values{"id": {idIn(t, body)}, "user": {"alice"}})
	if to == nil {
		t.Fatal("the sign-in does not lead to the consent")
	}
	_, page, _ = p.send(http.MethodGet, to.String(), nil)
	return p, page, idIn(t, page)
}

// TestConsentPage: the page shows the client, the user, and the meaning of each scope. The code
// is issued afterwards.
func TestConsentPage(t *testing.T) {
	p, page, id := toConsent(t)
	for _, want := range []string{
		"Allow access?", "The print shop", "Alice Liddell", "Recognize your account", "See your email address", "See your photos", "Use what this scope allows", "app.example",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if _, _, to := p.answer(issuertest.ConsentPage, url.Values{"id": {id}, "action": {"allow"}}); to == nil || !to.Query().Has("code") {
		t.Errorf("allowed: %v", to)
	}
	if status, _, to := p.answer(issuertest.ConsentPage, url.Values{"id": {id}, "action": {"allow"}}); status != http.StatusBadRequest || to != nil {
		t.Errorf("the page sent again: status %d, %v", status, to)
	}
}

// TestConsentIsAnAnswer: only the "allow" button of the consent page leads to a code.
func TestConsentIsAnAnswer(t *testing.T) {
	for _, action := range []string{"cancel", ""} {
		p, _, id := toConsent(t)
		_, _, to := p.answer(issuertest.ConsentPage, url.Values{"id": {id}, "action": {action}})
		if to == nil || to.Query().Get("error") != "access_denied" || to.Query().Has("code") {
			t.Errorf("action %q: %v", action, to)
		}
	}
	p, _, id := toConsent(t)
	if status, _, to := p.answer(issuertest.SignInPage, url.Values{"id": {id}, "user": {"alice"}}); status != http.StatusBadRequest || to != nil {
		t.Errorf("the id of the consent page at the sign-in page: status %d, %v", status, to)
	}
}

// TestNotFoundPage: browsers get a page, other clients get text.
func TestNotFoundPage(t *testing.T) {
	p := person{t, issuertest.New(t, issuertest.Config{})}
	if status, body, _ := p.send(http.MethodGet, p.issuer.URL+"/", nil); status != http.StatusNotFound || !strings.Contains(body, "Page not found") {
		t.Errorf("status %d:\n%s", status, body)
	}
	resp, err := p.issuer.Client().Get(p.issuer.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusNotFound || len(body) > 0 {
		t.Errorf("without Accept: %d %s", resp.StatusCode, body)
	}
}
