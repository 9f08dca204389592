package rs

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// dialect describes the access tokens of a server: its names for client_id and scope, and the
// claims that it must write.
type dialect struct {
	claims           map[string]string
	subject          string // name of the claim; "" means the name in the RFCs, also for the next two
	clientID, scope  string
	issuer, audience string // the expected values, to share their memory
	strict           bool   // the token follows RFC 9068 but Typ does not: client_id is read too
	tenants          bool   // tid is read
}

func (d *dialect) clientIDName() string {
	if d.clientID != "" {
		return d.clientID
	}
	return "client_id"
}

func (d *dialect) scopeName() string {
	if d.scope != "" {
		return d.scope
	}
	return "scope"
}

// decode reads a token's claims by this dialect.
func (d dialect) decode(payload []byte) (*claims, error) {
	c := &claims{dialect: d}
	if err := c.decode(payload); err != nil {
		return nil, err
	}
	return c, d.check(c, payload)
}

// check reports what does not match the configuration.
func (d *dialect) check(c *claims, payload []byte) error {
	switch {
	case c.fault != nil:
		return c.fault
	case c.marks != len(d.claims):
		return d.unmet(payload)
	case d.clientID != "" && c.principal.ClientID == "" && d.strict:
		c.principal.ClientID = c.standardClient
		return nil
	case d.clientID != "" && c.principal.ClientID == "":
		return errClientID
	}
	return nil
}

// unmet names the first claim that does not have the value of Claims.
func (d *dialect) unmet(payload []byte) error {
	var members map[string]jsontext.Value
	if err := jose.Decode(payload, &members, jose.TokenLimits); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(d.claims)) {
		var got, found string
		switch v, ok := members[name]; {
		case !ok:
			found = "missing"
		case setText(&got, v, "") != nil:
			found = "not a string"
		case got == d.claims[name]:
			continue
		default:
			found = jose.Quote(got)
		}
		return fmt.Errorf("claim %s is %s, expected %s: send an access token of this server, or correct Claims", jose.Quote(name), found, jose.Quote(d.claims[name]))
	}
	return errors.New("a claim does not have the value that Claims requires")
}

// readScopes reads a string, split at spaces only (RFC 6749 §3.3), or an array of strings,
// which many servers write. A missing claim means no scopes.
func (d *dialect) readScopes(to *[]string, v jsontext.Value) error {
	var text string
	switch {
	case v.Kind() == '[' && setList(to, v) == nil:
		return nil
	case setText(&text, v, "") != nil:
		return fmt.Errorf("%s is neither a string nor an array of strings", jose.Quote(d.scopeName()))
	}
	*to = make([]string, 0, 1+bytes.Count(v, []byte(" ")))
	for s := range strings.SplitSeq(text, " ") {
		if s != "" {
			*to = append(*to, s)
		}
	}
	return nil
}
