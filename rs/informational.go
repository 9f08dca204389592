package rs

import (
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/internal/jose"
)

// claimSet is a set of informational claims.
type claimSet uint8

const (
	claimACR claimSet = 1 << iota
	claimAMR
	claimAuthTime
	claimSID
	claimDetails
)

// inform notes an informational claim that cannot be read. The claim counts as absent, because
// no check of the token needs it. A guard that needs it rejects the request and says why.
func (c *claims) inform(claim claimSet, err error) {
	if err != nil {
		c.principal.unreadable |= claim
	}
}

func (p *Principal) wrongACR(wanted string) error {
	switch {
	case p.unreadable&claimACR != 0:
		return errors.New("acr in the token is not a string")
	case p.ACR == "":
		return fmt.Errorf("acr is missing, expected one of %s: configure the server to put acr into access tokens", jose.Quote(wanted))
	}
	return fmt.Errorf("acr is %s, expected one of %s", jose.Quote(p.ACR), jose.Quote(wanted))
}

func (p *Principal) wrongAge(ago, age time.Duration) error {
	switch {
	case p.unreadable&claimAuthTime != 0:
		return errors.New("auth_time in the token is not a number of seconds")
	case p.AuthTime.IsZero():
		return errors.New("auth_time is missing: configure the server to put auth_time into access tokens")
	case ago < -maxSkew:
		return fmt.Errorf("auth_time is %s in the future: compare the clocks of the server and of this machine", jose.Duration((-ago).Round(time.Second)))
	}
	return fmt.Errorf("the user authenticated %s ago, expected at most %s", jose.Duration(ago.Round(time.Second)), jose.Duration(max(age, 0)))
}

func (p *Principal) wrongDetails(typ string) error {
	switch {
	case p.unreadable&claimDetails != 0:
		return errors.New("authorization_details in the token is not an array of objects with a type (RFC 9396 §2)")
	case len(p.AuthorizationDetails) == 0:
		return fmt.Errorf("authorization_details is missing, expected an element of type %s", jose.Quote(typ))
	}
	return fmt.Errorf("no authorization detail of type %s allows this request", jose.Quote(typ))
}
