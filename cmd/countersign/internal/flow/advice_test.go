package flow

import "testing"

// TestFlagsForSettings: an error of the module names flags, and says if there is no flag.
func TestFlagsForSettings(t *testing.T) {
	for text, want := range map[string]string{
		"compare Config.ClientID and Config.Auth with the registration":         "compare -client-id and -auth with -secret-env, -key or -cert with the registration",
		"a public client cannot do this: set Config.Auth":                       "a public client cannot do this: set -auth with -secret-env, -key or -cert",
		"set Config.AuthorizedParties":                                          "set AuthorizedParties (which only a program can set)",
		"set client.Config.TrustedAudiences":                                    "set TrustedAudiences (which only a program can set)",
		"cannot listen at Config.Client.RedirectURL: in use":                    "cannot listen at -redirect-uri: in use",
		"Config.DPoP.Keys is nil":                                               "-dpop is nil",
		"Request.MaxAge is -1s":                                                 "-max-age is -1s",
		"the scopes do not contain openid: add it to BackchannelRequest.Scopes": "the scopes do not contain openid: add it to -scope",
		"AssertionRequest.Subject is empty":                                     "-subject is empty",
		"Request.Subject is set":                                                "Subject (which only a program can set) is set",
		"issued_token_type is wrong (ExchangeRequest.RequestedTokenType)":       "issued_token_type is wrong (-requested-token-type)",
		"Config.PAR is off, and Config.PKCE too.":                               "-par is off, and PKCE (which only a program can set) too.",
	} {
		if got := withFlags(text); got != want {
			t.Errorf("%q\n got %q\nwant %q", text, got, want)
		}
	}
}
