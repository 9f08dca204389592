package client

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/idtoken"
	"github.com/countersign/countersign/internal/endpoint"

	"github.com/coreos/go-oidc/v3/oidc"
)

type params = map[string]string

func TestReadChallenges(t *testing.T) {
	for _, test := range []struct {
		fields []string
		want   []challenge
	}{
		{nil, nil},
		{[]string{"Bearer"}, []challenge{{"bearer", params{}}}},
		{[]string{`Bearer realm="a, b", error="invalid_token"`}, []challenge{{"bearer", params{"realm": "a, b", "error": "invalid_token"}}}},
		{[]string{`DPoP error=use_dpop_nonce , algs="ES256 PS256"`, `Bearer scope="a \"b\" \\"`}, []challenge{{"dpop", params{"error": "use_dpop_nonce", "algs": "ES256 PS256"}}, {"bearer", params{"scope": `a "b" \`}}}},
		{[]string{`Basic realm="x", Bearer error="e", ERROR="f"`}, []challenge{{"basic", params{"realm": "x"}}, {"bearer", params{"error": "e"}}}},
		{[]string{`Bearer error = "e"`}, []challenge{{"bearer", params{"error": "e"}}}},
		{[]string{`,, Bearer ,, error="e"`}, []challenge{{"bearer", params{"error": "e"}}}},
		{[]string{`error="e"`}, nil},
		{[]string{`Bearer error="e`}, []challenge{{"bearer", params{}}}},
		{[]string{`Bearer error="e\`}, []challenge{{"bearer", params{}}}},
		{[]string{`"Bearer"`}, nil},
		{[]string{`Negotiate YWJj/+==`, `Bearer error="e"`}, []challenge{{"negotiate", params{}}, {"bearer", params{"error": "e"}}}},
		{[]string{`NTLM TlRMTVNTUAAC , DPoP error="e"`}, []challenge{{"ntlm", params{}}, {"dpop", params{"error": "e"}}}},
		{[]string{`Bearer e=`, `DPoP x=y`}, []challenge{{"bearer", params{}}, {"dpop", params{"x": "y"}}}},
		{[]string{`Bearer =`, `DPoP x=y`}, []challenge{{"bearer", params{}}}},
		{[]string{strings.Repeat("Bearer, ", 1000)}, nil},
	} {
		got := readChallenges(test.fields)
		if len(got) != 0 || len(test.want) != 0 {
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%q gives %q", test.fields, got)
			}
		}
	}
}

// FuzzChallenges: whatever stands there, a code is a code and nothing takes long.
func FuzzChallenges(f *testing.F) {
	for _, s := range []string{"Bearer", `Bearer error="invalid_token", scope="a"`, `DPoP error=use_dpop_nonce`, `Basic realm="x", Bearer error="e"`, `Bearer error="a\"b"`, `Negotiate abc==, Bearer error="e"`, "=", `"`, ",", `Bearer error="<script>"`,
		`Bearer error="insufficient_scope", scope="a b\\"`, `Bearer error="insufficient_user_authentication", acr_values="a \"", max_age="1e9"`, `Bearer resource_metadata="https://a@b"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, field string) {
		code := challengeCode([]string{field})
		if len(code) > 64 || strings.ContainsAny(code, "<>\"'& \r\n\\") {
			t.Errorf("%q gives the code %q", field, code)
		}
		for _, c := range readChallenges([]string{field}) {
			if c.scheme == "" || strings.ContainsAny(c.scheme, " ,=\"") || len(c.params) > maxChallenge {
				t.Errorf("%q gives %q", field, c)
			}
		}
		wants := ReadChallenge(&http.Response{StatusCode: 401, Header: http.Header{"Www-Authenticate": {field}}})
		if wants == nil {
			return
		}
		if _, err := json.Marshal(wants); err != nil || wants.ResourceMetadata != "" && endpoint.CheckURL(wants.ResourceMetadata) != nil {
			t.Errorf("%q gives %+v", field, wants)
		}
		request := wants.Request()
		if err := request.check(); err != nil || checkScopes(request.ACRValues) != nil {
			t.Errorf("%q gives a request that Begin does not take: %v", field, err)
		}
	})
}

// TestUserInfoChallenge: a UserInfo endpoint says what is wrong in WWW-Authenticate.
func TestUserInfoChallenge(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer realm="x", error="insufficient_scope", error_description="canary"`)
		w.WriteHeader(http.StatusForbidden)
	}))
	defer s.Close()
	c, err := New(Config{Issuer: s.URL, ClientID: "rp", Auth: auth.Public(), RedirectURL: "https://rp.example/cb", Metadata: &discovery.Metadata{
		Issuer: s.URL, AuthorizationEndpoint: s.URL + "/a", TokenEndpoint: s.URL + "/t", UserInfoEndpoint: s.URL + "/u", JWKSURI: s.URL + "/j",
	}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := &Tokens{Token: &oauth2.Token{AccessToken: "a"}, IDToken: &idtoken.Token{IDToken: &oidc.IDToken{Subject: "alice"}}}
	_, err = c.UserInfo(t.Context(), tokens)
	var e *Error
	if !errors.As(err, &e) || e.Step != StepUserInfo || e.Code != "insufficient_scope" || strings.Contains(err.Error(), "canary") {
		t.Errorf("got %v", err)
	}
}
