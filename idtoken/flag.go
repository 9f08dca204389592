package idtoken

import (
	"errors"
)

// Flag is a boolean claim such as email_verified. Some servers send it as a string. Use Flag
// in the struct that you pass to Token.Claims to accept both forms. Any other value is an
// error.
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
