package tokenview

import (
	"context"
	"errors"
	"strings"

	"github.com/countersign/countersign/idtoken"
)

// Result is the outcome of a check.
type Result string

// The results.
const (
	Valid         Result = "valid"
	Failed        Result = "failed"
	NotApplicable Result = "not applicable" // there is nothing to check
	NotChecked    Result = "not checked"    // what the token is compared with was not given
	Skipped       Result = "skipped"        // a setting disabled the check
)

// Check is a row of the list. Claims are the members of the header and the claims that it
// reads.
type Check struct {
	Number int      `json:"number"`
	Test   string   `json:"test"`
	Clause string   `json:"clause,omitempty"`
	Result Result   `json:"result"`
	Reason string   `json:"reason,omitempty"`
	Claims []string `json:"claims,omitempty"`
}

// The steps of ID tokens whose expected values may be missing.
const (
	readStep                            = 1
	issuerStep, audienceStep, partyStep = 2, 3, 5
	signatureStep, algStep, keyStep     = 6, 7, 8
	nonceStep, hashStep                 = 11, 14
)

var stepClaims = map[int][]string{
	1: {"typ", "alg"}, 2: {"iss", "sub"}, 3: {"aud"}, 4: {"aud", "azp"}, 5: {"azp"}, 6: {"kid"}, 7: {"alg"}, 8: {"kid", "alg"},
	9: {"exp"}, 10: {"iat", "nbf"}, 11: {"nonce"}, 12: {"acr"}, 13: {"auth_time"}, 14: {"at_hash", "c_hash", "s_hash"},
}

// IDTokenChecks returns the 14 steps.
func (t *Token) IDTokenChecks(ctx context.Context, o Options) (checks []Check) {
	v := &idtoken.Verifier{
		Issuer: or(o.Issuer, t.text("iss")), ClientID: or(o.Audience, or(t.text("azp"), t.audience())), Keys: o.keys(), Algs: t.algs(), Now: o.Now,
		DecryptionKeys: t.keys, InsecureRSAOAEP: t.envelope.sha1(),
	}
	_, report := v.Check(ctx, t.received, idtoken.Expected{Nonce: or(o.Nonce, t.text("nonce")), AccessToken: o.AccessToken})
	for _, s := range report.Steps {
		c := Check{Number: s.Number, Test: s.Test, Result: Result(s.Result.String()), Reason: s.Reason, Claims: stepClaims[s.Number]}
		if s.Err != nil {
			c.Reason = printable(s.Err.Error())
		}
		if s.Number == readStep && len(t.keys) > 0 {
			c.Result, c.Reason = t.decrypted(c)
		}
		if s.Number == hashStep && s.Err != nil && t.hashesUnknown(o) {
			c.Result, c.Reason = NotChecked, "the access token or code that was issued with it is not known: use -access-token-env"
		}
		checks = append(checks, o.unchecked(c))
	}
	return checks
}

// decrypted is step 1 with a key. Its text is about the command.
func (t *Token) decrypted(c Check) (Result, string) {
	result, reason := t.encrypted()
	if result == Failed || c.Result != Failed {
		return result, strings.ReplaceAll(reason, "the API must", "the client must")
	}
	return c.Result, c.Reason
}

// hashesUnknown: the token has the hash of something that was not given.
func (t *Token) hashesUnknown(o Options) bool {
	return o.AccessToken == "" && t.claims["at_hash"] != nil || t.claims["c_hash"] != nil || t.claims["s_hash"] != nil
}

// unchecked marks the steps that compared the token with itself.
func (o Options) unchecked(c Check) Check {
	missing := map[int]bool{issuerStep: o.Issuer == "", audienceStep: o.Audience == "", partyStep: o.Audience == "", nonceStep: o.Nonce == ""}
	flag := map[int]string{issuerStep: "-issuer", audienceStep: "-audience", partyStep: "-audience", nonceStep: "-nonce"}
	switch n := c.Number; {
	case o.Keys == nil && (n == signatureStep || n == keyStep):
		c.Result, c.Reason = NotChecked, errNotFetched.Error()+": use -fetch with -issuer"
	case c.Result == Valid && missing[n]:
		c.Result, c.Reason = NotChecked, flag[n]+" is not set: any value is accepted here"
	case c.Result == Valid && n == algStep:
		c.Reason = "any asymmetric algorithm is accepted here: set Config.IDTokenAlgs to the algorithm of your server"
	}
	return c
}

// reasonOf returns the part of an error that says what is wrong.
func reasonOf(err error) string {
	if errors.Is(err, errNotFetched) {
		return errNotFetched.Error() + ": use -fetch with -issuer"
	}
	return printable(strings.TrimSpace(err.Error()))
}
