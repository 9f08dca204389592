package rs

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/internal/jose"
)

// Nearly all access tokens are one flat JSON object of plain strings, whole numbers and lists of
// plain strings, without white space. Every JSON reader reads such a text in the same way, and this
// reader needs a third of the time. It leaves everything else to the strict decoder. A fuzz test
// compares the two.

// maxSimple is the maximum number of members of a simple object.
const maxSimple = 32

// member is a member's name, without its quotes, and its value.
type member struct{ name, value []byte }

// plain are the characters that need no escape in a string: printable ASCII without quote and
// backslash.
var plain = func() (set [256]bool) {
	for c := ' '; c <= '~'; c++ {
		set[c] = c != '"' && c != '\\'
	}
	return set
}()

// decodeSimple reads payload if it is simple. It checks the whole payload before it uses any
// part.
func (c *claims) decodeSimple(payload []byte) (simple bool, err error) {
	var buf [maxSimple]member
	members := simpleMembers(payload, buf[:0])
	for _, m := range members {
		if err := c.set(m.name, jsontext.Value(m.value)); err != nil {
			c.wrong = string(m.name)
			return true, err
		}
	}
	return len(members) > 0, nil
}

// simpleMembers returns no members if b is not simple.
func simpleMembers(b []byte, out []member) []member {
	if len(b) == 0 || b[0] != '{' || len(b) > jose.TokenLimits.Bytes {
		return nil
	}
	var seen uint64
	for i := 1; ; {
		name := simpleText(b, i)
		value := i + name + 1
		if name == 0 || value >= len(b) || b[value-1] != ':' || len(out) == cap(out) {
			return nil
		}
		n := simpleValue(b, value)
		end := value + n
		m := member{b[i+1 : i+max(name, 2)-1], b[value:end]}
		bit := m.bit()
		if n == 0 || end >= len(b) || seen&bit != 0 && has(out, m.name) {
			return nil
		}
		seen |= bit
		out = append(out, m)
		if b[end] == '}' && end == len(b)-1 {
			return out
		}
		if b[end] != ',' {
			return nil
		}
		i = end + 1
	}
}

// bit maps a name to one bit. Most different names have different bits, so has is rarely
// called.
func (m member) bit() uint64 {
	if len(m.name) == 0 {
		return 1
	}
	return 1 << ((16*len(m.name) + 3*int(m.name[0]) + int(m.name[len(m.name)-1])) % 64)
}

func has(members []member, name []byte) bool {
	for i := range members {
		if bytes.Equal(members[i].name, name) {
			return true
		}
	}
	return false
}

// simpleText returns the length of the plain string that starts at i, with its quotes, or 0.
func simpleText(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return 0
	}
	end := i + 1
	for end < len(b) && plain[b[end]] {
		end++
	}
	if end == len(b) || b[end] != '"' {
		return 0
	}
	return end + 1 - i
}

func simpleValue(b []byte, i int) int {
	switch c := b[i]; {
	case c == '"':
		return simpleText(b, i)
	case c == '[':
		return simpleList(b, i)
	case '1' <= c && c <= '9':
		return simpleNumber(b, i)
	}
	return 0
}

func simpleNumber(b []byte, i int) int {
	end := i
	for end < len(b) && '0' <= b[end] && b[end] <= '9' {
		end++
	}
	if end-i > 15 {
		return 0
	}
	return end - i
}

func simpleList(b []byte, i int) int {
	for end := i + 1; ; end++ {
		n := simpleText(b, end)
		end += n
		if n == 0 || end >= len(b) || b[end] != ',' && b[end] != ']' {
			return 0
		}
		if b[end] == ']' {
			return end + 1 - i
		}
	}
}
