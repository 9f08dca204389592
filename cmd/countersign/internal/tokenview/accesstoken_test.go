package tokenview_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/cmd/countersign/internal/tokenview"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/rs"
)

// TestAccessTokenChecks: each fault is in its row, and in no other one. The list accepts what
// rs.JWT accepts, and nothing else.
func TestAccessTokenChecks(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	keys := (&discovery.Provider{Issuer: i.URL, HTTP: i.Client()}).Keys()
	claims := func(name string, value any) string {
		return i.AccessToken(issuertest.AccessToken{Claims: map[string]any{name: value}})
	}
	good := i.AccessToken(issuertest.AccessToken{})
	header := func(json string) string {
		return base64.RawURLEncoding.EncodeToString([]byte(json)) + good[strings.Index(good, "."):]
	}
	soon := float64(time.Now().Add(time.Hour).Unix())
	for name, test := range map[string]struct {
		token  string
		failed []int
	}{
		"good":             {good, nil},
		"typ JWT":          {header(`{"alg":"RS256","typ":"JWT"}`), []int{2, 7}},
		"typ with prefix":  {header(`{"alg":"RS256","typ":"application/AT+JWT"}`), []int{7}},
		"foreign issuer":   {claims("iss", "https://other.example"), []int{4}},
		"no issuer":        {claims("iss", nil), []int{4}},
		"foreign audience": {claims("aud", "https://other.example"), []int{5}},
		"no audience":      {claims("aud", nil), []int{5}},
		"several":          {claims("aud", []string{"https://other.example", issuertest.Audience}), nil},
		"none":             {header(`{"alg":"none","typ":"at+jwt"}`), []int{6, 7}},
		"HS256":            {header(`{"alg":"HS256","typ":"at+jwt"}`), []int{6, 7}},
		"other key":        {good[:len(good)-6] + "AAAAAA", []int{7}},
		"expired":          {claims("exp", float64(time.Now().Add(-time.Hour).Unix())), []int{8}},
		"never expires":    {claims("exp", nil), []int{8}},
		"expiry a string":  {claims("exp", "soon"), []int{8}},
		"issued tomorrow":  {claims("iat", soon), []int{9}},
		"not before":       {claims("nbf", soon), []int{9}},
		"never issued":     {claims("iat", nil), []int{9}},
		"no subject":       {claims("sub", nil), []int{10}},
		"subject a number": {claims("sub", 5), []int{10}},
		"no client":        {claims("client_id", nil), []int{11}},
		"no identifier":    {claims("jti", nil), []int{12}},
		"bound by DPoP":    {i.AccessToken(issuertest.AccessToken{KeyThumbprint: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), nil},
		"bound to nothing": {claims("cnf", map[string]any{"x": "y"}), []int{14}},
		"exp in 100 years": {claims("exp", float64(time.Now().Add(100*365*24*time.Hour).Unix())), []int{1}},
		"scope a number":   {claims("scope", 5), []int{1}},
	} {
		token, err := tokenview.Read(test.token)
		if err != nil {
			t.Fatal(name, err)
		}
		var failed []int
		for _, c := range token.AccessTokenChecks(t.Context(), tokenview.Options{Issuer: i.URL, Audience: issuertest.Audience, Keys: keys}) {
			if c.Result == tokenview.Failed {
				failed = append(failed, c.Number)
				if c.Reason == "" || name == "HS256" && c.Number == 6 && !strings.Contains(c.Reason, "Configure the server to sign with RS256") {
					t.Errorf("%s: row %d does not say what to do: %q", name, c.Number, c.Reason)
				}
			}
		}
		if !slices.Equal(failed, test.failed) {
			t.Errorf("%s: rows %v failed, expected %v", name, failed, test.failed)
		}
		_, err = (&rs.JWT{Issuer: i.URL, Audience: issuertest.Audience, Keys: keys}).VerifyToken(t.Context(), test.token)
		if accepted := err == nil || name == "bound by DPoP"; accepted != (len(failed) == 0) {
			t.Errorf("%s: rs.JWT: %v; rows %v failed", name, err, failed)
		}
	}
}

// TestNotChecked: a check without input is not reported as valid.
func TestNotChecked(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	for name, test := range map[string]struct {
		token     string
		unchecked []int
	}{
		"access token": {i.AccessToken(issuertest.AccessToken{Scopes: []string{"read"}}), []int{4, 5, 7, 13}},
		"ID token":     {i.IDToken(issuertest.IDToken{Nonce: "n"}), []int{2, 3, 6, 8, 11}},
	} {
		token, err := tokenview.Read(test.token)
		if err != nil {
			t.Fatal(err)
		}
		title, checks := token.Checks(t.Context(), tokenview.Options{})
		var unchecked []int
		for _, c := range checks {
			if c.Result == tokenview.NotChecked {
				unchecked = append(unchecked, c.Number)
			}
			if c.Result == tokenview.Failed {
				t.Errorf("%s: %+v", name, c)
			}
			if strings.HasPrefix(c.Test, "Scope") && !strings.Contains(c.Reason, "(rs.RequireScope)") {
				t.Errorf("%s: %s", name, c.Reason)
			}
		}
		if len(checks) != 14 || title == "" || !slices.Equal(unchecked, test.unchecked) {
			t.Errorf("%s: %q, %d rows, not checked: %v, expected %v", name, title, len(checks), unchecked, test.unchecked)
		}
	}
}

// TestHashes: at_hash is compared with the access token. Without an access token it is not reported
// as wrong.
func TestHashes(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	raw := i.IDToken(issuertest.IDToken{Claims: map[string]any{"at_hash": issuertest.LeftHalf("RS256", "the-token")}})
	for access, want := range map[string]tokenview.Result{"": tokenview.NotChecked, "the-token": tokenview.Valid, "another": tokenview.Failed} {
		token, err := tokenview.Read(raw)
		if err != nil {
			t.Fatal(err)
		}
		checks := token.IDTokenChecks(t.Context(), tokenview.Options{AccessToken: access})
		if got := checks[13]; got.Result != want {
			t.Errorf("%q: %+v", access, got)
		}
	}
}

// TestOtherServers: the typ of a server that does not follow RFC 9068 can be set.
func TestOtherServers(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	good := i.AccessToken(issuertest.AccessToken{Scopes: []string{"read"}, Claims: map[string]any{"jti": nil}})
	raw := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","typ":"JWT"}`)) + good[strings.Index(good, "."):]
	token, err := tokenview.Read(raw)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if token.Show(context.Background(), &out, tokenview.Options{}) || !strings.Contains(out.String(), "does not follow RFC 9068") {
		t.Error(out.String())
	}
	out.Reset()
	if !token.Show(context.Background(), &out, tokenview.Options{Typ: "JWT"}) || !strings.Contains(out.String(), "only typ at+jwt requires it") {
		t.Error(out.String())
	}
}

// TestHostileToken: control characters of a token do not reach the terminal.
func TestHostileToken(t *testing.T) {
	i := issuertest.New(t, issuertest.Config{})
	for _, claim := range []string{"iss", "aud", "scope", "x"} {
		token, err := tokenview.Read(i.AccessToken(issuertest.AccessToken{Claims: map[string]any{claim: "a\x1b[31m\u202e\u009b"}}))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		token.Show(t.Context(), &out, tokenview.Options{Issuer: i.URL, Audience: "b"})
		if strings.ContainsAny(out.String(), "\x1b\u202e\u009b") {
			t.Errorf("%s: %q", claim, out.String())
		}
	}
}
