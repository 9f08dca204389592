package login

import (
	"net/url"
	"strings"
)

// maxReturnTo is the maximum length of an address to return to, because it is stored in a
// cookie.
const maxReturnTo = 2000

// cleanReturnTo parses a path of this site with its query, and returns it written again. ok is
// false for everything that a browser or a proxy may read as something else (RFC 9700 §4.11). A
// fragment is removed.
func cleanReturnTo(s string) (path string, ok bool) {
	if !isPlainPath(s) {
		return "", false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" || !isPlainDecoded(u.Path) {
		return "", false
	}
	again := (&url.URL{Path: u.Path, RawPath: u.RawPath, RawQuery: u.RawQuery, ForceQuery: u.ForceQuery}).String()
	return again, isPlainPath(again)
}

// isPlainPath reports whether s has one slash at the start, and then only visible ASCII without
// backslashes. A browser removes tabs and line breaks, and reads a backslash as a slash.
func isPlainPath(s string) bool {
	return len(s) <= maxReturnTo && isSitePath(s)
}

// isSitePath is isPlainPath for an address of any length.
func isSitePath(s string) bool {
	if s == "" || s[0] != '/' || len(s) > 1 && s[1] == '/' {
		return false
	}
	for i := range len(s) {
		if s[i] <= 0x20 || s[i] >= 0x7f || s[i] == '\\' {
			return false
		}
	}
	return true
}

// isPlainDecoded checks a path as the next server may see it: decoded. No segment may be "..",
// so that no second slash appears at the start.
func isPlainDecoded(path string) bool {
	if len(path) > 1 && path[1] == '/' {
		return false
	}
	for i := range len(path) {
		if path[i] < 0x20 || path[i] == 0x7f || path[i] == '\\' {
			return false
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
