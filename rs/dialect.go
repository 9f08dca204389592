package rs

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// dialect is how a server writes what the RFCs call client_id and scope.
type dialect struct {
	claims          map[string]string
	clientID, scope string
	list            bool
}

// apply reads the claims whose names are configuration into p.
func (d dialect) apply(p *Principal) error {
	var all map[string]jsontext.Value
	if err := jose.Decode(p.payload, &all, jose.TokenLimits); err != nil {
		return err
	}
	for name, want := range d.claims {
		if got, err := str(all[name]); err != nil || got != want {
			return fmt.Errorf("claim %s is not %s", jose.Quote(name), jose.Quote(want))
		}
	}
	if d.clientID != "" {
		id, err := str(all[d.clientID])
		if err != nil {
			return fmt.Errorf("client ID: claim %s is not a string", jose.Quote(d.clientID))
		}
		p.ClientID = id
	}
	name := d.scope
	if name == "" {
		name = "scope"
	}
	scopes, err := d.scopes(all[name])
	p.Scopes = scopes
	return err
}

// scopes splits at spaces and nothing else (RFC 6749 §3.3). No scope claim means
// no scope.
func (d dialect) scopes(v jsontext.Value) ([]string, error) {
	if len(v) == 0 {
		return nil, nil
	}
	var scopes []string
	if d.list {
		if err := json.Unmarshal(v, &scopes); err != nil || v.Kind() != '[' {
			return nil, errors.New("the scope is not an array of strings")
		}
		return scopes, nil
	}
	text, err := str(v)
	if err != nil {
		return nil, errors.New("the scope is not a string (see ScopeList)")
	}
	for s := range strings.SplitSeq(text, " ") {
		if s != "" {
			scopes = append(scopes, s)
		}
	}
	return scopes, nil
}

func str(v jsontext.Value) (s string, err error) {
	if v.Kind() != '"' {
		return "", errors.New("not a string")
	}
	return s, json.Unmarshal(v, &s)
}
