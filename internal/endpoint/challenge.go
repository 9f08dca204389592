package endpoint

import (
	"strings"
)

const maxChallenge = 4 << 10 // bytes of all WWW-Authenticate fields of a response

// Challenge is one challenge of WWW-Authenticate, RFC 9110 §11.6.1.
type Challenge struct {
	Scheme string            // lower case
	Params map[string]string // keys are names in lower case; the first value of a name counts
}

// Challenges parses the fields of WWW-Authenticate. It stops at the first malformed part and
// returns the challenges before it.
func Challenges(fields []string) []Challenge {
	s := strings.Join(fields, ", ")
	if len(s) > maxChallenge {
		return nil
	}
	var out []Challenge
	for {
		s = strings.TrimLeft(s, ", \t")
		name, rest := cutToken(s)
		if name == "" {
			return out
		}
		if value, after, ok := cutParameter(rest); ok && len(out) > 0 {
			out[len(out)-1].add(name, value)
			s = after
			continue
		}
		if rest != "" && rest[0] != ' ' && rest[0] != ',' {
			return out
		}
		out = append(out, Challenge{strings.ToLower(name), map[string]string{}})
		s = skipToken68(rest)
	}
}

func (c Challenge) add(name, value string) {
	name = strings.ToLower(name)
	if _, twice := c.Params[name]; !twice {
		c.Params[name] = value
	}
}

// cutToken cuts a token (RFC 9110 §5.6.2) from the start.
func cutToken(s string) (token, rest string) {
	i := 0
	for i < len(s) && isTokenChar(s[i]) {
		i++
	}
	return s[:i], s[i:]
}

func isTokenChar(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// skipToken68 cuts a token68 (RFC 9110 §11.2) from the start, if there is one. Schemes such as
// Negotiate have it instead of parameters.
func skipToken68(s string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
	value := strings.TrimLeft(s, " ")
	rest := strings.TrimLeft(value, alphabet)
	if rest == value {
		return s
	}
	rest = strings.TrimLeft(strings.TrimLeft(rest, "="), " \t")
	if rest == "" || rest[0] == ',' {
		return rest
	}
	return s
}

// cutParameter cuts "= value" from the start. The value is a token or a quoted string.
func cutParameter(s string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), "=")
	if !ok {
		return "", "", false
	}
	s = strings.TrimLeft(s, " \t")
	if !strings.HasPrefix(s, `"`) {
		value, rest = cutToken(s)
		return value, rest, value != ""
	}
	return cutQuoted(s[1:])
}

// cutQuoted reads a quoted string after its first quote (RFC 9110 §5.6.4).
func cutQuoted(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), s[i+1:], true
		case '\\':
			if i++; i == len(s) {
				return "", "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// ChallengeCode returns the error code of a Bearer or DPoP challenge (RFC 6750 §3.1, RFC 9449
// §7.1), cleaned, or "".
func ChallengeCode(fields []string) string {
	for _, c := range Challenges(fields) {
		if code := c.Params["error"]; code != "" && (c.Scheme == "bearer" || c.Scheme == "dpop") {
			return CleanCode(code)
		}
	}
	return ""
}
