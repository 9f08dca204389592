package ssf

import (
	"encoding/json"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// The event types that end access: CAEP 1.0 and RISC 1.0.
const (
	SessionRevoked         = caep + "session-revoked"
	CredentialChange       = caep + "credential-change"
	TokenClaimsChange      = caep + "token-claims-change"
	AssuranceLevelChange   = caep + "assurance-level-change"
	DeviceComplianceChange = caep + "device-compliance-change"

	AccountDisabled      = risc + "account-disabled"
	AccountPurged        = risc + "account-purged"
	CredentialCompromise = risc + "credential-compromise"
	SessionsRevoked      = risc + "sessions-revoked"
)

// The event types about the stream itself, SSF 1.0 §8.1.4 and §8.1.5.
const (
	Verification  = "https://schemas.openid.net/secevent/ssf/event-type/verification"
	StreamUpdated = "https://schemas.openid.net/secevent/ssf/event-type/stream-updated"
)

const (
	caep = "https://schemas.openid.net/secevent/caep/event-type/"
	risc = "https://schemas.openid.net/secevent/risc/event-type/"
)

// Event is one event of a verified Security Event Token.
type Event struct {
	Type     string    // a URI
	Issuer   string    // iss of the token: the transmitter
	ID       string    // jti of the token
	IssuedAt time.Time // iat of the token
	Time     time.Time // when it happened: event_timestamp, otherwise toe, otherwise iat; at most iat; for unknown types iat
	Subject  Subject   // the user, session or token that the event is about

	payload []byte
}

// Claims decodes the members of the event, such as "reason_admin", into v with encoding/json.
// An error means that v cannot hold the members.
func (e Event) Claims(v any) error { return json.Unmarshal(e.payload, v) }

// members are the members that decide whether an event ends access.
type members struct {
	Timestamp any `json:"event_timestamp"`
	State     any `json:"state"`
	Status    any `json:"status"`
	Direction any `json:"change_direction"`
	Current   any `json:"current_status"`
}

func (e Event) members() (m members) {
	jose.Decode(e.payload, &m, jose.TokenLimits) // it was decoded before, so there is no error
	return m
}

// ends reports whether the event ends access. The user keeps access if an assurance level
// increases (CAEP 1.0 §3.4) or a device becomes compliant (§3.5).
func (e Event) ends() bool {
	switch e.Type {
	case SessionRevoked, CredentialChange, TokenClaimsChange,
		AccountDisabled, AccountPurged, CredentialCompromise, SessionsRevoked:
		return true
	case AssuranceLevelChange:
		return e.members().Direction != "increase"
	case DeviceComplianceChange:
		return e.members().Current != "compliant"
	}
	return false
}

func (e Event) known() bool {
	switch e.Type {
	case AssuranceLevelChange, DeviceComplianceChange, Verification, StreamUpdated:
		return true
	}
	return e.ends()
}
