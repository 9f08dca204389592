package endpoint

import (
	"net/url"
	"strings"
)

var defaultPorts = map[string]string{"http": "80", "https": "443"}

// Origin is the origin of an absolute URL, with its port always: two URLs are of one
// origin if these are equal (RFC 6454 §5). Letters that are not ASCII stay as they are: in
// lower case they can be those of another host (İ is i).
func Origin(u *url.URL) string {
	host, port := strings.Map(lowerASCII, u.Hostname()), u.Port()
	if port == "" {
		port = defaultPorts[u.Scheme]
	}
	return u.Scheme + "://" + host + ":" + port
}

// SameOrigin tells whether a and b are absolute URLs of one origin.
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
