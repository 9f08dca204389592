package mcpauth

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"strings"
)

// mismatch is a header field that does not fit the message.
type mismatch struct{ field string }

func (e *mismatch) Error() string {
	return fmt.Sprintf("the header field %s does not match the message", e.field)
}

// notJSON is a body that is not JSON in UTF-8.
type notJSON struct{ expected string }

func (e *notJSON) Error() string { return "expected " + e.expected }

// checkBody rejects a body that a parser after this one could decode in another way.
func checkBody(h http.Header) error {
	for _, encoding := range h.Values("Content-Encoding") {
		if !strings.EqualFold(encoding, "identity") {
			return &notJSON{"no Content-Encoding"}
		}
	}
	types := h.Values("Content-Type")
	if len(types) != 1 {
		return &notJSON{"one Content-Type, application/json"}
	}
	mediaType, parameters, err := mime.ParseMediaType(types[0])
	charset := strings.ToLower(parameters["charset"])
	if err != nil || mediaType != "application/json" || charset != "" && charset != "utf-8" && charset != "utf8" {
		return &notJSON{"the Content-Type application/json, in UTF-8"}
	}
	return nil
}

// checkHeader compares the header fields of revision 2026-07-28 with the message: proxies and
// other guards may decide by them. The SDK requires them where the revision does.
func (m *message) checkHeader(h http.Header) error {
	if values := h.Values("Mcp-Method"); !same(values, m.method) {
		return &mismatch{"Mcp-Method"}
	}
	values := h.Values("Mcp-Name")
	if m.method != callTool || same(values, m.tool) {
		return nil
	}
	if len(values) == 1 {
		if name, ok := decodeValue(values[0]); ok && name == m.tool {
			return nil
		}
	}
	return &mismatch{"Mcp-Name"}
}

// same reports whether a header field is missing, or has the value once. A value in Base64 is
// never the same: it must be decoded.
func same(values []string, want string) bool {
	if len(values) == 0 {
		return true
	}
	_, encoded := cutBase64(values[0])
	return len(values) == 1 && values[0] == want && !encoded
}

// decodeValue decodes a name that is not plain ASCII (Streamable HTTP, "Value Encoding").
func decodeValue(value string) (string, bool) {
	encoded, ok := cutBase64(value)
	if !ok {
		return "", false
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(encoded)
	return string(decoded), err == nil
}

func cutBase64(value string) (encoded string, ok bool) {
	if encoded, ok = strings.CutPrefix(value, "=?base64?"); !ok {
		return "", false
	}
	return strings.CutSuffix(encoded, "?=")
}
