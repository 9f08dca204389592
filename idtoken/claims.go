package idtoken

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// claims are the members of an ID token (OpenID Connect Core §2, §3.1.3.6,
// §3.3.2.11) that the steps read. Names are matched exactly.
type claims struct {
	Issuer          string        `json:"iss"`
	Subject         string        `json:"sub"`
	Audience        jose.Audience `json:"aud"`
	AuthorizedParty *string       `json:"azp"`
	Expiry          jose.Instant  `json:"exp"`
	IssuedAt        jose.Instant  `json:"iat"`
	NotBefore       jose.Instant  `json:"nbf"`
	AuthTime        jose.Since    `json:"auth_time"`
	Nonce           *string       `json:"nonce"`
	ACR             *string       `json:"acr"`
	AMR             []string      `json:"amr"`
	SessionID       string        `json:"sid"`
	AccessTokenHash *string       `json:"at_hash"`
	CodeHash        *string       `json:"c_hash"`
	StateHash       *string       `json:"s_hash"`
	TenantID        string        `json:"tid"` // of Entra ID
	ID              string        `json:"jti"`
	Events          events        `json:"events"`
}

// events are the security events of a logout token, Back-Channel Logout §2.4.
type events struct {
	Logout jsontext.Value `json:"http://schemas.openid.net/event/backchannel-logout"`
}

const maxSubject = 255

// checkSubject applies OpenID Connect Core §2: present, at most 255 ASCII characters.
func (c *claims) checkSubject() error {
	if c.Subject == "" {
		return errors.New("sub is missing")
	}
	if len(c.Subject) > maxSubject {
		return fmt.Errorf("sub has %d bytes; at most %d are allowed", len(c.Subject), maxSubject)
	}
	for i := range len(c.Subject) {
		if c.Subject[i] < 0x20 || c.Subject[i] > 0x7e {
			return fmt.Errorf("sub %s is not printable ASCII", jose.Quote(c.Subject))
		}
	}
	return nil
}
