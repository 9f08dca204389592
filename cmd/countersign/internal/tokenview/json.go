package tokenview

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// document is a token and its checks as JSON.
type document struct {
	Kind       string          `json:"kind"`
	Encryption json.RawMessage `json:"encryption,omitempty"` // the header of an encrypted token
	Header     json.RawMessage `json:"header,omitempty"`
	Claims     json.RawMessage `json:"claims,omitempty"`
	List       string          `json:"list,omitempty"` // the name of the list of checks
	Checks     []Check         `json:"checks,omitempty"`
	Passed     *bool           `json:"passed,omitempty"` // no check failed; omitted if no check was made
	Error      string          `json:"error,omitempty"`
}

// ShowJSON writes what Show writes, as JSON.
func (t *Token) ShowJSON(ctx context.Context, w io.Writer, o Options) (passed bool) {
	d := document{Kind: t.Kind(), Encryption: t.envelope.headerJSON, Header: t.headerJSON, Claims: t.claimsJSON}
	d.List, d.Checks = t.Checks(ctx, o)
	passed = allPassed(d.Checks)
	if d.Checks != nil {
		d.Passed = &passed
	}
	d.write(w)
	return passed
}

// ShowJSON writes what Show writes, as JSON.
func (e *EncryptedError) ShowJSON(w io.Writer) {
	document{Kind: "encrypted token (JWE)", Encryption: e.headerJSON, Error: e.Error()}.write(w)
}

// ErrorJSON writes an error as JSON.
func ErrorJSON(w io.Writer, err error) {
	document{Kind: "unknown", Error: err.Error()}.write(w)
}

func (d document) write(w io.Writer) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(d)
	_, _ = io.WriteString(w, escaped(b.String()))
}

// escaped writes the characters that change a terminal as JSON escapes. In JSON they can only
// be inside of strings.
func escaped(s string) string {
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, `\u%04x`, r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
