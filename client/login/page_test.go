package login

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// The page is made of text, without a template engine. A value that an attacker may choose must
// not become markup, an attribute or a URL with another scheme.
func TestPageEscapesEverything(t *testing.T) {
	plain := string(render(Problem{Code: "c", ID: "i", Retry: "/login?a"}, words{"t", "t"}))
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img/src=x/onerror=alert(1)>`, `'/onmouseover='alert(1)`, `</strong><a/href="//evil.example">`,
		`&lt;script&gt;`, `</style><script>alert(1)</script>`, "%s%d%!", `<!--`,
	} {
		page := string(render(Problem{Code: hostile, ID: hostile, Retry: "/login?" + hostile}, words{hostile, hostile}))
		for _, mark := range []string{"<", ">", `"`, "'"} {
			if got, want := strings.Count(page, mark), strings.Count(plain, mark); got != want {
				t.Errorf("%q: the page has %d of %s, want %d:\n%s", hostile, got, mark, want, page)
			}
		}
		if strings.Contains(page, "%!") && !strings.Contains(hostile, "%!") {
			t.Errorf("%q: a value was read as a format:\n%s", hostile, page)
		}
	}
}

func TestPageLinksToThisSiteOnly(t *testing.T) {
	for _, to := range []string{"/", "/login", "/login?return_to=%2Fa%26b&client=main", "/login?a=1&b=2"} {
		if link := retryLink(to); !strings.Contains(link, `href="/`) {
			t.Errorf("%q makes no link: %q", to, link)
		}
	}
	if got, want := retryLink("/login?a=1&b=2"), `href="/login?a=1&amp;b=2"`; !strings.Contains(got, want) {
		t.Errorf("the link is %q, want %s in it", got, want)
	}
	for _, to := range []string{
		"", "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example", `/\evil.example`, "/\t/evil.example",
		"https://evil.example", " /login", "/login\n", "login", "/lögin",
	} {
		if link := retryLink(to); link != "" {
			t.Errorf("%q makes the link %q, want none", to, link)
		}
	}
}

func TestPageOfEveryProblem(t *testing.T) {
	for code, says := range texts {
		w := httptest.NewRecorder()
		writePage(w, Problem{Status: 400, Code: code, ID: "ABC", Retry: "/login"})
		for _, want := range []string{says.Title, `<strong id="code">` + code + `</strong>`, `<strong id="reference">ABC</strong>`, `href="/login"`} {
			if !strings.Contains(w.Body.String(), want) {
				t.Errorf("%s: the page has no %q", code, want)
			}
		}
	}
}
