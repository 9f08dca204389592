package rs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/internal/jose"
)

// Issuers is for APIs that accept JWTs of several servers. Each token is verified by the JWT whose
// Issuer is the token's iss, and by no other. A token of an unknown issuer causes no network
// access. It is safe for concurrent use if the list and its JWTs do not change.
type Issuers []*JWT

// VerifyToken implements [Verifier]. A [Protection] answers 401 invalid_token for a token that is
// rejected; the error names the setting to change. It answers 503 if the list is empty, two entries
// fit one token, or the keys cannot be fetched. The chosen entry returns the errors of
// [JWT.VerifyToken].
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
		return errors.New("iss is missing, expected the Issuer of one JWT of Issuers")
	}
	return fmt.Errorf("iss is %s, expected the Issuer of one JWT of Issuers: add a JWT for this issuer if the API accepts it", jose.Quote(iss))
}

// issuerOf reads only iss. The issuer decides how the other claims are read.
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
		return errors.New("Issuers is empty or contains nil: list at least one *JWT")
	}
	return nil
}

// verifyEncrypted cannot choose by iss, which is encrypted. So only one JWT may have
// DecryptionKeys.
func (is Issuers) verifyEncrypted(ctx context.Context, token string) (*Principal, error) {
	j, err := is.find(func(j *JWT) bool { return len(j.DecryptionKeys) > 0 })
	if err != nil {
		return nil, err
	}
	if j == nil {
		return nil, errors.New("the token is encrypted, but no JWT of Issuers has DecryptionKeys")
	}
	return j.verify(ctx, token)
}

func (is Issuers) find(fits func(*JWT) bool) (*JWT, error) {
	i := slices.IndexFunc(is, fits)
	if i < 0 {
		return nil, nil
	}
	if slices.ContainsFunc(is[i+1:], fits) {
		return nil, &unavailable{errors.New("two JWTs of Issuers match the same token: issuers must differ, and only one may have DecryptionKeys")}
	}
	return is[i], nil
}

// checkUnique finds two entries with the same issuer. Their tokens are never accepted.
func (is Issuers) checkUnique() error {
	for i, j := range is {
		for _, other := range is[:i] {
			if j.Issuer == other.Issuer && !j.isTemplate() {
				return fmt.Errorf("two JWTs of Issuers have the Issuer %s: use one JWT with Audiences", jose.Quote(j.Issuer))
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

// tenantMark is the placeholder for the tenant in the issuer of Entra ID's metadata.
const tenantMark = "{tenantid}"

func (j *JWT) isTemplate() bool { return strings.Contains(j.Issuer, tenantMark) }

// issues reports whether iss is this issuer or that of one of its tenants.
func (j *JWT) issues(iss string) bool {
	if !j.isTemplate() {
		return iss == j.Issuer && iss != ""
	}
	return slices.Contains(j.Tenants, j.tenantOf(iss))
}

// tenantOf returns the tenant in iss, or "" if iss does not match the template.
func (j *JWT) tenantOf(iss string) string {
	before, after, _ := strings.Cut(j.Issuer, tenantMark)
	if len(iss) <= len(before)+len(after) || !strings.HasPrefix(iss, before) || !strings.HasSuffix(iss, after) {
		return ""
	}
	return iss[len(before) : len(iss)-len(after)]
}

// checkKeyIssuer binds a key to its tenant. One set contains the keys of all tenants, and a tenant
// with its own keys must not sign for others.
func (j *JWT) checkKeyIssuer(iss string, key *jose.Key) error {
	if !j.isTemplate() {
		return nil
	}
	all := j.KeyIssuer
	if all == "" {
		all = j.Issuer
	}
	if key == nil || key.Issuer != all && key.Issuer != iss {
		return errors.New("the member issuer of the signing key does not match iss")
	}
	return nil
}
