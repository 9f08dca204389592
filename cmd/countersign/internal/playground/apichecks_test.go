package playground

import (
	"strings"
	"testing"
)

// failedRows are the numbers of the rows that failed.
func failedRows(rows []Step) (numbers []int) {
	for _, r := range rows {
		if r.Result == "failed" {
			numbers = append(numbers, r.Number)
		}
	}
	return numbers
}

// TestAPIChecks: the list is about the access token of this run. An attack on the API fails in the
// row that rejects it.
func TestAPIChecks(t *testing.T) {
	for name, test := range map[string]struct {
		on     []string
		attack string
		rows   int
		failed int // 0 for none
	}{
		"a login":           {nil, "", 14, 0},
		"DPoP":              {[]string{"dpop"}, "", 14, 0},
		"mTLS":              {[]string{"mtls"}, "", 14, 0},
		"step-up":           {[]string{"stepup", "dpop"}, "", 14, 0},
		"refresh":           {[]string{"refresh"}, "", 14, 0},
		"introspection":     {[]string{"introspection"}, "", 0, 0},
		"opaque":            {[]string{"opaque"}, "", 0, 0},
		"a stolen token":    {nil, "stolen", 14, 14},
		"a forged token":    {nil, "flood", 14, 7},
		"no request at all": {nil, "state", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			on := map[string]bool{}
			for _, id := range test.on {
				on[id] = true
			}
			r := Run(t.Context(), on, test.attack)
			failed := failedRows(r.Rows)
			if len(r.Rows) != test.rows || (r.Note == "") != (test.rows > 0) || (test.failed == 0) != (len(failed) == 0) {
				t.Fatalf("%d rows, failed %v, note %q", len(r.Rows), failed, r.Note)
			}
			if test.failed != 0 && (len(failed) != 1 || failed[0] != test.failed || r.Rows[test.failed-1].Reason == "") {
				t.Errorf("rows %v failed, expected %d: %+v", failed, test.failed, r.Rows[failed[0]-1])
			}
			for _, row := range r.Rows {
				if row.Number == 14 && strings.Contains(row.Result, "not checked") {
					t.Errorf("%+v", row)
				}
			}
		})
	}
}

// TestClaimsAndRows: each row highlights the claims of the access token that it reads. Each of the
// 14 steps highlights claims of the ID token.
func TestClaimsAndRows(t *testing.T) {
	r := Run(t.Context(), map[string]bool{"dpop": true}, "")
	steps := map[string]string{}
	for _, token := range append(r.IDTokens(), r.AccessTokens()...) {
		for _, c := range append(token.Header, token.Claims...) {
			steps[token.Name+"."+c.Name] += c.Steps
		}
	}
	for claim, want := range map[string]string{
		"access_token.typ": "a2", "access_token.iss": "a4", "access_token.aud": "a5", "access_token.alg": "a6", "access_token.kid": "a7", "access_token.exp": "a8",
		"access_token.iat": "a9", "access_token.sub": "a10", "access_token.client_id": "a11", "access_token.jti": "a12", "access_token.scope": "a13", "access_token.cnf": "a14",
		"id_token.iss": "2", "id_token.nonce": "11",
	} {
		if steps[claim] != want {
			t.Errorf("%s: %q, expected %q", claim, steps[claim], want)
		}
	}
}
