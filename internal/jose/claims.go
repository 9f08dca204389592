package jose

import (
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Audience is the aud claim: a string or an array of strings, RFC 7519 §4.1.3.
type Audience []string

var errAudience = errors.New("aud is neither a string nor an array of strings")

// UnmarshalJSONFrom implements the strict decoder's interface.
func (a *Audience) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	tok, err := d.ReadToken()
	if err != nil {
		return err
	}
	switch tok.Kind() {
	case '"':
		*a = Audience{tok.String()}
		return nil
	case '[':
		return a.readArray(d)
	}
	return errAudience
}

func (a *Audience) readArray(d *jsontext.Decoder) error {
	for {
		tok, err := d.ReadToken()
		if err != nil {
			return err
		}
		switch tok.Kind() {
		case '"':
			*a = append(*a, tok.String())
		case ']':
			return nil
		default:
			return errAudience
		}
	}
}

// NumericDate is a NumericDate, RFC 7519 §2: a JSON number of seconds, never a string.
// The zero value means that the claim is absent.
type NumericDate struct{ time.Time }

var errInstant = errors.New("a time is not a JSON number between 0 and 2^53")

// UnmarshalJSONFrom implements the strict decoder's interface.
func (i *NumericDate) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	return i.Parse(v)
}

// OptionalDate is the NumericDate of an optional claim such as "auth_time". Some servers
// write 0 if they do not know the time; 0 then counts as absent.
type OptionalDate struct{ NumericDate }

// UnmarshalJSONFrom implements the strict decoder's interface.
func (s *OptionalDate) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	v, err := d.ReadValue()
	if err != nil {
		return err
	}
	return s.Parse(v)
}

// Parse reads the JSON value v.
func (s *OptionalDate) Parse(v jsontext.Value) error {
	if string(v) == "0" {
		return nil
	}
	return s.NumericDate.Parse(v)
}

func (i *NumericDate) parseFloat(v jsontext.Value) error {
	seconds, err := strconv.ParseFloat(string(v), 64)
	if err != nil {
		return errInstant
	}
	return i.set(seconds)
}

func (i *NumericDate) set(seconds float64) error {
	if !(seconds > 0 && seconds < 1<<53) {
		return errInstant
	}
	whole, fraction := math.Modf(seconds)
	i.Time = time.Unix(int64(whole), int64(fraction*1e9))
	return nil
}

// Parse reads the JSON value v.
func (i *NumericDate) Parse(v jsontext.Value) error {
	if v.Kind() != '0' {
		return errInstant
	}
	if whole, ok := digits(v); ok {
		return i.set(float64(whole))
	}
	return i.parseFloat(v)
}

// digits decodes a number that consists of a few digits only. Nearly all dates do.
func digits(v jsontext.Value) (n int64, ok bool) {
	if len(v) > 15 {
		return 0, false
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
