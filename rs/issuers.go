package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// Issuers is for APIs that take JWTs of several servers: each token is held against
// the one JWT that has its iss, with that one's audience, algorithms, keys and typ, and
// against no other. A token of an issuer that is not here costs no network access.
type Issuers []*JWT

// VerifyToken implements [Verifier].
func (is Issuers) VerifyToken(ctx context.Context, token string) (*Principal, error) {
	return unbound(is.verify(ctx, token))
}

func (is Issuers) verify(ctx context.Context, token string) (*Principal, error) {
	if err := is.configured(); err != nil {
		return nil, &unavailable{err}
	}
	if jose.IsEncrypted(token) {
		return is.verifyEncrypted(ctx, token)
	}
	t, err := jose.Parse(token, is.maxSize())
	if err != nil {
		return nil, err
	}
	iss, err := issuerOf(t.Payload)
	if err != nil {
		return nil, fmt.Errorf("claims: %w", err)
	}
	j, err := is.find(func(j *JWT) bool { return j.issues(iss) })
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, is.unknown(iss)
	}
	return j.verify(ctx, token)
}

func (is Issuers) unknown(iss string) error {
	if iss == "" {
		return errors.New("iss is missing, expected the Issuer of one of Issuers")
	}
	return fmt.Errorf("iss is %s, expected the Issuer of one of Issuers", jose.Quote(iss))
}

// issuerOf reads iss alone: how the other claims are read is the issuer's to say.
func issuerOf(payload []byte) (string, error) {
	var buf [maxSimple]member
	for _, m := range simpleMembers(payload, buf[:0]) {
		if string(m.name) == "iss" && m.value[0] == '"' {
			return string(m.value[1 : len(m.value)-1]), nil
		}
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	err := jose.Decode(payload, &claims, jose.TokenLimits)
	return claims.Issuer, err
}

func (is Issuers) configured() error {
	if len(is) == 0 || slices.Contains(is, nil) {
		return errors.New("Issuers is empty, or has a nil in it")
	}
	return nil
}

// verifyEncrypted has nothing to choose by: iss is inside. So one alone may have keys.
func (is Issuers) verifyEncrypted(ctx context.Context, token string) (*Principal, error) {
	j, err := is.find(func(j *JWT) bool { return len(j.DecryptionKeys) > 0 })
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, errors.New("the token is encrypted, and none of Issuers has DecryptionKeys")
	}
	return j.verify(ctx, token)
}

func (is Issuers) find(fits func(*JWT) bool) (*JWT, error) {
	i := slices.IndexFunc(is, fits)
	if i < 0 {
		return nil, nil
	}
	if slices.ContainsFunc(is[i+1:], fits) {
		return nil, &unavailable{errors.New("two of Issuers are for the same tokens")}
	}
	return is[i], nil
}

// checkUnique finds issuers that two entries are for: their tokens are never accepted.
func (is Issuers) checkUnique() error {
	for i, j := range is {
		for _, other := range is[:i] {
			if j.Issuer == other.Issuer && !j.isTemplate() {
				return fmt.Errorf("two of Issuers have the Issuer %s: use one JWT with Audiences", jose.Quote(j.Issuer))
			}
		}
	}
	return nil
}

func (is Issuers) maxSize() int {
	size := 0
	for _, j := range is {
		size = max(size, j.MaxSize)
	}
	return size
}

// tenantMark stands for the tenant in the issuer that Entra ID's metadata names.
const tenantMark = "{tenantid}"

func (j *JWT) isTemplate() bool { return strings.Contains(j.Issuer, tenantMark) }

// issues tells whether iss is this issuer, or one of its tenants.
func (j *JWT) issues(iss string) bool {
	if !j.isTemplate() {
		return iss == j.Issuer && iss != ""
	}
	return slices.Contains(j.Tenants, j.tenantOf(iss))
}

// tenantOf is what stands in iss where the template has its mark; "" when iss is
// not of the template.
func (j *JWT) tenantOf(iss string) string {
	before, after, _ := strings.Cut(j.Issuer, tenantMark)
	if len(iss) <= len(before)+len(after) || !strings.HasPrefix(iss, before) || !strings.HasSuffix(iss, after) {
		return ""
	}
	return iss[len(before) : len(iss)-len(after)]
}

// checkKeyIssuer binds a key to its tenant: all tenants' keys are in one set, and a
// tenant of its own keys must not sign for the others.
func (j *JWT) checkKeyIssuer(iss string, key *jose.Key) error {
	if !j.isTemplate() {
		return nil
	}
	all := j.KeyIssuer
	if all == "" {
		all = j.Issuer
	}
	if key == nil || key.Issuer != all && key.Issuer != iss {
		return errors.New("the key that signed the token is not one of its issuer")
	}
	return nil
}
