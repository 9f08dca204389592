package mcpauth_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
)

// sneaky are more messages that one parser reads as a call of list, and another one as delete.
var sneaky = map[string]string{
	"long s in arguments":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","argumentſ":{}}}`,
	"long s in jsonrpc":            `{"jſonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"}}`,
	"Kelvin sign in task":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","tas` + "\u212a" + `":{}}}`,
	"escaped Name":                 `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","\u004eame":"delete"}}`,
	"escaped params":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"\u0070arams":{"name":"delete"}}`,
	"escaped Params":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"\u0050arams":{"name":"delete"}}`,
	"escaped method":               `{"jsonrpc":"2.0","id":1,"method":"tools/list","metho\u0064":"tools/call","params":{"name":"delete"}}`,
	"escaped value in capitals":    `{"jsonrpc":"2.0","id":1,"method":"tools\/cal\u004c","params":{"name":"delete"}}`,
	"long s in the method":         `{"jsonrpc":"2.0","id":1,"method":"toolſ/call","params":{"name":"delete"}}`,
	"full width in the method":     `{"jsonrpc":"2.0","id":1,"method":"tools／call","params":{"name":"delete"}}`,
	"NUL after the method":         `{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000","params":{"name":"delete"}}`,
	"NUL in the method":            `{"jsonrpc":"2.0","id":1,"method":"tools/list\u0000","params":{}}`,
	"line feed after the method":   `{"jsonrpc":"2.0","id":1,"method":"tools/call\n","params":{"name":"delete"}}`,
	"no-break space":               `{"jsonrpc":"2.0","id":1,"method":"tools/call` + "\u00a0" + `","params":{"name":"delete"}}`,
	"NUL after name":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","name\u0000":"delete"}}`,
	"NUL after params":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"params\u0000x":{"name":"delete"}}`,
	"NUL after method":             `{"jsonrpc":"2.0","id":1,"method":"tools/list","method\u0000":"tools/call","params":{"name":"delete"}}`,
	"a raw NUL":                    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list` + "\x00" + `"}}`,
	"a NUL after it":               callList + "\x00",
	"a NUL and a message after it": callList + "\x00" + callDelete,
	"a comma after it":             callList + ",",
	"a bracket after it":           callList + "}",
	"a record separator":           "\x1e" + callList + "\n\x1e" + callDelete,
	"overlong UTF-8":               strings.Replace(callList, "name", "n\xc1\xa1me", 1),
	"UTF-8 of a surrogate":         strings.Replace(callList, "list", "li\xed\xa0\x80st", 1),
	"UTF-16 with a mark":           utf16Text("\ufeff"+callDelete, binary.BigEndian),
	"UTF-16, little endian":        utf16Text(callDelete, binary.LittleEndian),
	"UTF-16, big endian":           utf16Text(callDelete, binary.BigEndian),
	"UTF-7":                        "+AHs-" + callDelete[1:],
	"two marks":                    "\ufeff\ufeff" + callList,
	"name is a number":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":1}}`,
	"name is true":                 `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":true}}`,
	"name is an object":            `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":{"toString":"delete"}}}`,
	"name of a prototype":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"__proto__":{"name":"delete"}}}`,
	"name in nested params":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"params":{"name":"delete"}}}`,
	"name beside params":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","name":"delete","params":{}}`,
	"name without quotes":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{name:"delete"}}`,
	"name in single quotes":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{'name':'delete'}}`,
	"a comma too many":             `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list",}}`,
	"not a number":                 `{"jsonrpc":"2.0","id":NaN,"method":"tools/call","params":{"name":"list"}}`,
	"method is null":               `{"jsonrpc":"2.0","id":1,"method":null,"params":{"name":"delete"}}`,
	"method is empty":              `{"jsonrpc":"2.0","id":1,"method":"","params":{"name":"delete"}}`,
	"a call and a result":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"result":{}}`,
	"a list and an error":          `{"jsonrpc":"2.0","id":1,"method":"tools/list","error":{"code":1,"message":""}}`,
	"neither call nor result":      `{"jsonrpc":"2.0","id":1,"params":{"name":"delete"}}`,
	"nothing":                      `{}`,
	"spaces":                       "  \r\n",
	"an empty batch":               `[]`,
	"a batch in a batch":           `[[` + callDelete + `]]`,
	"a batch after a space":        " \n[" + callDelete + "]",
	"depth":                        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":` + strings.Repeat(`{"a":`, 20000) + `1` + strings.Repeat(`}`, 20000) + `}}`,
	"depth without an end":         strings.Repeat(`[`, 1<<20),
	"duplicate at a depth":         `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","_meta":{"a":{"b":1,"\u0062":2}}}}`,
	"duplicate id":                 `{"jsonrpc":"2.0","id":1,"id":2,"method":"tools/call","params":{"name":"list"}}`,
}

func utf16Text(s string, order binary.ByteOrder) string {
	var b bytes.Buffer
	binary.Write(&b, order, utf16.Encode([]rune(s)))
	return b.String()
}

// TestSneaky: none of them reaches the server, even with a token that may call every tool. The
// answer is a JSON-RPC error.
func TestSneaky(t *testing.T) {
	w, bodies := guarded(t)
	token := w.token("photos.read", "photos.write")
	for name, body := range sneaky {
		status, answer, h := w.post(t, token, body)
		if code, _ := rpcError(answer); status != 400 || code != -32600 || h.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if len(*bodies) != 0 {
		t.Errorf("let through: %q", *bodies)
	}
}

func rpcError(answer string) (code int, id any) {
	var m struct {
		JSONRPC string
		ID      any
		Error   struct{ Code int }
	}
	if json.Unmarshal([]byte(answer), &m) != nil || m.JSONRPC != "2.0" {
		return 0, nil
	}
	return m.Error.Code, m.ID
}

// TestSameMessage: unusual messages that every parser reads in the same way are forwarded without
// a change. They need the scopes of their tool.
func TestSameMessage(t *testing.T) {
	for name, test := range map[string]struct {
		body       string
		read, both int // status with photos.read only, and with photos.write too
	}{
		"escaped name":          {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"del\u0065te"}}`, 403, 200},
		"escaped slash":         {`{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"delete"}}`, 403, 200},
		"spaces":                {" \r\n\t{ \"params\" : { \"name\" : \"delete\" } , \"method\" : \"tools/call\" }\r\n", 403, 200},
		"a call without id":     {`{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete"}}`, 403, 200},
		"id is null":            {`{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"delete"}}`, 403, 200},
		"another version":       {`{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"delete"}}`, 403, 200},
		"no version":            {`{"id":1,"method":"tools/call","params":{"name":"delete"}}`, 403, 200},
		"as a task":             {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","task":{"ttl":1}}}`, 403, 200},
		"a second round":        {`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"delete","inputResponses":{},"requestState":"x"}}`, 403, 200},
		"name in the arguments": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{"name":"delete","params":{"name":"delete"},"Name":"x"}}}`, 200, 200},
		"params in params":      {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","params":{"name":"delete"}}}`, 200, 200},
		"a response":            {`{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"delete"}}}`, 200, 200},
		"an error response":     {`{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"tools/call"}}`, 200, 200},
		"another method":        {`{"jsonrpc":"2.0","id":1,"method":"tools/callx","params":{"name":"delete"}}`, 200, 200},
		"a tool's name as path": {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"../delete"}}`, 403, 403},
		"an unknown tool":       {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"drop"}}`, 403, 403},
		"decomposed":            {`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"lis` + "t\u0301" + `"}}`, 403, 403},
	} {
		w, bodies := guarded(t)
		if status, answer, _ := w.post(t, w.token("photos.read"), test.body); status != test.read {
			t.Errorf("%s, photos.read: %d %s", name, status, answer)
		}
		if status, answer, _ := w.post(t, w.token("photos.read", "photos.write"), test.body); status != test.both {
			t.Errorf("%s, both: %d %s", name, status, answer)
		}
		for _, body := range *bodies {
			if body != test.body {
				t.Errorf("%s: the next handler reads %q", name, body)
			}
		}
	}
}

// TestBodies: the type, the charset and the encoding of the body.
func TestBodies(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	io.WriteString(z, callList)
	z.Close()
	for name, test := range map[string]struct {
		body   string
		header []string
		want   int
	}{
		"charset":               {callList, []string{"Content-Type", "application/json; charset=utf-8"}, 200},
		"CHARSET":               {callList, []string{"Content-Type", `Application/JSON; Charset="UTF-8"`}, 200},
		"identity":              {callList, []string{"Content-Encoding", "identity"}, 200},
		"UTF-16":                {callList, []string{"Content-Type", "application/json; charset=utf-16"}, 415},
		"UTF-7":                 {callList, []string{"Content-Type", "application/json; charset=utf-7"}, 415},
		"two charsets":          {callList, []string{"Content-Type", "application/json; charset=utf-8; charset=utf-16"}, 415},
		"no type":               {callList, []string{"Content-Type", ""}, 415},
		"text":                  {callList, []string{"Content-Type", "text/plain"}, 415},
		"a form":                {callList, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415},
		"multipart":             {callList, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415},
		"another JSON":          {callList, []string{"Content-Type", "application/json-seq"}, 415},
		"a suffix":              {callList, []string{"Content-Type", "application/mcp+json"}, 415},
		"two types in one":      {callList, []string{"Content-Type", "application/json, text/plain"}, 415},
		"two types":             {callList, []string{"Content-Type", "application/json", "Content-Type", "text/plain"}, 415},
		"compressed":            {zipped.String(), []string{"Content-Encoding", "gzip"}, 415},
		"compressed in secret":  {zipped.String(), nil, 400},
		"said to be compressed": {callList, []string{"Content-Encoding", "gzip"}, 415},
		"twice compressed":      {callList, []string{"Content-Encoding", "identity", "Content-Encoding", "br"}, 415},
	} {
		w, bodies := guarded(t)
		status, answer := w.raw(t, strings.NewReader(test.body), test.header...)
		code, _ := rpcError(answer)
		if status != test.want || len(*bodies) != map[bool]int{true: 1}[test.want == 200] || test.want != 200 && code != -32600 {
			t.Errorf("%s: %d %s, %d let through", name, status, answer, len(*bodies))
		}
	}

	w, bodies := guarded(t) // chunked: the length is not known before the end
	for body, want := range map[string]int{callList: 200, callDelete: 403} {
		if status, answer := w.raw(t, io.MultiReader(strings.NewReader(body[:20]), strings.NewReader(body[20:]))); status != want {
			t.Errorf("chunked: %d %s", status, answer)
		}
	}
	endless := io.MultiReader(strings.NewReader(callList[:len(callList)-1]), strings.NewReader(strings.Repeat(" ", 5<<20)))
	if status, _ := w.raw(t, endless); status != http.StatusRequestEntityTooLarge {
		t.Errorf("chunked, too large: %d", status)
	}
	if len(*bodies) != 1 || (*bodies)[0] != callList {
		t.Errorf("let through: %q", *bodies)
	}
}

// raw posts a body with photos.read, and with the header fields instead of the usual ones.
func (w *world) raw(t *testing.T, body io.Reader, header ...string) (status int, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", w.url, body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token("photos.read"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if _, ok := r.Header["Content-Type"]; !ok {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(text)
}

// TestNameHeader: Mcp-Name and Mcp-Method as revision 2026-07-28 defines them (Streamable HTTP,
// "Value Encoding" and "Server Validation").
func TestNameHeader(t *testing.T) {
	w, bodies := guarded(t)
	w.replace(w.api.Handler(mcpauth.Tools(map[string][]string{"list": {}, "größe": {}, " a ": {}, "=?base64?x?=": {}, "delete": {"photos.write"}})(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *bodies = append(*bodies, "") }))))
	encoded := func(s string) string { return "=?base64?" + base64.StdEncoding.EncodeToString([]byte(s)) + "?=" }
	for i, test := range []struct {
		tool, header string
		want         int
	}{
		{"list", "list", 200},
		{"list", " list\t", 200}, // HTTP drops spaces around a value
		{"list", encoded("list"), 200},
		{"größe", encoded("größe"), 200},
		{" a ", encoded(" a "), 200},
		{"=?base64?x?=", encoded("=?base64?x?="), 200},
		{"list", encoded("delete"), 400},
		{"list", encoded("list\x00"), 400},
		{"list", encoded(" list"), 400},
		{"list", encoded(encoded("list")), 400},
		{"list", "=?BASE64?bGlzdA==?=", 400},
		{"list", "=?base64?bGlzdA?=", 400},    // without padding
		{"list", "=?base64?bGlzdB==?=", 400},  // bits after the end
		{"list", "=?base64? bGlzdA==?=", 400}, // a space
		{"list", "=?base64?bGlzdA==", 400},
		{"list", "=?utf-8?b?bGlzdA==?=", 400}, // of e-mail
		{"=?base64?x?=", "=?base64?x?=", 400}, // must be encoded
		{" a ", "a", 400},
		{"list", "", 400},
		{"list", "List", 400},
		{"list", "list, delete", 400},
		{"list", "list;q=1", 400},
		{"list", `"list"`, 400},
		{"list", "li%73t", 400},
		{"list", "tools/list", 400},
	} {
		name, _ := json.Marshal(test.tool)
		body := strings.Replace(callList, `"list"`, string(name), 1)
		status, answer, _ := w.post(t, w.token("photos.read"), body, "Mcp-Name", test.header, "Mcp-Method", "tools/call")
		code, id := rpcError(answer)
		if status != test.want || test.want == 400 && (code != -32020 || id != 1.0) {
			t.Errorf("%d: %q, Mcp-Name: %q: %d %s", i, test.tool, test.header, status, answer)
		}
	}
	for _, method := range []string{"tools/list", "Tools/Call", "tools/call, tools/list", "", "=?base64?dG9vbHMvY2FsbA==?=", "tools%2Fcall", "tools/call;x"} {
		status, answer, _ := w.post(t, w.token("photos.read"), callList, "Mcp-Name", "list", "Mcp-Method", method)
		if code, _ := rpcError(answer); status != 400 || code != -32020 {
			t.Errorf("Mcp-Method: %q: %d %s", method, status, answer)
		}
	}
	if status, _, _ := w.post(t, w.token("photos.read"), `{"jsonrpc":"2.0","id":1,"result":{}}`, "Mcp-Method", "tools/call"); status != 400 {
		t.Errorf("a response with a method: %d", status)
	}
	if status, _, _ := w.post(t, w.token("photos.read"), callDelete, "Mcp-Name", "delete", "Mcp-Method", "tools/call"); status != 403 {
		t.Errorf("the right header without the scope: %d", status)
	}
}

// TestMissingHeader: revision 2026-07-28 requires the header fields, which the SDK checks.
func TestMissingHeader(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
	version := []string{"MCP-Protocol-Version", "2026-07-28"}
	for _, header := range [][]string{nil, {"Mcp-Name", "list"}, {"Mcp-Method", "tools/call"}} {
		status, answer, _ := w.post(t, w.token("photos.read"), body, append(header, version...)...)
		if status != 400 || w.called.Load() != 0 {
			t.Errorf("%v: %d %s", header, status, answer)
		}
	}
	status, answer, _ := w.post(t, w.token("photos.read"), body, append([]string{"Mcp-Name", "list", "Mcp-Method", "tools/call"}, version...)...)
	if status != 200 || w.called.Load() != 1 {
		t.Errorf("all: %d %s", status, answer)
	}
}

// TestOtherMethods: a request that is not a POST has no message. Its body is dropped.
func TestOtherMethods(t *testing.T) {
	w, bodies := guarded(t)
	for _, method := range []string{"GET", "DELETE", "PUT", "PATCH", "OPTIONS", "REPORT", "post"} {
		for _, header := range [][]string{nil, {"X-HTTP-Method-Override", "POST"}, {"Last-Event-ID", "1_0"}} {
			*bodies = nil
			if status, _, _ := w.send(t, method, "", callDelete, header...); status != 401 || len(*bodies) != 0 {
				t.Errorf("%s without a token: %d", method, status)
			}
			w.send(t, method, w.token("photos.read"), callDelete, header...)
			if len(*bodies) > 1 || len(*bodies) == 1 && (*bodies)[0] != "" {
				t.Errorf("%s %v: the next handler reads %q", method, header, *bodies)
			}
		}
	}
}

// TestForeignSession: a session can be used only by its user, with and without an open stream.
// Another user cannot resume a stream.
func TestForeignSession(t *testing.T) {
	for _, stream := range []bool{false, true} {
		w := newWorld(t, issuertest.Config{Users: []issuertest.User{{Subject: "alice"}, {Subject: "mallory"}}})
		w.stateful = true
		h := newHandler(t, w.config())
		session, err := tryConnect(t, &mcp.StreamableClientTransport{Endpoint: w.url, OAuthHandler: h, HTTPClient: h.HTTPClient(), DisableStandaloneSSE: !stream})
		if err != nil {
			t.Fatal(err)
		}
		mustCall(t, session, "list", "list for alice with photos.read offline_access")
		token := func(subject string) string {
			return w.issuer.AccessToken(issuertest.AccessToken{Subject: subject, Scopes: []string{"photos.read", "photos.write"}, Audience: []string{w.url}})
		}
		const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
		_, _, own := w.post(t, token("mallory"), initialize)
		before := w.called.Load()
		for name, request := range map[string][]string{
			"a call":            {"POST", callDelete},
			"a notification":    {"POST", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`},
			"a response":        {"POST", `{"jsonrpc":"2.0","id":1,"result":{}}`},
			"a stream":          {"GET", ""},
			"a resumed stream":  {"GET", "", "Last-Event-ID", "_0"},
			"the end":           {"DELETE", ""},
			"after the own one": {"POST", callDelete, "Mcp-Session-Id", own.Get("Mcp-Session-Id") + ","},
		} {
			header := append([]string{"Mcp-Session-Id", session.ID()}, request[2:]...)
			status, answer, _ := w.send(t, request[0], token("mallory"), request[1], header...)
			if status != http.StatusForbidden || w.called.Load() != before {
				t.Errorf("stream %t, %s: %d %s", stream, name, status, answer)
			}
		}
		for _, id := range []string{session.ID() + "x", strings.ToLower(session.ID()), "x"} { // no session
			if status, _, _ := w.post(t, token("mallory"), callDelete, "Mcp-Session-Id", id); status == 200 || w.called.Load() != before {
				t.Errorf("session %q: %d", id, status)
			}
		}
		mustCall(t, session, "list", "list for alice with photos.read offline_access")
	}
}
