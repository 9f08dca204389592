package idtoken

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// Token is an ID token that passed all 14 steps. It embeds go-oidc's IDToken, so code written
// for go-oidc keeps working. The pair of Issuer and Subject identifies a user; an email
// address does not.
type Token struct {
	*oidc.IDToken

	AuthTime        time.Time // when the user authenticated; zero if the token has no auth_time
	ACR             string    // acr, "" when absent
	AuthorizedParty string    // azp, "" when absent
	SessionID       string    // sid, "" when absent
	AMR             []string  // amr

	payload []byte
}

// Claims decodes the token's claims into v. It matches names exactly. go-oidc's method, in
// contrast, accepts "Sub" for "sub". It returns an error if v cannot hold the claims.
func (t *Token) Claims(v any) error { return jose.Decode(t.payload, v, jose.TokenLimits) }

var errPayload = errors.New("go-oidc requested the verification of another token")

// token runs go-oidc's verifier on a token that passed every step, and returns the result.
func (c *check) token() (*Token, error) {
	second, err := c.secondOpinion()
	if err != nil {
		return nil, err
	}
	return &Token{
		IDToken: second, AuthTime: c.claims.AuthTime.Time, ACR: c.claims.ACR.value,
		AuthorizedParty: value(c.claims.AuthorizedParty), SessionID: c.claims.SessionID.value,
		AMR: c.claims.AMR, payload: c.jws.Payload,
	}, nil
}

// verified is the key set for go-oidc's verifier. It accepts only one token. The signature of
// that token was verified before, or InsecureSkipSignature skipped it.
type verified struct {
	raw     string
	payload []byte
}

func (k verified) VerifySignature(_ context.Context, jwt string) ([]byte, error) {
	if jwt != k.raw {
		return nil, errPayload
	}
	return k.payload, nil
}

// secondOpinion runs go-oidc's verifier. Its errors may quote the token, so they are not
// returned. Step 9 has checked the time with its skew. go-oidc has no skew, so its clock is
// set back to exp if exp has passed. Step 2 has checked the issuer, including the alias and
// the tenants.
func (c *check) secondOpinion() (*oidc.IDToken, error) {
	at, last := c.now, time.Unix(c.claims.Expiry.Unix(), 0)
	if at.After(last) {
		at = last
	}
	raw, payload, err := c.withoutSources()
	if err != nil {
		return nil, err
	}
	v := oidc.NewVerifier(c.claims.Issuer, verified{raw, payload}, &oidc.Config{
		ClientID:             c.v.ClientID,
		SupportedSigningAlgs: []string{c.jws.Header.Alg},
		Now:                  func() time.Time { return at },
	})
	t, err := v.Verify(c.ctx, raw)
	if err != nil {
		return nil, errors.New("go-oidc, which checks the token a second time, rejects it")
	}
	return t, c.sameAs(t)
}

// withoutSources returns the token without aggregated and distributed claims. The module does
// not follow them, and go-oidc rejects a token if it cannot decode them.
func (c *check) withoutSources() (raw string, payload []byte, err error) {
	if c.claims.ClaimNames == nil && c.claims.ClaimSources == nil {
		return c.raw, c.jws.Payload, nil
	}
	var members map[string]jsontext.Value
	if err := jose.Decode(c.jws.Payload, &members, jose.TokenLimits); err != nil {
		return "", nil, err
	}
	delete(members, "_claim_names")
	delete(members, "_claim_sources")
	if payload, err = json.Marshal(members); err != nil {
		return "", nil, errors.New("cannot encode the claims")
	}
	parts := strings.Split(c.raw, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, "."), payload, nil
}

// sameAs returns an error if go-oidc, which ignores case in names, decoded different values
// from the token.
func (c *check) sameAs(t *oidc.IDToken) error {
	for _, f := range []struct {
		claim string
		same  bool
	}{
		{"iss", t.Issuer == c.claims.Issuer},
		{"sub", t.Subject == c.claims.Subject},
		{"aud", slices.Equal(t.Audience, c.claims.Audience)},
		{"nonce", t.Nonce == value(c.claims.Nonce)},
		{"at_hash", t.AccessTokenHash == value(c.claims.AccessTokenHash)},
		{"exp", t.Expiry.Unix() == c.claims.Expiry.Unix()},
		{"iat", t.IssuedAt.Unix() == c.claims.IssuedAt.Unix()},
	} {
		if !f.same {
			return fmt.Errorf("go-oidc, which checks the token a second time, reads another value of %s", f.claim)
		}
	}
	return nil
}
