package idtoken

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/internal/jose"
)

// The steps that compare a token with the request that it answers.

// ErrNoNonce is the cause of an [*Error] at step 11 if the token has no nonce although the request
// had one. The server may never return it, or the code of another request was injected.
var ErrNoNonce = errors.New("nonce is missing, but the request had one: if the server never returns it, set InsecureMissingNonce (Config.InsecureMissingNonce). " +
	"If other logins have a nonce, this one may have the injected code of another request")

// nonce is step 11. A nonce that the client did not send is rejected like a wrong one: the
// token answers another request.
func (c *check) nonce() {
	sent, got := c.want.Nonce, c.claims.Nonce
	if o := c.want.Original; o != nil {
		sent = o.Nonce
	}
	switch {
	case got == nil && c.want.Original != nil:
		c.report.inapplicable(stepNonce, "a refreshed token needs no nonce")
	case sent == "" && c.want.FrontChannel:
		c.report.fail(stepNonce, errors.New("the request had no nonce, which an ID token from the browser requires (OpenID Connect Core §3.2.2.1)"))
	case sent == "" && got == nil:
		c.report.inapplicable(stepNonce, "the request had no nonce")
	case sent == "":
		c.report.fail(stepNonce, errors.New("the token has a nonce, but the request had none: the token belongs to another request. If an app sent the nonce, call Client.Finish with Pending.Nonce"))
	case got == nil && c.v.InsecureMissingNonce && !c.want.FrontChannel:
		c.report.skip(stepNonce, "nonce is missing, which InsecureMissingNonce accepts")
	case got == nil:
		c.report.fail(stepNonce, ErrNoNonce)
	case !equal(*got, sent):
		c.report.fail(stepNonce, errors.New("nonce does not match the request: the token belongs to another login"))
	default:
		c.report.valid(stepNonce)
	}
}

// acr is step 12.
func (c *check) acr() {
	got := c.claims.ACR
	switch {
	case len(c.want.ACRValues) == 0 && !got.present:
		c.report.inapplicable(stepACR, "the token has no acr, and none was requested")
	case len(c.want.ACRValues) == 0:
		c.report.inapplicable(stepACR, "no acr was requested")
	case got.wrongful:
		c.report.fail(stepACR, fmt.Errorf("acr is not a string, expected one of %q", c.want.ACRValues))
	case !got.present:
		c.report.fail(stepACR, fmt.Errorf("acr is missing, expected one of %q: configure the server to add it, or remove Request.ACRValues", c.want.ACRValues))
	case !slices.Contains(c.want.ACRValues, got.value):
		c.report.fail(stepACR, fmt.Errorf("acr is %s, expected one of %q", jose.Quote(got.value), c.want.ACRValues))
	default:
		c.report.valid(stepACR)
	}
}

// authTime is step 13.
func (c *check) authTime() {
	at := c.claims.AuthTime.Time
	switch {
	case c.want.MaxAge == nil && at.IsZero():
		c.report.inapplicable(stepAuthTime, "the token has no auth_time, and no max_age was requested")
	case at.After(c.now.Add(c.v.skew())):
		c.report.fail(stepAuthTime, c.ahead("auth_time", at))
	case c.want.MaxAge == nil:
		c.report.inapplicable(stepAuthTime, "no max_age was requested")
	case c.claims.AuthTime.wrongful:
		c.report.fail(stepAuthTime, errors.New("auth_time is not a number of seconds, but max_age was requested"))
	case at.IsZero():
		c.report.fail(stepAuthTime, errors.New("auth_time is missing, but max_age was requested: configure the server to add it"))
	case c.now.Sub(at)-c.v.skew() > *c.want.MaxAge:
		c.report.fail(stepAuthTime, fmt.Errorf("the user authenticated at %s, more than the max_age of %s before now (%s)%s",
			stamp(at), jose.Duration(*c.want.MaxAge), stamp(c.now), c.clocks()))
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
	optional bool // there is nothing to compare it with, and the flow allows that
}

// hashes is step 14. A hash is checked whenever it is present, and required where the flow
// requires it (OpenID Connect Core §3.1.3.8, §3.2.2.9, §3.3.2.11). at_hash is optional in a
// token from the browser that came without an access token (§3.3.2.11).
func (c *check) hashes() {
	front := c.want.FrontChannel
	checked, reason := false, "the token has no hashes to check, and this flow requires none"
	for _, h := range []hash{
		{"at_hash", c.claims.AccessTokenHash, c.want.AccessToken, front && c.want.AccessToken != "", front && c.want.AccessToken == ""},
		{"c_hash", c.claims.CodeHash, c.want.Code, front && c.want.Code != "", false},
		{"s_hash", c.claims.StateHash, c.want.State, c.want.RequireStateHash, false},
	} {
		if h.got != nil && h.optional {
			reason = "the token has at_hash, but no access token came with it"
		}
		if h.got == nil && !h.required || h.optional {
			continue
		}
		checked = true
		if err := h.check(c.jws.Header.Alg); err != nil {
			if h.claim == "at_hash" && !front {
				err = &serverError{fmt.Errorf("%w: correct the server, which sent both in one response", err)}
			}
			c.report.fail(stepHashes, err)
			return
		}
	}
	if checked {
		c.report.valid(stepHashes)
		return
	}
	c.report.inapplicable(stepHashes, reason)
}

// serverError is an error that neither the user nor an attacker can cause.
type serverError struct{ error }

func (e *serverError) Unwrap() error { return e.error }

// Configuration returns true: the operator must act. Package login calls it.
func (*serverError) Configuration() bool { return true }

func (h hash) check(alg string) error {
	switch {
	case h.got == nil:
		return fmt.Errorf("%s is missing", h.claim)
	case h.of == "":
		return fmt.Errorf("the token has %s, but idtoken.Expected does not contain the value to compare it with", h.claim)
	}
	want, err := jose.LeftHalf(alg, h.of)
	if err != nil {
		return err
	}
	if !equal(*h.got, base64.RawURLEncoding.EncodeToString(want)) {
		return fmt.Errorf("%s does not match the value that was received with the token", h.claim)
	}
	return nil
}

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
