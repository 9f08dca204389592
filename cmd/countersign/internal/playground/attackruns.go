package playground

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

func (l *lab) signedIn(s screen) bool { return strings.Contains(s.Text, "the API answers 200") }

// delivery is an authorization response that a browser has received, and has not sent on.
type delivery struct {
	address string
	form    url.Values // of the response mode form_post; nil for a redirect
}

// response begins a login in a browser, up to the authorization response.
func (l *lab) response(b *http.Client) delivery { return l.responseTo(b, l.app+"/photos") }

// responseTo begins at an address: a page of the application, or an authorization request.
func (l *lab) responseTo(b *http.Client, address string) delivery {
	stopped := stopAt(b, func(u *url.URL) bool { return strings.HasPrefix(u.String(), l.app+"/callback") })
	resp, err := stopped.Get(address)
	if err != nil {
		return delivery{}
	}
	defer resp.Body.Close()
	if location := resp.Header.Get("Location"); location != "" {
		return delivery{address: location}
	}
	address, form := autoForm(readPage(resp))
	return delivery{address, form}
}

// deliver opens the response in a browser.
func (l *lab) deliver(b *http.Client, d delivery) screen {
	if d.form != nil {
		return l.submit(b, d.address, d.form)
	}
	return l.get(b, d.address)
}

// with returns the response with another code. The attacker has no key to sign it again.
func (d delivery) with(code string) delivery {
	if d.form != nil {
		return delivery{d.address, withCode(d.form, code)}
	}
	u, err := url.Parse(d.address)
	if err != nil {
		return delivery{}
	}
	u.RawQuery = withCode(u.Query(), code).Encode()
	return delivery{address: u.String()}
}

func withCode(q url.Values, code string) url.Values {
	parts := strings.Split(q.Get("response"), ".")
	if len(parts) != 3 {
		q.Set("code", code)
		return q
	}
	members := payloadOf(q.Get("response"))
	members["code"] = code
	data, _ := json.Marshal(members)
	parts[1] = base64.RawURLEncoding.EncodeToString(data)
	q.Set("response", strings.Join(parts, "."))
	return q
}

// values returns the parameters of the response.
func (d delivery) values() url.Values {
	if u, err := url.Parse(d.address); err == nil && d.form == nil {
		return u.Query()
	}
	return d.form
}

// code returns the code of the response.
func (d delivery) code() string {
	q := d.values()
	if code, ok := payloadOf(q.Get("response"))["code"].(string); ok {
		return code
	}
	return q.Get("code")
}

func swappedState(_ context.Context, l *lab) (screen, string) {
	l.response(l.browser) // the victim's own login is under way
	l.attacker = l.newBrowser()
	l.stolen = l.response(l.attacker)
	return l.rejected(l.deliver(l.browser, l.stolen))
}

func replayedCode(_ context.Context, l *lab) (screen, string) {
	l.attacker, l.stolen = l.browser, l.response(l.browser)
	return l.rejected(l.deliver(l.newBrowser(), l.stolen))
}

func injectedCode(_ context.Context, l *lab) (screen, string) {
	other := l.response(l.newBrowser())
	return l.rejected(l.deliver(l.browser, l.response(l.browser).with(other.code())))
}

// stolen signs in with DPoP, and uses the token without and with another key.
func stolen(ctx context.Context, l *lab) (screen, string) {
	l.get(l.browser, l.app+"/photos")
	l.mu.Lock()
	victim := l.tokens
	l.mu.Unlock()
	if victim == nil || victim.DPoPKey.Key == nil {
		return screen{Text: "the login did not work"}, notRejected
	}
	attacker := l.newBrowser()
	bearer, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.api+"/photos", nil)
	bearer.Header.Set("Authorization", "Bearer "+victim.AccessToken)
	first := l.do(attacker, bearer)
	copied := *victim
	copied.DPoPKey = auth.SigningKey{Key: issuertest.NewKey("attacker", "ES256").Private}
	proof, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.api+"/photos", nil)
	if err := l.client.Authorize(proof, &copied); err != nil {
		return screen{Text: err.Error()}, notRejected
	}
	second := l.do(attacker, proof)
	if first.Status != http.StatusUnauthorized || second.Status != http.StatusUnauthorized {
		return second, notRejected
	}
	second.Text = "As a bearer token: " + first.Text + "\nWith a proof by another key: " + second.Text
	return second, "Rejected by the API with status 401, both times."
}

func crossSite(_ context.Context, l *lab) (screen, string) {
	l.get(l.browser, l.app+"/photos")
	shown := l.post(l.browser, l.app+"/logout", nil, map[string]string{"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"})
	if !l.signedIn(l.get(l.browser, l.app+"/photos")) {
		return shown, notRejected
	}
	shown, outcome := l.rejected(shown)
	return shown, outcome + " The victim is still signed in."
}

func openRedirect(_ context.Context, l *lab) (screen, string) {
	var last screen
	for _, target := range []string{"//attacker.example/", `/\attacker.example/`, "https://attacker.example/"} {
		last = l.get(l.newBrowser(), l.app+"/login?return_to="+url.QueryEscape(target))
		if last.Status != http.StatusOK || !strings.HasPrefix(last.URL, l.app+"/") {
			return last, notRejected
		}
	}
	return last, "Rejected by the application: the three links end at its own page " + last.URL
}

// floodSize is how many tokens the attacker sends. floodFetches is how many fetches of the key set
// they may cause: the first one, and the budget of discovery.Provider.
const floodSize, floodFetches = 50, 4

func flood(_ context.Context, l *lab) (screen, string) {
	attacker := l.newBrowser()
	var last screen
	for n := range floodSize {
		if n == 1 { // 50 arrows would hide the rest
			attacker.Transport = &lazyTransport{l: &lab{roots: l.roots, on: map[string]bool{}}}
		}
		r, _ := http.NewRequest(http.MethodGet, l.api+"/photos", nil)
		r.Header.Set("Authorization", "Bearer "+l.forged(fmt.Sprintf("unknown-%d", n)))
		if last = l.do(attacker, r); last.Status != http.StatusUnauthorized && last.Status != http.StatusServiceUnavailable {
			return last, notRejected
		}
	}
	if fetches := l.keyFetches(); fetches > floodFetches {
		return last, notRejected
	}
	return last, fmt.Sprintf("Rejected by the API: %d tokens, with %d fetches of the key set.", floodSize, l.keyFetches())
}

// forged is an access token with everything right but the key.
func (l *lab) forged(kid string) string {
	claims := map[string]any{
		"iss": l.issuer.URL, "sub": "alice", "aud": l.api, "client_id": appID, "jti": kid,
		"exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(),
	}
	return issuertest.NewKey(kid, "ES256").Sign(claims, map[string]any{"typ": "at+jwt"})
}

func (l *lab) keyFetches() int { return len(l.issuer.Exchanges(issuertest.JWKSEndpoint)) }
