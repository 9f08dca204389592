package client

import "github.com/go-json-experiment/json/jsontext"

// informative is a string that no check needs. A value of another JSON type counts as absent.
type informative string

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *informative) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil || v.Kind() != '"' {
		return err
	}
	text, err := jsontext.AppendUnquote(nil, v)
	*s = informative(text)
	return err
}
