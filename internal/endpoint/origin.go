package endpoint

import (
	"net/url"
	"strings"
)

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// Origin returns the origin of an absolute URL, always with the port. Two URLs have the same
// origin if the results are equal (RFC 6454 §5). Letters outside of ASCII are unchanged: in
// lower case they could become another host (İ becomes i).
func Origin(u *url.URL) string {
	host, port := strings.Map(lowerASCII, u.Hostname()), u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return u.Scheme + "://" + host + ":" + port
}

// SameOrigin reports whether a and b are absolute URLs with the same origin.
func SameOrigin(a, b string) bool {
	u, err := url.Parse(a)
	v, errV := url.Parse(b)
	return err == nil && errV == nil && u.Host != "" && Origin(u) == Origin(v)
}

func lowerASCII(r rune) rune {
	if 'A' <= r && r <= 'Z' {
		r += 'a' - 'A'
	}
	return r
}
