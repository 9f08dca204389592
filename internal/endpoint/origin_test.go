package endpoint

import "testing"

func TestSameOrigin(t *testing.T) {
	for _, pair := range [][2]string{
		{"https://a.example/x", "https://a.example"}, {"https://a.example:443/", "https://A.EXAMPLE/y?z"},
		{"http://127.0.0.1:80", "http://127.0.0.1/"}, {"https://[::1]:8443/a", "https://[::1]:8443/b"},
	} {
		if !SameOrigin(pair[0], pair[1]) {
			t.Errorf("%q: not of one origin", pair)
		}
	}
	for _, pair := range [][2]string{
		{"https://a.example", "http://a.example"}, {"https://a.example", "https://a.example:8443"}, {"https://a.example", "https://b.a.example"},
		{"https://a.example", "https://a.example.evil.example"}, {"https://a.example", "https://evil.example/@a.example"},
		{"https://a.example@evil.example", "https://a.example"}, {"https://\u212a.example", "https://k.example"},
		{"", ""}, {"/a", "/a"}, {"https://", "https://"}, {"https://a.example", "%"}, {"%", "%"},
	} {
		if SameOrigin(pair[0], pair[1]) {
			t.Errorf("%q: of one origin", pair)
		}
	}
}
