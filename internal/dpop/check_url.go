package dpop

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

var errHTU = errors.New("not an absolute http or https URL")

// NormalizeURL gives a URL without query and fragment in the one form of RFC 3986
// §6.2.2 and §6.2.3, which RFC 9449 §4.3 names for htu: scheme and host in lower case,
// no default port, no dot segments, percent-encoding in capitals and only where needed.
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

// PathOf is [NormalizePath] for that of u, as it was written: to escape it anew would make
// slashes of the escaped ones, where there is a character beside that no URL has.
func PathOf(u *url.URL) string { return NormalizePath(cmp.Or(u.RawPath, u.EscapedPath())) }

// NormalizePath is [NormalizeURL] for a path as it stands in a URL.
func NormalizePath(escaped string) string {
	if isNormal(escaped) {
		return escaped
	}
	return removeDots(normalizeEscapes(escaped))
}

// isNormal tells ordinary paths, at once, from those with something to do.
func isNormal(path string) bool {
	for i := range len(path) {
		if !isPathCharacter[path[i]] {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && !strings.Contains(path, "/.")
}

// isPathCharacter has what stands for itself in a path, RFC 3986 §3.3. Browsers send
// some others too.
var isPathCharacter = func() (set [256]bool) {
	for c := range 256 {
		set[c] = isUnreserved(byte(c)) || strings.IndexByte("/!$&'()*+,;=:@[]", byte(c)) >= 0
	}
	return set
}()

// normalizeEscapes decodes the unreserved characters, writes the other escapes in capitals
// (RFC 3986 §6.2.2.1, §6.2.2.2), and escapes what cannot stand in a path.
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

// removeDots is RFC 3986 §5.2.4. Empty segments stay: they mean something.
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
