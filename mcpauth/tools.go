package mcpauth

import (
	"bytes"
	"fmt"
	"io"
	"net/http"

	"github.com/countersign/countersign/rs"
)

// maxMessage is the size of a message to the server in bytes.
const maxMessage = 4 << 20

// Tools guards the tools of an MCP server behind an rs.Protection. scopes has the name of each
// tool, and the scopes that the access token needs for a call. A tool with an empty list needs a
// valid token only. Other methods than tools/call are passed on. Other messages are answered as
// follows:
//
//   - 403 insufficient_scope if the token lacks a scope. The scopes and the resource_metadata of
//     the Protection allow the client to request more (RFC 6750 §3.1). A tool without an entry is
//     answered in the same way, without scopes.
//   - 400 invalid_request, with a JSON-RPC error, if two parsers could read the message in two
//     ways. Examples are a batch, a duplicate member, and a member in another case of letters. Other
//     examples are another tool in the header field Mcp-Name, or another method in Mcp-Method.
//   - 413 invalid_request, with a JSON-RPC error, if the message has more than 4 MiB.
//   - 415 invalid_request if the body is not declared as JSON in UTF-8.
//   - 401 without a token, and 503 outside of a Protection, as for rs.Require.
func Tools(scopes map[string][]string) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		guards := map[string]http.Handler{}
		for name, required := range scopes {
			guards[name] = guardTool(required, next)
		}
		return &toolGuard{guards: guards, pass: letThrough(next)}
	}
}

func guardTool(required []string, next http.Handler) http.Handler {
	if len(required) == 0 {
		return letThrough(next)
	}
	return rs.RequireScope(append([]string{}, required...)...)(next)
}

// letThrough needs a valid token only.
func letThrough(next http.Handler) http.Handler {
	return rs.Require(func(*http.Request, *rs.Principal) error { return nil })(next)
}

type toolGuard struct {
	guards map[string]http.Handler // by tool
	pass   http.Handler
}

// ServeHTTP implements http.Handler.
func (g *toolGuard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost { // it has no message: a stream, or the end of a session
		r.Body = http.NoBody
		g.pass.ServeHTTP(w, r)
		return
	}
	if _, ok := rs.FromContext(r.Context()); !ok { // before the body is read
		g.pass.ServeHTTP(w, r)
		return
	}
	m, err := readMessage(w, r)
	if err != nil {
		e := malformed(err)
		reject(e).ServeHTTP(&errorWriter{ResponseWriter: w, body: errorMessage(m, e, err)}, r)
		return
	}
	g.of(m).ServeHTTP(w, r)
}

// of returns the guard of a message.
func (g *toolGuard) of(m *message) http.Handler {
	if m.method != callTool {
		return g.pass
	}
	if guard, ok := g.guards[m.tool]; ok {
		return guard
	}
	return reject(&rs.Error{Status: http.StatusForbidden, Code: rs.InsufficientScope, Description: "no access token is accepted for this tool",
		Err: fmt.Errorf("the tool %.100q has no entry: add it to the map of mcpauth.Tools", m.tool)})
}

// readMessage reads the body of r, and leaves the same bytes for the next handler.
func readMessage(w http.ResponseWriter, r *http.Request) (*message, error) {
	if err := checkBody(r.Header); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxMessage))
	if err != nil {
		return nil, err
	}
	m, err := parseMessage(body)
	if err != nil {
		return nil, err
	}
	if err := m.checkHeader(r.Header); err != nil {
		return m, err
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return m, nil
}

func reject(e *rs.Error) http.Handler {
	return rs.Require(func(*http.Request, *rs.Principal) error { return e })(http.NotFoundHandler())
}
