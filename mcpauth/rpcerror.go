package mcpauth

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/countersign/countersign/rs"
)

// The codes of the errors of JSON-RPC, and of MCP (revision 2026-07-28, "Server Validation").
const (
	invalidRequest = -32600
	headerMismatch = -32020
)

// malformed describes a message that cannot be read, or is too large.
func malformed(err error) *rs.Error {
	e := &rs.Error{Status: http.StatusBadRequest, Code: rs.InvalidRequest, Description: "the MCP message is malformed: " + err.Error()}
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		e.Status, e.Description, e.Err = http.StatusRequestEntityTooLarge, "the MCP message is too large", err
	}
	if wrong := (*notJSON)(nil); errors.As(err, &wrong) {
		e.Status = http.StatusUnsupportedMediaType
	}
	return e
}

// errorMessage is the body of the response for err. m is nil if the message could not be read.
func errorMessage(m *message, e *rs.Error, err error) []byte {
	code := invalidRequest
	if wrong := (*mismatch)(nil); errors.As(err, &wrong) {
		code = headerMismatch
	}
	out := map[string]any{"jsonrpc": "2.0", "error": map[string]any{"code": code, "message": e.Description}}
	if m != nil && m.id != nil {
		out["id"] = json.RawMessage(m.id)
	}
	body, _ := json.Marshal(out) // of strings, a number, and an id that was parsed
	return body
}

// errorWriter replaces the body of a rejection. Without a JSON-RPC error, a client treats the
// server as one of an older revision (Streamable HTTP, "Backward Compatibility").
type errorWriter struct {
	http.ResponseWriter
	body []byte
}

// WriteHeader implements http.ResponseWriter.
func (w *errorWriter) WriteHeader(status int) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Del("Content-Length")
	w.ResponseWriter.WriteHeader(status)
	w.ResponseWriter.Write(w.body)
}

// Write implements http.ResponseWriter. It drops what it is given.
func (w *errorWriter) Write(p []byte) (int, error) { return len(p), nil }
