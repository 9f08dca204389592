package login

import (
	"bufio"
	_ "embed"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const site = "https://app.example/private/page?x=1"

// resolveAsBrowser returns the host that a browser requests for an address on a page of site. It
// follows the URL Standard (WHATWG). It removes controls and spaces at the ends, and all tabs and
// line breaks. It reads a backslash as a slash. ok is false for an address with a scheme.
func resolveAsBrowser(s string) (host string, ok bool) {
	s = strings.TrimFunc(s, func(r rune) bool { return r <= ' ' })
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(s)
	if i := strings.IndexAny(s, ":/\\?#"); i > 0 && s[i] == ':' && isScheme(s[:i]) {
		return "", false
	}
	address, _, _ := strings.Cut(s, "#")
	address, _, _ = strings.Cut(address, "?")
	address = strings.ReplaceAll(address, `\`, "/")
	if !strings.HasPrefix(address, "//") {
		return "app.example", true
	}
	host, _, _ = strings.Cut(strings.TrimLeft(address, "/"), "/")
	return host, true
}

func isScheme(s string) bool {
	for i, c := range strings.ToLower(s) {
		if !('a' <= c && c <= 'z' || i > 0 && ('0' <= c && c <= '9' || strings.ContainsRune("+-.", c))) {
			return false
		}
	}
	return true
}

// staysHere checks that a value that cleanReturnTo accepts leads to this site. It reads the value
// as Go and as a browser do, also after the next server has decoded or cleaned the path.
func staysHere(t *testing.T, from, path string) {
	t.Helper()
	base, _ := url.Parse(site)
	u, err := base.Parse(path)
	if err != nil || u.Scheme != "https" || u.Host != "app.example" || u.User != nil {
		t.Errorf("%q becomes %q, and Go goes to %v, %v", from, path, u, err)
	}
	forms := []string{path}
	if u, err := url.Parse(path); err == nil {
		resolved := base.ResolveReference(u) // without dot segments
		forms = append(forms, u.Path, u.JoinPath().String(), resolved.Path, resolved.EscapedPath())
	}
	for _, form := range forms {
		if host, ok := resolveAsBrowser(form); !ok || host != "app.example" {
			t.Errorf("%q becomes %q, and a browser goes to %q", from, form, host)
		}
	}
	if strings.ContainsFunc(path, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		t.Errorf("%q becomes %q", from, path)
	}
	if again, ok := cleanReturnTo(path); !ok || again != path {
		t.Errorf("%q becomes %q, and that %q, %t", from, path, again, ok)
	}
}

// It is part of the binary, because fuzzers run in other directories.
//
//go:embed testdata/returnto.txt
var returnTos string

func corpus(t testing.TB) (all []string) {
	for lines := bufio.NewScanner(strings.NewReader(returnTos)); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		s, err := strconv.Unquote(lines.Text())
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, s)
	}
	return all
}

// TestReturnToCorpus is WEB-04: none of the hostile values leaves the site.
func TestReturnToCorpus(t *testing.T) {
	all, taken := corpus(t), 0
	for _, s := range all {
		path, ok := cleanReturnTo(s)
		if !ok {
			continue
		}
		taken++
		if host, here := resolveAsBrowser(s); !here || host != "app.example" {
			t.Errorf("%q is taken, and as it came it leads to %q", s, host)
		}
		staysHere(t, s, path)
	}
	if len(all) < 300 || taken > len(all)/4 {
		t.Errorf("%d values, %d of them taken", len(all), taken)
	}
	t.Logf("%d values, %d taken as paths of this site", len(all), taken)
}

// TestReturnTo is the other half of WEB-04: paths that visitors request are not changed.
func TestReturnTo(t *testing.T) {
	for _, same := range []string{
		"/", "/a", "/a/", "/a/b.html", "/a?b=c&d=e", "/a?b=%2F%2Fc", "/a?", "/caf%C3%A9", "/a%20b", "/a+b?c+d", "/a//b", "/.well-known/x", "/...",
		"/a;b=c", "/a/@b", "/a:b", "/search?q=https://other.example/", "/a%2Fb", "/~x", "/a,b!c$d'e(f)*g",
	} {
		if got, ok := cleanReturnTo(same); !ok || got != same {
			t.Errorf("%q becomes %q, %t", same, got, ok)
		}
	}
	for from, want := range map[string]string{"/a#b": "/a", "/#": "/", "/a?b#c": "/a?b"} {
		if got, ok := cleanReturnTo(from); !ok || got != want {
			t.Errorf("%q becomes %q, %t", from, got, ok)
		}
	}
}

func FuzzReturnTo(f *testing.F) {
	for _, s := range corpus(f) {
		f.Add(s)
	}
	f.Add("/a?b=c#d")
	f.Fuzz(func(t *testing.T, s string) {
		if path, ok := cleanReturnTo(s); ok {
			staysHere(t, s, path)
		}
	})
}
