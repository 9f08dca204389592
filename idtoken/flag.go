package idtoken

import (
	"errors"
)

// Flag is a claim that is true or false, such as email_verified. Some servers write it
// in a string: use Flag in the struct that you give to Token.Claims, and both are read.
// Anything else is an error.
type Flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *Flag) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*f = true
	case "false", `"false"`, "null":
		*f = false
	default:
		return errors.New("neither true nor false")
	}
	return nil
}
