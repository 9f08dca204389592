package idtoken

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// Types for informational claims. A value of another JSON type counts as absent. Only the
// step that needs the claim fails, and its error names the wrong type.

// text is a string.
type text struct {
	value    string
	present  bool
	wrongful bool // present, but with another JSON type
}

// UnmarshalJSONFrom implements the strict decoder's interface.
func (t *text) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	t.value, t.present = unquoted(v)
	t.wrongful = !t.present
	return nil
}

func unquoted(v jsontext.Value) (string, bool) {
	if v.Kind() != '"' {
		return "", false
	}
	b, err := jsontext.AppendUnquote(nil, v)
	return string(b), err == nil
}

// texts is a list of strings. A single string is decoded as a list of one.
type texts []string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (t *texts) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		v, err := d.ReadValue()
		if one, ok := unquoted(v); ok && err == nil {
			*t = texts{one}
		}
		return err
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	all := true
	for d.PeekKind() != ']' {
		v, err := d.ReadValue()
		if err != nil {
			return err
		}
		one, ok := unquoted(v)
		*t, all = append(*t, one), all && ok
	}
	if !all {
		*t = nil
	}
	_, err := d.ReadToken()
	return err
}

// authTime is a point in time. Some servers write 0 if they do not know it.
type authTime struct {
	jose.OptionalDate
	wrongful bool // present, but not a number of seconds
}

// UnmarshalJSONFrom implements the strict decoder's interface.
func (a *authTime) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err == nil && a.Parse(v) != nil {
		*a = authTime{wrongful: true}
	}
	return err
}

// events holds the security events of a logout token, Back-Channel Logout §2.4.
type events struct {
	Logout jsontext.Value `json:"http://schemas.openid.net/event/backchannel-logout"`
}

// UnmarshalJSONFrom implements the strict decoder's interface.
func (e *events) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil || v.Kind() != '{' {
		return err
	}
	var members struct {
		Logout jsontext.Value `json:"http://schemas.openid.net/event/backchannel-logout"`
	}
	err = jose.Decode(v, &members, jose.TokenLimits)
	e.Logout = members.Logout
	return err
}
