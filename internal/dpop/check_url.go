package dpop

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var errHTU = errors.New("not an absolute http or https URL")

// NormalizeURL returns a URL without query and fragment, normalized by RFC 3986 §6.2.2 and
// §6.2.3, as RFC 9449 §4.3 requires for htu. Scheme and host are in lower case. It removes the
// default port and dot segments. Percent-encoding is in upper case and only where needed.
func NormalizeURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Hostname() == "" || u.User != nil {
		return "", errHTU
	}
	scheme, host := strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch scheme {
	case "https":
		host = strings.TrimSuffix(strings.TrimSuffix(host, ":"), ":443")
	case "http":
		host = strings.TrimSuffix(strings.TrimSuffix(host, ":"), ":80")
	default:
		return "", errHTU
	}
	return scheme + "://" + host + PathOf(u), nil
}

// PathOf returns the normalized path of u in its original escaping. Escaping it again would
// turn escaped slashes into slashes if the path contains an invalid character.
func PathOf(u *url.URL) string { return NormalizePath(cmp.Or(u.RawPath, u.EscapedPath())) }

// NormalizePath is [NormalizeURL] for the escaped path of a URL.
func NormalizePath(escaped string) string {
	if isNormal(escaped) {
		return escaped
	}
	return removeDots(normalizeEscapes(escaped))
}

// isNormal is a fast check for paths that need no change.
func isNormal(path string) bool {
	for i := range len(path) {
		if !isPathCharacter[path[i]] {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "/.")
}

// isPathCharacter contains the characters that need no escape in a path, RFC 3986 §3.3. It also
// has some that browsers send unescaped.
var isPathCharacter = func() (set [256]bool) {
	for c := range 256 {
		set[c] = isUnreserved(byte(c)) || strings.IndexByte("/!$&'()*+,;=:@[]", byte(c)) >= 0
	}
	return set
}()

// normalizeEscapes decodes unreserved characters, writes the other escapes in upper case (RFC
// 3986 §6.2.2.1, §6.2.2.2), and escapes characters that a path must not contain.
func normalizeEscapes(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' || i+2 >= len(s) || !isHex(s[i+1]) || !isHex(s[i+2]) {
			writePath(&b, s[i])
			continue
		}
		if c := unhex(s[i+1])<<4 | unhex(s[i+2]); isUnreserved(c) {
			b.WriteByte(c)
		} else {
			b.WriteString(strings.ToUpper(s[i : i+3]))
		}
		i += 2
	}
	return b.String()
}

func writePath(b *strings.Builder, c byte) {
	if isPathCharacter[c] {
		b.WriteByte(c)
		return
	}
	fmt.Fprintf(b, "%%%02X", c)
}

// removeDots applies RFC 3986 §5.2.4. It keeps empty segments, which are significant.
func removeDots(path string) string {
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	out := segments[:0]
	for i, s := range segments {
		last := i == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	}
	return c - 'a' + 10
}
