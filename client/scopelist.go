package client

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// scopeList is the scope of a response: a list in one string (RFC 6749 §3.3), or an array
// of strings, as Twitch writes it.
type scopeList []string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *scopeList) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	var list jose.Audience
	if err := list.UnmarshalJSONFrom(d); err != nil {
		return errors.New("scope is neither a string nor an array of strings")
	}
	*s = strings.FieldsFunc(strings.Join(list, " "), func(r rune) bool { return r == ' ' })
	return nil
}

// tokenType is the token_type to expect.
func (d *DPoP) tokenType() string {
	if d != nil {
		return `"DPoP"`
	}
	return `"Bearer"`
}

// typeHint names the setting for another one.
func (d *DPoP) typeHint() string {
	if d != nil {
		return " (see DPoP.InsecureAllowBearer)"
	}
	return " (see Config.TokenTypes)"
}
