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

// Token is an ID token that passed all 14 steps. It embeds go-oidc's, so that
// code written for that keeps working. A user is the pair of Issuer and Subject;
// an email address is not an identity.
type Token struct {
	*oidc.IDToken

	AuthTime        time.Time // when the user authenticated; zero when the token does not say
	ACR             string    // acr, "" when absent
	AuthorizedParty string    // azp, "" when absent
	SessionID       string    // sid, "" when absent
	AMR             []string  // amr

	payload []byte
}

// Claims decodes the token's claims into v by exact names, unlike go-oidc's own
// method, which takes "Sub" for "sub".
func (t *Token) Claims(v any) error { return jose.Decode(t.payload, v, jose.TokenLimits) }

var errPayload = errors.New("go-oidc asks about another token than it was given")

// token asks go-oidc for its opinion on a token that passed, and makes the result.
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

// verified is the key set that go-oidc is given: it knows one token, whose
// signature has been checked a moment ago or was left out on purpose.
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

// secondOpinion runs go-oidc's verifier. Its errors may quote the token, so they
// are not passed on. The clock was step 9's to judge, with its skew: go-oidc,
// which has none, is asked at the last moment that the token calls its own. The issuer
// was step 2's, with its alias and tenants.
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
		return nil, errors.New("go-oidc, as second opinion, rejects the token")
	}
	return t, c.sameAs(t)
}

// withoutSources is the token without aggregated and distributed claims: go-oidc rejects
// those that it cannot read, and they are followed by nobody.
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
		return "", nil, errors.New("the claims cannot be written")
	}
	parts := strings.Split(c.raw, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString(payload)
	return strings.Join(parts, "."), payload, nil
}

// sameAs refuses a token that go-oidc, which matches names without regard to
// case, reads differently from us.
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
			return fmt.Errorf("go-oidc, as second opinion, reads another %s in the token", f.claim)
		}
	}
	return nil
}
