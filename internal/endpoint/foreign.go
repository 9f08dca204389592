package endpoint

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const maxExplanation = 8 << 10 // bytes of a text that are searched for secrets

// foreignNames are the members in which servers explain an error that is not one of OAuth, in the
// order in which a person reads them.
var foreignNames = []string{
	"error", "errors", "fault", "status_code", "code", "errorCode", "error_code", "type", "title", "message", "Message", "msg", "error_message", "errorMessage", "error_msg",
	"errcode", "errmsg", "errorSummary", "description", "error_description", "reason", "detail", "details", "faultstring", "errorcode",
}

// foreign returns how a server explains an error that is not one of OAuth: members of JSON, or the
// text of a page. It has no secret of the request and no long value. A response that contains tokens
// is not read, nor a page with a success status.
func (r *Response) foreign() string {
	text := ""
	var body any
	isJSON := json.Unmarshal(r.Body, &body) == nil
	switch {
	case r.Status < 400 && (!isJSON || !r.IsJSON() || hasTokens(body)):
		return ""
	case isJSON:
		text = strings.Join(foreignParts(body, 4), ", ")
	case strings.HasPrefix(r.MediaType, "text/") || strings.HasSuffix(r.MediaType, "xml"):
		text = pageText(string(r.Body))
	}
	text = text[:min(len(text), maxExplanation)]
	for _, secret := range r.secrets {
		text = redact(text, []string{url.QueryEscape(secret)})
	}
	return Clean(r.Redact(opaque.ReplaceAllString(redact(text, r.secrets), "[redacted]")))
}

// hasTokens reports whether a response is not an error.
func hasTokens(body any) bool {
	members, ok := body.(map[string]any)
	return !ok || members["access_token"] != nil || members["id_token"] != nil || members["refresh_token"] != nil
}

// foreignError is the error of a response with a success status in which the server explains an
// error in its own format.
type foreignError struct {
	error
	text string
}

func (e *foreignError) Error() string { return fmt.Sprintf("%v: the server says %q", e.error, e.text) }
func (e *foreignError) Unwrap() error { return e.error }

// Foreign returns true. Package login calls it.
func (*foreignError) Foreign() bool { return true }

// Explained adds what the server says in its own format to the error of a response.
func (r *Response) Explained(err error) error {
	if text := r.foreign(); text != "" {
		return &foreignError{err, text}
	}
	return err
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
