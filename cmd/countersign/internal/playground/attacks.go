package playground

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/discovery/issuertest"
)

// Attack is one attack on the application or the API. Each run is real: the embedded server
// misbehaves, or a second browser does what an attacker would do.
type Attack struct {
	ID, Name string
	Text     string // what the attacker does
	Check    string // what rejects it
	Clause   string // of that check
	Without  string // what happens with a library that lacks the check

	// Needs are the switches that the attack turns on or off, because it attacks their protection.
	Needs map[string]bool

	run func(context.Context, *lab) (screen, string)

	// would does what such a library would have done, in the same run, and returns the result as text.
	would func(context.Context, *lab) string
}

// Attacks are in the order of the page.
var Attacks = []Attack{
	{"state", "Swapped state", "The attacker begins a login, and makes the victim's browser open the response. The response has the state of the attacker's login.",
		"login.Callback finds the login by its state in a cookie of this browser.", "RFC 6749 §10.12",
		"A library that does not compare state redeems the attacker's code. If it does not use PKCE either, the victim is signed in to the attacker's account.", nil, swappedState, stillWorks("the attacker's browser")},
	{"replay", "Replayed code", "The attacker has read the address of the victim's response, and opens it in another browser.",
		"login.Callback finds the login in a cookie. Another browser does not have it.", "RFC 9700 §4.5",
		"A library that finds the login only by state, on the server's side, signs the attacker in as the victim.", nil, replayedCode, stillWorks("the victim's browser")},
	{"inject", "Injected code", "The attacker puts the code of another login into the victim's response. The server checks PKCE.",
		"client.Finish sends the code_verifier of this login, which does not match the code of another login.", "RFC 7636 §4.6",
		"Without PKCE the server redeems the code. A library that does not compare nonce either signs the browser in with the tokens of another login.", nil, injectedCode, withoutPKCE},
	{"mixup", "Issuer mix-up", "The server of this login is malicious, and sends the browser on to an honest server. The response has the honest server's iss.",
		"client.Finish compares iss with the issuer of this login.", "RFC 9207 §2.4",
		"A library that ignores iss sends the honest server's code to the malicious server, which can then use it.", nil, mixUp, wouldSendCode},
	{"none", "Algorithm none", "The ID token has alg none and no signature.",
		"package idtoken accepts only signed tokens.", "RFC 8725 §3.2",
		"A library that trusts the header accepts forged ID tokens.", nil, byFault(issuertest.IDTokenAlgorithmNone), wouldAccept(unsigned)},
	{"confusion", "Key confusion", "The ID token is signed with HS256. The secret is the server's public key, and anyone can read that key.",
		"package idtoken accepts only the algorithms of Config.IDTokenAlgs.", "RFC 8725 §3.1",
		"A library that lets the header choose the algorithm uses the public key as the secret, and accepts the token.", nil, byFault(issuertest.IDTokenAlgorithmPublic), wouldAccept(signedWithPublicKey)},
	{"nonce", "Foreign nonce", "The ID token was issued for another login.",
		"package idtoken compares nonce with that of this login.", "OpenID Connect Core §3.1.3.7",
		"A library that does not compare nonce accepts an ID token that was stolen from another login.", nil, byFault(issuertest.IDTokenNonceWrong), wouldAccept(signed)},
	{"stolen", "Stolen DPoP token", "The attacker has the access token of an application that uses DPoP. The attacker calls the API with it as a bearer token, and with a proof by another key.",
		"rs.Protection compares the key of the proof with cnf in the token.", "RFC 9449 §7.1",
		"An API that ignores cnf answers with the victim's photos.", map[string]bool{"dpop": true, "mtls": false}, stolen, wouldAnswer},
	{"logout", "Logout token as ID token", "The token response has a logout token of the same server instead of the ID token. Its signature is valid.",
		"package idtoken accepts only the typ JWT.", "OpenID Connect Back-Channel Logout §4.1",
		"A library that checks only signature, iss, aud and exp accepts it as a login.", nil, logoutToken, wouldAccept(signed)},
	{"clock", "Wrong clock", "The application's clock is an hour fast.",
		"package idtoken rejects a token after exp. Config.Skew is five minutes at most.", "OpenID Connect Core §3.1.3.7",
		"A library with a tolerance of an hour hides the wrong clock. It accepts each token for an hour after exp.", nil, wrongClock, wouldAccept(signed)},
	{"crosssite", "Cross-site post", "A page of another site posts to the application's logout, with the victim's cookies.",
		"login.Logout rejects posts from other sites.", "W3C Fetch Metadata §2.3",
		"A library without a check of the origin signs the victim out. In other handlers the damage can be greater.", nil, crossSite, withoutOriginCheck},
	{"redirect", "Open redirect", "A link to the application's sign-in page names the attacker's site as the page to return to.",
		"login.Start returns only to paths of this site.", "RFC 9700 §4.11",
		"A library that returns to any address sends the visitor to a copy of the site after a real login.", nil, openRedirect, withoutReturnCheck},
	{"flood", "Flood of unknown kids", "The attacker sends 50 tokens with different unknown kids, to make the API fetch the keys each time.",
		"discovery.Provider limits how often it fetches keys for unknown kids.", "OpenID Connect Core §10.1.1",
		"A library that fetches the key set for each unknown kid lets the attacker overload the server.", map[string]bool{"opaque": false, "introspection": false}, flood, wouldFetch},
}

// attackByID is nil for an unknown id.
func attackByID(id string) *Attack {
	for i := range Attacks {
		if Attacks[i].ID == id {
			return &Attacks[i]
		}
	}
	return nil
}

// OnAPI reports that the attack is on the API: there is no visitor.
func (a *Attack) OnAPI() bool { return a.ID == "stolen" || a.ID == "flood" }

const notRejected = "NOT REJECTED"

// Bad reports that the attack was not rejected.
func (r *Result) Bad() bool { return r.Outcome == notRejected }

// byFault makes the server misbehave.
func byFault(f issuertest.Fault) func(context.Context, *lab) (screen, string) {
	return func(_ context.Context, l *lab) (screen, string) {
		l.issuer.Inject(f)
		return l.rejected(l.get(l.browser, l.app+"/photos"))
	}
}

// mixUp is in the signed response with JARM.
func mixUp(ctx context.Context, l *lab) (screen, string) {
	if jarm(l.on) {
		return byFault(issuertest.CallbackResponseIssuer)(ctx, l)
	}
	return byFault(issuertest.CallbackIssuerForeign)(ctx, l)
}

// rejected says by what a page shows that the attack failed.
func (l *lab) rejected(s screen) (screen, string) {
	if s.Status < 400 || l.signedIn(s) {
		return s, notRejected
	}
	return s, fmt.Sprintf("Rejected by the application with status %d.", s.Status)
}

func logoutToken(_ context.Context, l *lab) (screen, string) {
	change := replaceIDTokenWith(func(string) string { return l.issuer.LogoutToken(appID, issuertest.Subject, "") })
	l.set(func() { l.tamper = change })
	return l.rejected(l.get(l.browser, l.app+"/photos"))
}

func wrongClock(_ context.Context, l *lab) (screen, string) {
	l.ahead.Store(int64(time.Hour))
	return l.rejected(l.get(l.browser, l.app+"/photos"))
}
