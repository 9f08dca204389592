package endpoint

import (
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// foreignNames are the members in which servers explain an error that is not one of OAuth, in the
// order in which a person reads them.
var foreignNames = []string{
	"error", "errors", "fault", "status_code", "code", "errorCode", "error_code", "type", "title", "message", "Message", "msg", "error_message", "errorMessage", "error_msg",
	"errorSummary", "description", "error_description", "reason", "detail", "details", "faultstring", "errorcode",
}

// foreign returns how a server explains an error that is not one of OAuth: members of JSON, or the
// text of a page. It has no secret of the request and no long value. A response with a success
// status may contain tokens and is not read.
func (r *Response) foreign() string {
	if r.Status < 400 {
		return ""
	}
	text := ""
	var body any
	switch {
	case json.Unmarshal(r.Body, &body) == nil:
		text = strings.Join(foreignParts(body, 4), ", ")
	case strings.HasPrefix(r.MediaType, "text/") || strings.HasSuffix(r.MediaType, "xml"):
		text = pageText(string(r.Body))
	}
	for _, secret := range r.secrets {
		if len(secret) >= minSecret {
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "[redacted]")
		}
	}
	return Clean(opaque.ReplaceAllString(r.Redact(text), "[redacted]"))
}

// opaque are values that may be tokens.
var opaque = regexp.MustCompile(`[A-Za-z0-9_+=%.~-]{40,}`)

// foreignParts returns the values of the known members, at most depth levels deep.
func foreignParts(v any, depth int) (out []string) {
	switch v := v.(type) {
	case string:
		return slices.DeleteFunc([]string{strings.TrimSpace(v)}, func(s string) bool { return s == "" })
	case float64:
		return []string{fmt.Sprint(v)}
	case []any:
		for _, one := range v[:min(len(v), 3)] {
			if depth > 0 {
				out = append(out, foreignParts(one, depth-1)...)
			}
		}
	case map[string]any:
		for _, name := range foreignNames {
			if depth > 0 {
				out = append(out, foreignParts(v[name], depth-1)...)
			}
		}
	}
	return out
}

var (
	invisible = regexp.MustCompile(`(?is)<!--.*?-->|<(script|style|head)\b.*?</(script|style|head)>|<[?!][^>]*>`)
	title     = regexp.MustCompile(`(?is)<title\b[^>]*>(.*?)</title>`)
	tag       = regexp.MustCompile(`<[^>]*>`)
)

// pageText returns the title and the text of HTML or XML, and plain text as it is.
func pageText(page string) string {
	text := invisible.ReplaceAllString(page, " ")
	if found := title.FindStringSubmatch(page); found != nil {
		text = found[1] + " " + text
	}
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(text, " "))), " ")
}
