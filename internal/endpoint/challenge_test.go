package endpoint

import (
	"reflect"
	"strings"
	"testing"
)

type params = map[string]string

func TestReadChallenges(t *testing.T) {
	for _, test := range []struct {
		fields []string
		want   []Challenge
	}{
		{nil, nil},
		{[]string{"Bearer"}, []Challenge{{"bearer", params{}}}},
		{[]string{`Bearer realm="a, b", error="invalid_token"`}, []Challenge{{"bearer", params{"realm": "a, b", "error": "invalid_token"}}}},
		{[]string{`DPoP error=use_dpop_nonce , algs="ES256 PS256"`, `Bearer scope="a \"b\" \\"`}, []Challenge{{"dpop", params{"error": "use_dpop_nonce", "algs": "ES256 PS256"}}, {"bearer", params{"scope": `a "b" \`}}}},
		{[]string{`Basic realm="x", Bearer error="e", ERROR="f"`}, []Challenge{{"basic", params{"realm": "x"}}, {"bearer", params{"error": "e"}}}},
		{[]string{`Bearer error = "e"`}, []Challenge{{"bearer", params{"error": "e"}}}},
		{[]string{`,, Bearer ,, error="e"`}, []Challenge{{"bearer", params{"error": "e"}}}},
		{[]string{`error="e"`}, nil},
		{[]string{`Bearer error="e`}, []Challenge{{"bearer", params{}}}},
		{[]string{`Bearer error="e\`}, []Challenge{{"bearer", params{}}}},
		{[]string{`"Bearer"`}, nil},
		{[]string{`Negotiate YWJj/+==`, `Bearer error="e"`}, []Challenge{{"negotiate", params{}}, {"bearer", params{"error": "e"}}}},
		{[]string{`NTLM TlRMTVNTUAAC , DPoP error="e"`}, []Challenge{{"ntlm", params{}}, {"dpop", params{"error": "e"}}}},
		{[]string{`Bearer e=`, `DPoP x=y`}, []Challenge{{"bearer", params{}}, {"dpop", params{"x": "y"}}}},
		{[]string{`Bearer =`, `DPoP x=y`}, []Challenge{{"bearer", params{}}}},
		{[]string{strings.Repeat("Bearer, ", 1000)}, nil},
	} {
		got := Challenges(test.fields)
		if len(got) != 0 || len(test.want) != 0 {
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q gives %q", test.fields, got)
			}
		}
	}
}

// FuzzChallenges: an error code has only allowed characters, and parsing is fast for any header.
func FuzzChallenges(f *testing.F) {
	for _, s := range []string{"Bearer", `Bearer error="invalid_token", scope="a"`, `DPoP error=use_dpop_nonce`, `Basic realm="x", Bearer error="e"`, `Bearer error="a\"b"`, `Negotiate abc==, Bearer error="e"`, "=", `"`, ",", `Bearer error="<script>"`,
		`Bearer error="insufficient_scope", scope="a b\\"`, `Bearer error="insufficient_user_authentication", acr_values="a \"", max_age="1e9"`, `Bearer resource_metadata="https://a@b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		code := ChallengeCode([]string{field})
		if len(code) > 64 || strings.ContainsAny(code, "<>\"'& \r\n\\") {
			t.Errorf("%q gives the code %q", field, code)
		}
		for _, c := range Challenges([]string{field}) {
			if c.Scheme == "" || strings.ContainsAny(c.Scheme, " ,=\"") || len(c.Params) > maxChallenge {
				t.Errorf("%q gives %q", field, c)
			}
		}
	})
}
