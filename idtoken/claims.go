package idtoken

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// claims are the members of an ID token (OpenID Connect Core §2, §3.1.3.6, §3.3.2.11) that
// the steps read. Names are matched exactly. A claim that identifies or limits must have the
// right JSON type. An informational claim of another type counts as absent.
type claims struct {
	Issuer          string           `json:"iss"`
	Subject         string           `json:"sub"`
	Audience        jose.Audience    `json:"aud"`
	AuthorizedParty *string          `json:"azp"`
	Expiry          jose.NumericDate `json:"exp"`
	IssuedAt        jose.NumericDate `json:"iat"`
	NotBefore       jose.NumericDate `json:"nbf"`
	Nonce           *string          `json:"nonce"`
	AccessTokenHash *string          `json:"at_hash"`
	CodeHash        *string          `json:"c_hash"`
	StateHash       *string          `json:"s_hash"`
	ID              string           `json:"jti"`

	AuthTime  authTime `json:"auth_time"`
	ACR       text     `json:"acr"`
	AMR       texts    `json:"amr"`
	SessionID text     `json:"sid"`
	TenantID  text     `json:"tid"` // of Entra ID
	Events    events   `json:"events"`

	// Aggregated and distributed claims (OpenID Connect Core §5.6.2) are not followed.
	ClaimNames   jsontext.Value `json:"_claim_names"`
	ClaimSources jsontext.Value `json:"_claim_sources"`
}

const maxSubject = 255

// checkSubject applies OpenID Connect Core §2: present, at most 255 ASCII characters.
func (c *claims) checkSubject() error {
	if c.Subject == "" {
		return errors.New("sub is missing: correct the server (OpenID Connect Core §2)")
	}
	if len(c.Subject) > maxSubject {
		return fmt.Errorf("sub has %d bytes, expected at most %d", len(c.Subject), maxSubject)
	}
	for i := range len(c.Subject) {
		if c.Subject[i] < 0x20 || c.Subject[i] > 0x7e {
			return fmt.Errorf("sub %s is not printable ASCII", jose.Quote(c.Subject))
		}
	}
	return nil
}
