package playground

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery/issuertest"
)

// Attack is one attack on the application or the API. Each run is real: the embedded server
// misbehaves, or a second browser does what an attacker would do.
type Attack struct {
	ID, Name string
	Text     string // what the attacker does
	Without  string // what happens with a library that lacks the check
	run      func(context.Context, *lab) (screen, string)
}

// Attacks are in the order of the page.
var Attacks = []Attack{
	{"state", "Swapped state", "The attacker replaces state in the response, so that the response of one login ends another one.",
		"A library that does not compare state signs the victim in to the attacker's account (login CSRF).", func(_ context.Context, l *lab) (screen, string) {
			return l.callback(func(q url.Values) { q.Set("state", "another-state-of-another-browser-000000000000") })
		}},
	{"replay", "Replayed code", "The attacker has read the address of the victim's response, and opens it in another browser.",
		"A library that keeps state outside of the browser signs the attacker in as the victim, if the code still works.", func(_ context.Context, l *lab) (screen, string) {
			address := l.response(l.browser)
			return l.rejected(l.get(l.newBrowser(), address))
		}},
	{"inject", "Injected code", "The attacker puts a code of another login into the victim's response. The server checks PKCE.",
		"Without PKCE the server redeems the code, and the victim's session has the tokens of another login.", func(_ context.Context, l *lab) (screen, string) {
			other, _ := url.Parse(l.response(l.newBrowser()))
			return l.callback(func(q url.Values) { q.Set("code", other.Query().Get("code")) })
		}},
	{"mixup", "Issuer mix-up", "A malicious server sends its response in the place of the honest server's.",
		"A library that ignores iss (RFC 9207) sends the code to the wrong server, which then uses it.", byFault(issuertest.CallbackIssuerForeign)},
	{"none", "Algorithm none", "The ID token has alg none and no signature.",
		"A library that believes the header accepts any ID token that anybody writes.", byFault(issuertest.IDTokenAlgorithmNone)},
	{"confusion", "Key confusion", "The ID token is signed with HS256. The secret is the server's public key, which everybody knows.",
		"A library that lets the header choose the algorithm uses the public key as the secret, and accepts the token.", byFault(issuertest.IDTokenAlgorithmPublic)},
	{"nonce", "Foreign nonce", "The ID token was issued for another login.",
		"A library that does not compare nonce accepts an ID token that was stolen elsewhere.", byFault(issuertest.IDTokenNonceWrong)},
	{"stolen", "Stolen DPoP token", "The attacker has the access token of an application that uses DPoP, and calls the API: as a bearer token, and with a proof by another key.",
		"An API that ignores cnf answers with the victim's photos.", stolen},
	{"logout", "Logout token as ID token", "The token response has a logout token of the same server in the place of the ID token. Its signature is valid.",
		"A library that checks only signature, iss and aud takes it for a login.", func(_ context.Context, l *lab) (screen, string) {
			l.tamper = replaceIDToken(func() string { return l.issuer.LogoutToken(appID, issuertest.Subject, "") })
			return l.rejected(l.get(l.browser, l.app+"/photos"))
		}},
	{"clock", "Wrong clock", "The application's clock is an hour fast.",
		"A library with a large tolerance accepts tokens for an hour after they have expired.", func(_ context.Context, l *lab) (screen, string) {
			l.ahead = time.Hour
			return l.rejected(l.get(l.browser, l.app+"/photos"))
		}},
	{"crosssite", "Cross-site post", "A page of another site posts to the application's logout, with the victim's cookies.",
		"A library without a check of the origin signs the victim out, or does worse in other handlers.", func(_ context.Context, l *lab) (screen, string) {
			l.get(l.browser, l.app+"/photos")
			return l.rejected(l.post(l.browser, l.app+"/logout", nil, map[string]string{"Origin": "https://attacker.example", "Sec-Fetch-Site": "cross-site"}))
		}},
	{"redirect", "Open redirect", "A link to the application's sign-in page names the attacker's site as the page to return to.",
		"A library that returns to any address sends the visitor to a copy of the site after a real login.", openRedirect},
	{"flood", "Flood of unknown kids", "The attacker sends 50 tokens, each with another unknown kid, so that the API fetches the keys each time.",
		"A library that fetches the key set for each unknown kid sends 50 requests, and takes the server down.", flood},
}

func attackByID(id string) *Attack {
	for i := range Attacks {
		if Attacks[i].ID == id {
			return &Attacks[i]
		}
	}
	return nil
}

const notRejected = "NOT REJECTED"

// byFault makes the server misbehave.
func byFault(f issuertest.Fault) func(context.Context, *lab) (screen, string) {
	return func(_ context.Context, l *lab) (screen, string) {
		l.issuer.Inject(f)
		return l.rejected(l.get(l.browser, l.app+"/photos"))
	}
}

// rejected says by what a page shows that the attack failed.
func (l *lab) rejected(s screen) (screen, string) {
	if s.Status < 400 || l.signedIn(s) {
		return s, notRejected
	}
	return s, fmt.Sprintf("Rejected by the application with status %d.", s.Status)
}

func (l *lab) signedIn(s screen) bool { return strings.Contains(s.Text, "the API answers 200") }

// response is the address of the authorization response in a browser, which does not open it.
func (l *lab) response(b *http.Client) string {
	return l.get(stopAt(b, func(u *url.URL) bool { return strings.HasPrefix(u.String(), l.app+"/callback") }), l.app+"/photos").Location
}

// callback opens the response after a change.
func (l *lab) callback(change func(url.Values)) (screen, string) {
	u, err := url.Parse(l.response(l.browser))
	if err != nil || u.Query().Get("state") == "" {
		return screen{}, "The response is signed or in a form: the attacker cannot change it. Turn JARM and form_post off to see this attack."
	}
	q := u.Query()
	change(q)
	u.RawQuery = q.Encode()
	return l.rejected(l.get(l.browser, u.String()))
}

// replaceIDToken changes token responses on their way to the application.
func replaceIDToken(other func() string) func(*http.Response) {
	return func(resp *http.Response) {
		if resp.Request.URL.Path != string(issuertest.TokenEndpoint) {
			return
		}
		var members map[string]any
		if json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&members) == nil && members["id_token"] != nil {
			members["id_token"] = other()
		}
		body, _ := json.Marshal(members)
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		resp.Header.Set("Content-Length", fmt.Sprint(len(body)))
	}
}

// stolen signs in with DPoP, and uses the token without and with another key.
func stolen(ctx context.Context, l *lab) (screen, string) {
	l.get(l.browser, l.app+"/photos")
	l.mu.Lock()
	victim := l.tokens
	l.mu.Unlock()
	if victim == nil || victim.DPoPKey.Key == nil {
		return screen{}, "The access token is bound to no key: turn DPoP on."
	}
	attacker := &http.Client{Transport: l.recorder(laneBrowser, &lazyTransport{l: &lab{roots: l.roots, on: map[string]bool{}}})}
	bearer, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.api+"/photos", nil)
	bearer.Header.Set("Authorization", "Bearer "+victim.AccessToken)
	resp, err := attacker.Do(bearer)
	first := l.read(attacker, resp, err)
	copied := *victim
	copied.DPoPKey = auth.SigningKey{Key: issuertest.NewKey("attacker", "ES256").Private}
	proof, _ := http.NewRequestWithContext(ctx, http.MethodGet, l.api+"/photos", nil)
	if err := l.client.Authorize(proof, &copied); err != nil {
		return screen{Text: err.Error()}, notRejected
	}
	resp, err = attacker.Do(proof)
	second := l.read(attacker, resp, err)
	if first.Status != http.StatusUnauthorized || second.Status != http.StatusUnauthorized {
		return second, notRejected
	}
	second.Text = "As a bearer token: " + first.Text + "\nWith a proof by another key: " + second.Text
	return second, "Rejected by the API with status 401, both times."
}

func openRedirect(_ context.Context, l *lab) (screen, string) {
	for _, target := range []string{"//attacker.example/", `/\attacker.example/`, "https://attacker.example/"} {
		s := l.get(l.newBrowser(), l.app+"/login?return_to="+url.QueryEscape(target))
		if !strings.HasPrefix(s.URL, l.app+"/") {
			return s, notRejected
		}
		if target == "https://attacker.example/" {
			return s, "The three links end at the application itself: " + s.URL
		}
	}
	return screen{}, notRejected
}

// floodSize is how many tokens the attacker sends, and floodFetches how many fetches of the
// key set are allowed for them: the first, and the budget of discovery.Provider.
const floodSize, floodFetches = 50, 4

func flood(_ context.Context, l *lab) (screen, string) {
	if l.on["opaque"] || l.on["introspection"] {
		return screen{}, "The API introspects tokens and needs no keys: turn introspection off to see this attack."
	}
	key := issuertest.NewKey("", "ES256")
	attacker := l.newBrowser()
	attacker.Transport = &lazyTransport{l: &lab{roots: l.roots, on: map[string]bool{}}} // 50 arrows would hide the rest
	var last screen
	for n := range floodSize {
		key.ID = fmt.Sprintf("unknown-%d", n)
		r, _ := http.NewRequest(http.MethodGet, l.api+"/photos", nil)
		r.Header.Set("Authorization", "Bearer "+key.Sign(map[string]any{
			"iss": l.issuer.URL, "sub": "alice", "aud": l.api, "client_id": appID, "exp": time.Now().Add(time.Minute).Unix(), "iat": time.Now().Unix(), "jti": key.ID,
		}, map[string]any{"typ": "at+jwt"}))
		resp, err := attacker.Do(r)
		if last = l.read(attacker, resp, err); last.Status != http.StatusUnauthorized && last.Status != http.StatusServiceUnavailable {
			return last, notRejected
		}
	}
	fetches := len(l.issuer.Exchanges(issuertest.JWKSEndpoint))
	if fetches > floodFetches {
		return last, notRejected
	}
	return last, fmt.Sprintf("The API rejected %d tokens, and fetched the key set %d times.", floodSize, fetches)
}
