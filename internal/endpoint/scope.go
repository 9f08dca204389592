package endpoint

// IsScopeToken reports whether s is a scope-token of RFC 6749 §3.3.
func IsScopeToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= 0x20 || c > 0x7e || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
