package endpoint

import (
	"html"
	"strings"
)

// maxPage limits the part of a page that is read, in bytes.
const maxPage = 64 << 10

// pageText returns the title and the text of HTML or XML, and plain text as it is. It uses no
// regular expressions: for some pages their time grows with the square of the size.
func pageText(page string) string {
	page = strings.ToValidUTF8(page[:min(len(page), maxPage)], "?")
	lower := strings.Map(lowerASCII, page)
	var text strings.Builder
	text.WriteString(pageTitle(page, lower) + " ")
	for {
		before, _, found := strings.Cut(page, "<")
		text.WriteString(before)
		if !found {
			return strings.Join(strings.Fields(html.UnescapeString(text.String())), " ")
		}
		tag := len(before) + 1
		end := tag + tagEnd(lower[tag:])
		if end == tag { // not a tag
			text.WriteString("<")
		} else {
			text.WriteString(" ")
		}
		page, lower = page[end:], lower[end:]
	}
}

func pageTitle(page, lower string) string {
	begin := strings.Index(lower, "<title")
	if begin < 0 {
		return ""
	}
	_, title, _ := strings.Cut(page[begin:], ">")
	title, _, _ = strings.Cut(title, "<")
	return title
}

// unseen are the parts of a page that a person does not see: how a tag begins, and how it ends.
var unseen = [][2]string{{"!--", "-->"}, {"script", "</script"}, {"style", "</style"}, {"head", "</head"}}

// tagEnd returns where a tag ends, and 0 if it does not. An unseen part without an end
// hides the rest of the page. The end of head may be missing.
func tagEnd(lower string) int {
	begin := 0
	for _, part := range unseen {
		if !isTag(lower, part[0]) {
			continue
		}
		begin = strings.Index(lower, part[1])
		if begin < 0 && part[0] != "head" {
			return len(lower)
		}
		begin = max(begin, 0)
	}
	return begin + strings.Index(lower[begin:], ">") + 1
}

func isTag(lower, name string) bool {
	after, found := strings.CutPrefix(lower, name)
	return found && (name == "!--" || after == "" || strings.ContainsRune(" \t\r\n/>", rune(after[0])))
}
