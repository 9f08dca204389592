package idtoken

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/internal/jose"
)

// The steps that hold a token against the request it answers.

// nonce is step 11. One that nobody sent is as bad as a wrong one: the token
// answers somebody else's request.
func (c *check) nonce() {
	sent, got := c.want.Nonce, c.claims.Nonce
	if o := c.want.Original; o != nil {
		sent = o.Nonce
	}
	switch {
	case got == nil && c.want.Original != nil:
		c.report.skip(stepNonce, "a refreshed token needs no nonce")
	case sent == "" && c.want.FrontChannel:
		c.report.fail(stepNonce, errors.New("a token from the browser needs a nonce (OpenID Connect Core §3.2.2.1)"))
	case sent == "" && got == nil:
		c.report.skip(stepNonce, "the request had no nonce")
	case sent == "":
		c.report.fail(stepNonce, errors.New("the token has a nonce, and the request had none"))
	case got == nil && c.v.InsecureMissingNonce && !c.want.FrontChannel:
		c.report.skip(stepNonce, "nonce is missing, and InsecureMissingNonce accepts that")
	case got == nil:
		c.report.fail(stepNonce, errors.New("nonce is missing, though the request had one (for a server that drops it see Verifier.InsecureMissingNonce, which is Config.InsecureMissingNonce of a client)"))
	case !equal(*got, sent):
		c.report.fail(stepNonce, errors.New("nonce is another request's"))
	default:
		c.report.valid(stepNonce)
	}
}

// acr is step 12.
func (c *check) acr() {
	got := c.claims.ACR
	switch {
	case len(c.want.ACRValues) == 0 && got == nil:
		c.report.skip(stepACR, "the token has no acr, and none was asked for")
	case len(c.want.ACRValues) == 0:
		c.report.skip(stepACR, "no acr was asked for")
	case got == nil:
		c.report.fail(stepACR, errors.New("acr is missing"))
	case !slices.Contains(c.want.ACRValues, *got):
		c.report.fail(stepACR, fmt.Errorf("acr is %s, not one of those asked for", jose.Quote(*got)))
	default:
		c.report.valid(stepACR)
	}
}

// authTime is step 13.
func (c *check) authTime() {
	at := c.claims.AuthTime.Time
	switch {
	case c.want.MaxAge == nil && at.IsZero():
		c.report.skip(stepAuthTime, "the token has no auth_time, and no max_age was asked for")
	case at.After(c.now.Add(c.v.skew())):
		c.report.fail(stepAuthTime, fmt.Errorf("auth_time is %s, in the future", stamp(at)))
	case c.want.MaxAge == nil:
		c.report.skip(stepAuthTime, "no max_age was asked for")
	case at.IsZero():
		c.report.fail(stepAuthTime, errors.New("auth_time is missing"))
	case c.now.Sub(at) > *c.want.MaxAge+c.v.skew():
		c.report.fail(stepAuthTime, fmt.Errorf("authenticated at %s, more than %v ago", stamp(at), *c.want.MaxAge))
	default:
		c.report.valid(stepAuthTime)
	}
}

// hash is one of the three hashes of step 14.
type hash struct {
	claim    string
	got      *string
	of       string // the value that it must be the hash of, "" when none came
	required bool
}

// hashes is step 14: checked whenever they are there, required where the flow
// requires them (OpenID Connect Core §3.1.3.8, §3.2.2.9, §3.3.2.11).
func (c *check) hashes() {
	front := c.want.FrontChannel
	any := false
	for _, h := range []hash{
		{"at_hash", c.claims.AccessTokenHash, c.want.AccessToken, front && c.want.AccessToken != ""},
		{"c_hash", c.claims.CodeHash, c.want.Code, front && c.want.Code != ""},
		{"s_hash", c.claims.StateHash, c.want.State, c.want.RequireStateHash},
	} {
		if h.got == nil && !h.required {
			continue
		}
		any = true
		if err := h.check(c.jws.Header.Alg); err != nil {
			c.report.fail(stepHashes, err)
			return
		}
	}
	if any {
		c.report.valid(stepHashes)
		return
	}
	c.report.skip(stepHashes, "the token has no hashes, and this flow requires none")
}

func (h hash) check(alg string) error {
	switch {
	case h.got == nil:
		return fmt.Errorf("%s is missing", h.claim)
	case h.of == "":
		return fmt.Errorf("the token has %s, and nothing was given to hold it against", h.claim)
	}
	want, err := jose.LeftHalf(alg, h.of)
	if err != nil {
		return err
	}
	if !equal(*h.got, base64.RawURLEncoding.EncodeToString(want)) {
		return fmt.Errorf("%s is of something else", h.claim)
	}
	return nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
