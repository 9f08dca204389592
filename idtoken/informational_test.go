package idtoken_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/optest"
)

// with is the good token with other claims; nil removes one.
func with(claims m) string { return case_{claims: claims}.token() }

// odd are values that are neither a string, nor a number, nor a list of strings.
var odd = []any{true, 1.5, "x", "2026-11-26T07:00:01.180Z", []any{}, []any{1}, []any{"pwd", 1}, []any{[]string{"pwd"}}, m{}, m{"method": "pwd"},
	json.RawMessage("null"), json.RawMessage("1e400"), -1, ""}

// TestInformationalClaims: a claim that no check needs never makes a token fail. A value of the
// wrong type counts as absent. TOK-15, TOK-21.
func TestInformationalClaims(t *testing.T) {
	for _, name := range []string{"amr", "auth_time", "acr", "sid", "tid", "events", "name", "email", "email_verified", "groups", "roles", "address",
		"_claim_names", "_claim_sources", "updated_at", "scope", "client_id", "typ", "alg"} {
		for _, value := range odd {
			token, err := verifier(t).Verify(t.Context(), with(m{name: value}), idtoken.Expected{})
			if err != nil {
				t.Errorf("%s %v: %v", name, value, err)
				continue
			}
			var all map[string]json.RawMessage
			if err := token.Claims(&all); err != nil {
				t.Error(err)
			} else if _, ok := all[name]; !ok {
				t.Errorf("%s is not in the token's claims", name)
			}
			if text, isText := value.(string); !isText && (token.ACR != "" || token.SessionID != "") || isText && name == "acr" && token.ACR != text {
				t.Errorf("%s %v gives %+v", name, value, token)
			}
		}
	}
}

// TestAMR: one string is a list of one; anything else that is not a list of strings is absent.
func TestAMR(t *testing.T) {
	for _, test := range []struct {
		amr  any
		want []string
	}{
		{"simulator", []string{"simulator"}}, {[]string{"pwd", "otp"}, []string{"pwd", "otp"}}, {[]string{}, nil},
		{[]any{"pwd", 1}, nil}, {[]m{{"method": "password"}}, nil}, {m{"0": "pwd"}, nil}, {7, nil}, {json.RawMessage("null"), nil},
	} {
		token, err := verifier(t).Verify(t.Context(), with(m{"amr": test.amr}), idtoken.Expected{})
		if err != nil || !slices.Equal(token.AMR, test.want) {
			t.Errorf("amr %v: %+v, %v", test.amr, token, err)
		}
	}
}

// TestExactClaims: claims that identify or limit must have the right type. TOK-11, TOK-12,
// TOK-13, TOK-17.
func TestExactClaims(t *testing.T) {
	for _, name := range []string{"iss", "sub", "aud", "exp", "iat", "nbf", "azp", "jti", "nonce", "at_hash", "c_hash", "s_hash"} {
		for _, value := range []any{true, m{}, []any{1}, []any{m{}}} {
			if _, err := verifier(t).Verify(t.Context(), with(m{name: value}), idtoken.Expected{}); err == nil {
				t.Errorf("%s %v is accepted", name, value)
			}
		}
	}
}

// TestInformationalClaimsOfLogoutTokens: a logout token needs sub or sid. One with the wrong type
// counts as absent. LO-01.
func TestInformationalClaimsOfLogoutTokens(t *testing.T) {
	logout := func(more m) string {
		claims := m{"jti": fmt.Sprint(len(more), more), "events": m{"http://schemas.openid.net/event/backchannel-logout": m{}}}
		for name, value := range more {
			claims[name] = value
		}
		return case_{claims: claims, header: m{"typ": "logout+jwt"}}.token()
	}
	for _, name := range []string{"amr", "auth_time", "acr", "sid", "tid", "name"} {
		for _, value := range odd {
			got, err := verifier(t).VerifyLogout(t.Context(), logout(m{name: value}))
			if err != nil || got.Subject != "alice" {
				t.Errorf("%s %v: %+v, %v", name, value, got, err)
			}
		}
	}
	for _, value := range []any{7, m{}, json.RawMessage("null"), []string{"s"}} {
		if _, err := verifier(t).VerifyLogout(t.Context(), logout(m{"sub": nil, "sid": value})); err == nil || !strings.Contains(err.Error(), "sub and sid are missing") {
			t.Errorf("sid %v alone: %v", value, err)
		}
		if value != nil {
			if _, err := verifier(t).VerifyLogout(t.Context(), logout(m{"events": value})); err == nil || !strings.Contains(err.Error(), "events") {
				t.Errorf("events %v: %v", value, err)
			}
		}
	}
}

// TestTexts: the error says "missing" for a missing claim, and "logout token" for a logout token.
func TestTexts(t *testing.T) {
	for _, test := range []struct {
		claims m
		text   string
	}{
		{m{"iss": nil}, "iss is missing"}, {m{"aud": nil}, "aud is missing"}, {m{"aud": []string{}}, "aud is missing"}, {m{"sub": nil}, "sub is missing"},
		{m{"exp": nil}, "exp is missing"}, {m{"iat": nil}, "iat is missing"}, {m{"aud": "other"}, `aud is "other", expected the client_id "rp"`},
	} {
		_, err := verifier(t).Verify(t.Context(), with(test.claims), idtoken.Expected{})
		if err == nil || !strings.Contains(err.Error(), test.text) || !strings.HasPrefix(err.Error(), "id token: ") {
			t.Errorf("%v: %v", test.claims, err)
		}
		_, err = verifier(t).VerifyLogout(t.Context(), with(test.claims))
		var e *idtoken.Error
		if !errors.As(err, &e) || strings.Contains(err.Error(), "id token") || !strings.HasPrefix(err.Error(), "logout token: step ") {
			t.Errorf("%v of a logout token: %v", test.claims, err)
		}
	}
}

// TestHashFromTheBrowser: at_hash is checked with the access token of the same response. OpenID
// Connect Core §3.3.2.11, TOK-16.
func TestHashFromTheBrowser(t *testing.T) {
	good, other := optest.LeftHalf("RS256", "at"), optest.LeftHalf("RS256", "other")
	code := m{"nonce": "n", "c_hash": optest.LeftHalf("RS256", "code")}
	for name, test := range map[string]struct {
		atHash any
		want   idtoken.Expected
		step   int
	}{
		"no access token":                 {good, idtoken.Expected{}, 0},
		"no access token, odd hash":       {"x", idtoken.Expected{}, 0},
		"its access token":                {good, idtoken.Expected{AccessToken: "at"}, 0},
		"another access token":            {other, idtoken.Expected{AccessToken: "at"}, 14},
		"an access token, no at_hash":     {nil, idtoken.Expected{AccessToken: "at"}, 14},
		"no access token, but wrong code": {good, idtoken.Expected{Code: "other"}, 14},
	} {
		c := case_{name: name, claims: m{"at_hash": test.atHash}, want: test.want, step: test.step}
		for k, v := range code {
			c.claims[k] = v
		}
		c.want.Nonce, c.want.FrontChannel = "n", true
		if c.want.Code == "" {
			c.want.Code = "code"
		}
		t.Run(name, c.run)
	}
}

// TestResults: which steps are valid, not applicable or skipped.
func TestResults(t *testing.T) {
	results := func(edit func(*idtoken.Verifier), claims m, want idtoken.Expected) string {
		v := verifier(t)
		edit(v)
		_, report := v.Check(t.Context(), with(claims), want)
		if err := report.Err(); err != nil {
			t.Fatal(err)
		}
		letters := ""
		for _, s := range report.Steps {
			letters += map[idtoken.Result]string{idtoken.Valid: "V", idtoken.NotApplicable: "-", idtoken.Skipped: "S"}[s.Result]
			if (s.Result == idtoken.Valid) != (s.Reason == "") {
				t.Errorf("step %d is %v, with reason %q", s.Number, s.Result, s.Reason)
			}
		}
		return letters
	}
	none := func(*idtoken.Verifier) {}
	for _, test := range []struct {
		name, got, want string
	}{
		{"a plain token", results(none, nil, idtoken.Expected{}), "-VV--VVVVV----"},
		{"everything is there", results(func(v *idtoken.Verifier) { v.TrustedAudiences = []string{"p"} }, m{"aud": []string{clientID, "p"}, "azp": clientID,
			"nonce": "n", "acr": "gold", "auth_time": clock.Unix(), "at_hash": optest.LeftHalf("RS256", "at")},
			idtoken.Expected{Nonce: "n", ACRValues: []string{"gold"}, MaxAge: seconds(60), AccessToken: "at"}), "-VVVVVVVVVVVVV"},
		{"nothing was requested", results(none, m{"acr": "gold", "auth_time": clock.Unix()}, idtoken.Expected{AccessToken: "at"}), "-VV--VVVVV----"},
		{"settings turn checks off", results(func(v *idtoken.Verifier) { v.InsecureSkipSignature, v.InsecureMissingNonce = true, true }, nil,
			idtoken.Expected{Nonce: "n", FromTokenEndpoint: true}), "-VV--SVSVVS---"},
		{"after a refresh", results(none, nil, idtoken.Expected{Original: &idtoken.Original{Issuer: issuer, Subject: "alice", Audience: []string{clientID}, Nonce: "n"}}), "-VV--VVVVV----"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s, want %s", test.name, test.got, test.want)
		}
	}
}

// TestMissingNonce: a token of the token endpoint without nonce is accepted only with
// InsecureMissingNonce. TOK-14.
func TestMissingNonce(t *testing.T) {
	allow := func(v *idtoken.Verifier) { v.InsecureMissingNonce = true }
	for _, c := range []case_{
		{name: "without the switch", want: idtoken.Expected{Nonce: "n", FromTokenEndpoint: true}, step: 11},
		{name: "with the switch", edit: allow, want: idtoken.Expected{Nonce: "n", FromTokenEndpoint: true}},
		{name: "from the browser", edit: allow, claims: m{"c_hash": optest.LeftHalf("RS256", "code")}, want: idtoken.Expected{Nonce: "n", FrontChannel: true, Code: "code"}, step: 11},
		{name: "another nonce", edit: allow, claims: m{"nonce": "o"}, want: idtoken.Expected{Nonce: "n", FromTokenEndpoint: true}, step: 11},
		{name: "an empty nonce", edit: allow, claims: m{"nonce": ""}, want: idtoken.Expected{Nonce: "n", FromTokenEndpoint: true}, step: 11},
		{name: "a nonce that was not sent", edit: allow, claims: m{"nonce": "n"}, want: idtoken.Expected{FromTokenEndpoint: true}, step: 11},
	} {
		t.Run(c.name, c.run)
	}
}

// TestRSAOAEP: RSA-OAEP with SHA-1 is decrypted only with its setting, RSA1_5 never. TOK-18.
func TestRSAOAEP(t *testing.T) {
	v := verifier(t)
	v.DecryptionKeys = []idtoken.DecryptionKey{{Key: rsaKey}}
	raw := encrypt(t, key.Sign(goodClaims(), nil), "RSA-OAEP", "A256GCM", "", rsaKey.Public())
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil || !strings.Contains(err.Error(), "InsecureRSAOAEP") {
		t.Errorf("without the switch: %v", err)
	}
	v.InsecureRSAOAEP = true
	if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err != nil {
		t.Error(err)
	}
	for _, alg := range []string{"RSA1_5", "RSA-OAEP-512"} {
		header := optest.B64([]byte(`{"alg":"` + alg + `","enc":"A256GCM"}`))
		if _, err := v.Verify(t.Context(), header+"."+strings.SplitN(raw, ".", 2)[1], idtoken.Expected{}); err == nil || !strings.Contains(err.Error(), alg) {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// TestMaxSize: the ID token of a user with hundreds of groups is accepted with a larger MaxSize,
// encrypted too. TOK-02.
func TestMaxSize(t *testing.T) {
	var groups []string
	for i := range 547 {
		groups = append(groups, fmt.Sprintf("organisation:a-team-with-a-name-%04d", i))
	}
	signed := with(m{"groups": groups})
	for _, raw := range []string{signed, encrypt(t, signed, "RSA-OAEP-256", "A256GCM", "", rsaKey.Public())} {
		v := verifier(t)
		if strings.Count(raw, ".") == 4 {
			v.DecryptionKeys = []idtoken.DecryptionKey{{Key: rsaKey}}
		}
		if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err == nil || !strings.Contains(err.Error(), "MaxSize") {
			t.Errorf("by default: %v", err)
		}
		v.MaxSize = 64 << 10
		if _, err := v.Verify(t.Context(), raw, idtoken.Expected{}); err != nil {
			t.Error(err)
		}
	}
	v := verifier(t)
	v.MaxSize = 1 << 30
	if _, err := v.Verify(t.Context(), with(m{"x": strings.Repeat("x", 64<<10)}), idtoken.Expected{}); err == nil {
		t.Error("more than 64 KiB are read")
	}
}

// TestClockErrors: an error about the time contains the difference of the clocks, and the clock
// that is ahead.
func TestClockErrors(t *testing.T) {
	now := clock.Unix()
	for name, test := range map[string]struct {
		claims m
		want   idtoken.Expected
		texts  []string
		not    string
	}{
		"iat ahead": {m{"iat": now + 125}, idtoken.Expected{}, []string{"iat", "in the future by 2m5s", "2m5s behind", "Skew"}, "ahead of"},
		"nbf ahead": {m{"nbf": now + 90}, idtoken.Expected{}, []string{"nbf", "1m30s behind", "Skew"}, "ahead of"},
		"iat ahead, and the Date header says how far": {m{"iat": now + 125}, idtoken.Expected{Date: clock.Add(130 * time.Second)},
			[]string{"Date header", "2m10s behind", "Skew"}, "ahead of"},
		"iat ahead, and the clocks agree": {m{"iat": now + 125}, idtoken.Expected{Date: clock}, []string{"in the future by 2m5s", "Skew"}, "clock"},
		"expired, the local clock is ahead": {m{"iat": now - 400, "exp": now - 100}, idtoken.Expected{Date: clock.Add(-400 * time.Second), FromTokenEndpoint: true},
			[]string{"expired", "1m40s before now", "Date header", "6m40s ahead", "Skew"}, "behind"},
		"expired, just issued":    {m{"iat": now - 400, "exp": now - 100}, idtoken.Expected{FromTokenEndpoint: true}, []string{"6m40s ahead", "Skew"}, "behind"},
		"expired, from elsewhere": {m{"iat": now - 400, "exp": now - 100}, idtoken.Expected{}, []string{"expired", "1m40s before now"}, "clock"},
		"too old, the local clock is ahead": {m{"iat": now - 90000}, idtoken.Expected{Date: clock.Add(-90000 * time.Second)},
			[]string{"IssuedWithin", "25h ahead", "Skew"}, "behind"},
		"auth_time ahead": {m{"auth_time": now + 60}, idtoken.Expected{}, []string{"auth_time", "1m behind", "Skew"}, "ahead of"},
		"auth_time too old, the local clock is ahead": {m{"auth_time": now - 200}, idtoken.Expected{MaxAge: seconds(100), Date: clock.Add(-200 * time.Second)},
			[]string{"max_age", "3m20s ahead", "Skew"}, "behind"},
	} {
		_, err := verifier(t).Verify(t.Context(), with(test.claims), test.want)
		if err == nil {
			t.Fatalf("%s: accepted", name)
		}
		for _, text := range test.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: no %q in %v", name, text, err)
			}
		}
		if strings.Contains(err.Error(), test.not) {
			t.Errorf("%s: %q in %v", name, test.not, err)
		}
	}
}

// TestLongestDurations: the largest Duration does not overflow. TOK-13, TOK-15.
func TestLongestDurations(t *testing.T) {
	longest := time.Duration(1<<63 - 1)
	v := verifier(t)
	v.IssuedWithin = longest
	if _, err := v.Verify(t.Context(), with(m{"iat": 1, "auth_time": 1}), idtoken.Expected{MaxAge: &longest}); err != nil {
		t.Error(err)
	}
}
