package idtoken_test

import (
	"encoding/base64"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/jose"
)

// TestRows: a row is Valid if the check ran. It is Not applicable, with the reason, if there was
// nothing to check. It is Skipped only if a setting disabled the check.
func TestRows(t *testing.T) {
	const token, code = "canary-token", "canary-code"
	hash := func(v string) string {
		half, err := jose.LeftHalf("RS256", v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(half)
	}
	age := time.Hour
	hour := clock.Unix() - 60
	unset := func(v *idtoken.Verifier) {}
	original := &idtoken.Original{Issuer: issuer, Subject: "alice", Audience: []string{clientID}, IssuedAt: clock}
	later := *original
	later.AuthTime = time.Unix(hour, 0)
	for name, test := range map[string]struct {
		claims m
		want   idtoken.Expected
		edit   func(*idtoken.Verifier)
		rows   string // 4, 5, 6, 7, 8 and 11 to 14: V, N or S
		says   string
	}{
		"bare":                     {m{}, idtoken.Expected{}, unset, "NNVVVNNNN", "the request had no nonce"},
		"nonce":                    {m{"nonce": "n"}, idtoken.Expected{Nonce: "n"}, unset, "NNVVVVNNN", "only one audience"},
		"no nonce, which is set":   {m{}, idtoken.Expected{Nonce: "n"}, func(v *idtoken.Verifier) { v.InsecureMissingNonce = true }, "NNVVVSNNN", "InsecureMissingNonce"},
		"nonce, not needed":        {m{"nonce": "n"}, idtoken.Expected{Nonce: "n"}, func(v *idtoken.Verifier) { v.InsecureMissingNonce = true }, "NNVVVVNNN", "no azp"},
		"azp":                      {m{"azp": clientID}, idtoken.Expected{}, unset, "NVVVVNNNN", "only one audience"},
		"audiences":                {m{"aud": []string{clientID, "x"}, "azp": clientID}, idtoken.Expected{}, func(v *idtoken.Verifier) { v.TrustedAudiences = []string{"x"} }, "VVVVVNNNN", "no nonce"},
		"acr that is not asked":    {m{"acr": "1"}, idtoken.Expected{}, unset, "NNVVVNNNN", "no acr was requested"},
		"acr":                      {m{"acr": "1"}, idtoken.Expected{ACRValues: []string{"1"}}, unset, "NNVVVNVNN", "only one audience"},
		"auth_time, not asked":     {m{"auth_time": hour}, idtoken.Expected{}, unset, "NNVVVNNNN", "no max_age was requested"},
		"auth_time":                {m{"auth_time": hour}, idtoken.Expected{MaxAge: &age}, unset, "NNVVVNNVN", "only one audience"},
		"at_hash":                  {m{"at_hash": hash(token)}, idtoken.Expected{AccessToken: token}, unset, "NNVVVNNNV", "only one audience"},
		"no at_hash":               {m{}, idtoken.Expected{AccessToken: token, Code: code}, unset, "NNVVVNNNN", "this flow requires none"},
		"hybrid":                   {m{"nonce": "n", "c_hash": hash(code)}, idtoken.Expected{Nonce: "n", Code: code, FrontChannel: true}, unset, "NNVVVVNNV", "only one audience"},
		"at_hash, no access token": {m{"nonce": "n", "at_hash": hash(token)}, idtoken.Expected{Nonce: "n", FrontChannel: true}, unset, "NNVVVVNNN", "no access token came with it"},
		"refresh":                  {m{}, idtoken.Expected{Original: original}, unset, "NNVVVNNNN", "a refreshed token needs no nonce"},
		"refresh, same auth_time":  {m{"auth_time": hour}, idtoken.Expected{Original: &later}, unset, "NNVVVNNVN", "a refreshed token needs no nonce"},
		"refresh, new auth_time":   {m{"auth_time": hour}, idtoken.Expected{Original: original}, unset, "NNVVVNNNN", "no max_age was requested"},
		"no signature":             {m{}, idtoken.Expected{FromTokenEndpoint: true}, func(v *idtoken.Verifier) { v.InsecureSkipSignature = true }, "NNSVSNNNN", "InsecureSkipSignature"},
		"signature of the browser": {m{"nonce": "n"}, idtoken.Expected{Nonce: "n", FrontChannel: true}, func(v *idtoken.Verifier) { v.InsecureSkipSignature = true }, "NNVVVVNNN", "only one audience"},
	} {
		claims := goodClaims()
		maps.Copy(claims, test.claims)
		v := verifier(t)
		test.edit(v)
		_, report := v.Check(t.Context(), key.Sign(claims, nil), test.want)
		if err := report.Err(); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, reasons := "", ""
		for _, step := range report.Steps {
			reasons += step.Reason + "\n"
			letter := map[idtoken.Result]string{idtoken.Valid: "V", idtoken.NotApplicable: "N", idtoken.Skipped: "S"}[step.Result]
			if (step.Reason == "") != (step.Result == idtoken.Valid) || step.Result == idtoken.Skipped && !strings.Contains(step.Reason, "Insecure") {
				t.Errorf("%s: step %d has the reason %q", name, step.Number, step.Reason)
			}
			if step.Number >= 4 && step.Number != 9 && step.Number != 10 {
				got += letter
			}
		}
		if got != test.rows || !strings.Contains(reasons, test.says) {
			t.Errorf("%s: %s, expected %s and %q\n%s", name, got, test.rows, test.says, report)
		}
	}
}
