package loopback

import (
	"strings"
	"testing"
)

func TestPageEscapesEverything(t *testing.T) {
	plain := string(page{"t", "t", "c"}.html())
	for _, hostile := range []string{`<script>alert(1)</script>`, `"><img src=x>`, `' x='`, `</strong><b>`, `&lt;b&gt;`, "%s%d%!"} {
		got := string(page{hostile, hostile, hostile}.html())
		for _, mark := range []string{"<", ">", `"`, "'"} {
			if n, want := strings.Count(got, mark), strings.Count(plain, mark); n != want {
				t.Errorf("%q: the page has %d of %s, want %d:\n%s", hostile, n, mark, want, got)
			}
		}
		if strings.Contains(got, "%!") && !strings.Contains(hostile, "%!") {
			t.Errorf("%q was read as a format:\n%s", hostile, got)
		}
	}
	if strings.Contains(string(page{"t", "t", ""}.html()), "Code:") {
		t.Error("a page without a code shows one")
	}
}
