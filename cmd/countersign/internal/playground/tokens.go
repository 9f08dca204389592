package playground

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/countersign/countersign/cmd/countersign/internal/wire"
	"github.com/countersign/countersign/idtoken"
)

// Token is a JWT, decoded.
type Token struct {
	Name   string
	Header []Claim
	Claims []Claim
	raw    string
}

// Claim is a member of a header or of the claims. Steps are the checks that read it: those of
// the API begin with "a".
type Claim struct{ Name, Value, Steps string }

// Access reports that it is an access token.
func (t Token) Access() bool { return strings.HasPrefix(t.Name, "access_token") }

// tokensIn are the tokens that the checks are about.
func tokensIn(x *wire.Exchange) (found []Token) {
	var members map[string]any
	_ = json.Unmarshal(x.AnswerBody, &members)
	form, _ := url.ParseQuery(string(x.Body))
	for _, name := range []string{"id_token", "access_token"} {
		raw, _ := members[name].(string)
		if t := tokenIn(name, raw); t != nil {
			found = append(found, *t)
		}
	}
	if t := tokenIn("logout_token", form.Get("logout_token")); t != nil {
		found = append(found, *t)
	}
	return found
}

// IDTokens are the tokens of the run that are not access tokens.
func (r *Result) IDTokens() (some []Token) { return r.tokens(false) }

// AccessTokens are the access tokens of the run.
func (r *Result) AccessTokens() (some []Token) { return r.tokens(true) }

func (r *Result) tokens(access bool) (some []Token) {
	for _, t := range r.Tokens {
		if t.Access() == access {
			some = append(some, t)
		}
	}
	return some
}

// claimsOf decodes a part of a token. steps are the checks that read each member.
func claimsOf(part string, steps map[string]string) (all []Claim) {
	data, _ := base64.RawURLEncoding.DecodeString(part)
	var members map[string]json.RawMessage
	_ = json.Unmarshal(data, &members)
	for _, name := range sortedNames(members) {
		all = append(all, Claim{name, string(members[name]), steps[name]})
	}
	return all
}

// Step is one of the 14 steps, or a row of the API's list.
type Step struct {
	Number                       int
	Test, Clause, Result, Reason string
}

// notChecked is the result of the steps after one that failed.
const notChecked = "not checked"

func stepsOf(report *idtoken.Report) (all []Step) {
	for _, s := range report.Steps {
		reason, result := s.Reason, s.Result.String()
		if s.Err != nil {
			reason = s.Err.Error()
		}
		if s.Result == idtoken.Failed && strings.HasPrefix(reason, notChecked) {
			result = notChecked
		}
		all = append(all, Step{Number: s.Number, Test: s.Test, Result: result, Reason: reason})
	}
	return all
}

// stepsFor returns the checks that read each member of a token of that name.
func stepsFor(name string) map[string]string {
	switch name {
	case "id_token":
		return claimSteps
	case "access_token":
		return rowSteps
	}
	return nil
}

var claimSteps = map[string]string{
	"typ": "1", "iss": "2", "sub": "2", "aud": "3 4", "azp": "4 5", "alg": "1 7", "kid": "6 8", "exp": "9", "iat": "10", "nbf": "10",
	"nonce": "11", "acr": "12", "auth_time": "13", "at_hash": "14", "c_hash": "14",
}
