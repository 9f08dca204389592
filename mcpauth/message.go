package mcpauth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

const callTool = "tools/call"

// message is what a guard has to know of a JSON-RPC message.
type message struct {
	id     jsontext.Value // a string or a number, for the answer; nil for others
	method string         // "" for a response
	tool   string         // of tools/call
}

// The members of JSON-RPC messages, and of the parameters of tools/call. Parsers that ignore
// the case of letters would read other spellings as these.
var (
	messageMembers = []string{"jsonrpc", "id", "method", "params", "result", "error"}
	paramMembers   = []string{"name", "arguments", "_meta", "task", "inputResponses", "requestState"}
)

var errBatch = errors.New("expected one JSON object, received a batch or another value")

// parseMessage reads one message. It rejects what another parser could read as another call.
func parseMessage(body []byte) (*message, error) {
	d := jsontext.NewDecoder(bytes.NewReader(body)) // rejects duplicate members at every level, and text that is not UTF-8
	if d.PeekKind() != '{' {
		return nil, errBatch
	}
	value, err := d.ReadValue()
	if err != nil {
		return nil, errors.New("it is not valid JSON or has a duplicate member")
	}
	value = bytes.Clone(value)
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has text after the JSON object")
	}
	members, err := exactMembers(value, messageMembers)
	if err != nil {
		return nil, err
	}
	m := &message{}
	if kind := members["id"].Kind(); kind == '"' || kind == '0' {
		m.id = members["id"]
	}
	return m, m.readRequest(members)
}

// readRequest reads which method a message calls. A response calls none.
func (m *message) readRequest(members map[string]jsontext.Value) (err error) {
	raw, isRequest := members["method"]
	if isRequest == isResponse(members) {
		return errors.New("expected either a method, or a result or error")
	}
	if !isRequest {
		return nil
	}
	if m.method, err = text("method", raw); err != nil {
		return err
	}
	if strings.ContainsFunc(m.method, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("expected a method of visible ASCII characters")
	}
	return m.readTool(members["params"])
}

func isResponse(members map[string]jsontext.Value) bool {
	return members["result"] != nil || members["error"] != nil
}

// readTool reads which tool a message calls.
func (m *message) readTool(params jsontext.Value) error {
	if m.method != callTool {
		if strings.EqualFold(m.method, callTool) {
			return fmt.Errorf("expected the method %q in this spelling", callTool)
		}
		return nil
	}
	if params.Kind() != '{' {
		return errors.New("params of tools/call must be an object")
	}
	members, err := exactMembers(params, paramMembers)
	if err != nil {
		return err
	}
	m.tool, err = text("params.name", members["name"])
	return err
}

// exactMembers returns the members of an object. A name that differs from a known one, or from
// another name, only in the case of letters is rejected. A name with a control character is also
// rejected, because some parsers end a name at NUL.
func exactMembers(object jsontext.Value, known []string) (map[string]jsontext.Value, error) {
	d := jsontext.NewDecoder(bytes.NewReader(object))
	if _, err := d.ReadToken(); err != nil {
		return nil, err
	}
	members := map[string]jsontext.Value{}
	seen := slices.Clone(known)
	for d.PeekKind() == '"' {
		token, err := d.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if slices.ContainsFunc(seen, func(s string) bool { return s != name && strings.EqualFold(s, name) }) {
			return nil, errors.New("the name of a member differs from the expected one in upper and lower case")
		}
		if strings.ContainsFunc(name, unicode.IsControl) {
			return nil, errors.New("the name of a member has a control character")
		}
		if len(members) >= maxMembers {
			return nil, fmt.Errorf("an object has more than %d members", maxMembers)
		}
		value, err := d.ReadValue()
		if err != nil {
			return nil, err
		}
		seen, members[name] = append(seen, name), bytes.Clone(value)
	}
	return members, nil
}

const maxMembers = 64 // of a message, and of its parameters

func text(name string, value jsontext.Value) (string, error) {
	if value.Kind() != '"' {
		return "", fmt.Errorf("%s must be a string", name)
	}
	unquoted, err := jsontext.AppendUnquote(nil, value)
	if err != nil || len(unquoted) == 0 {
		return "", fmt.Errorf("%s must be a string that is not empty", name)
	}
	return string(unquoted), nil
}
