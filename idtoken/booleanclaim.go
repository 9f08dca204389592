package idtoken

import "errors"

// BooleanClaim is a claim that is true or false, such as email_verified. Some servers write
// it as a string. A field of this type, in the struct for Token.Claims, reads both forms.
// Anything else is an error.
type BooleanClaim bool

// UnmarshalJSON implements json.Unmarshaler. It accepts true, false, "true" and "false", and
// returns an error for any other value.
func (c *BooleanClaim) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case "true", `"true"`:
		*c = true
	case "false", `"false"`, "null":
		*c = false
	default:
		return errors.New("the value is neither true nor false")
	}
	return nil
}
