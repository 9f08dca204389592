package mcpauth_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
)

// encodedList looks like the name list in Base64, and is the name of another tool.
const encodedList = "=?base64?bGlzdA==?="

// withSDK is a server with the official SDK. ran has the names of the tools that it ran. Only
// list needs no scope.
func withSDK(t *testing.T) (w *world, ran *[]string) {
	w, ran = newWorld(t, issuertest.Config{}), &[]string{}
	scopes := map[string][]string{"list": {}}
	s := mcp.NewServer(&mcp.Implementation{Name: "photos", Version: "1"}, nil)
	for _, name := range []string{"list", "List", "delete", "größe", " list", "list\x00", encodedList, "tools/list", "li%73t", "1", "null"} {
		if name != "list" {
			scopes[name] = []string{"photos.write"}
		}
		s.AddTool(&mcp.Tool{Name: name, InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
			*ran = append(*ran, name)
			return &mcp.CallToolResult{}, nil
		})
	}
	sdk := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s }, &mcp.StreamableHTTPOptions{Stateless: true, JSONResponse: true})
	w.replace(w.api.Handler(mcpauth.Tools(scopes)(mcpauth.Identify(sdk))))
	return w, ran
}

// rpc is a call, with what the SDK needs in a revision.
func rpc(name, version string) string {
	text, _ := json.Marshal(name)
	if version != "2026-07-28" {
		return strings.Replace(callList, `"list"`, string(text), 1)
	}
	return `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":` + string(text) + `,"arguments":{},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"x","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}}}`
}

// TestSameToolAsSDK: the SDK compares an encoded Mcp-Name without decoding it. Whatever the header
// says, the tool that the SDK runs is the one that the guard decided about: that of the body.
func TestSameToolAsSDK(t *testing.T) {
	w, ran := withSDK(t)
	names := []string{"list", "List", "delete", "größe", " list", "list\x00", encodedList, "tools/list", "li%73t", "1", "null", "drop"}
	headers := append([]string{"-", ""}, names...)
	for _, name := range names {
		headers = append(headers, "=?base64?"+base64.StdEncoding.EncodeToString([]byte(name))+"?=")
	}
	calls := 0
	for _, version := range []string{"", "2025-11-25", "2026-07-28"} {
		for _, name := range names {
			for _, field := range headers {
				if strings.Contains(field, "\x00") {
					continue // no HTTP header field
				}
				for scope, allowed := range map[string]bool{"photos.read": name == "list", "photos.write": name != "drop"} {
					*ran = nil
					header := []string{"Mcp-Method", "tools/call"}
					if field != "-" {
						header = append(header, "Mcp-Name", field)
					}
					if version != "" {
						header = append(header, "MCP-Protocol-Version", version)
					}
					status, answer, _ := w.post(t, w.token(scope), rpc(name, version), header...)
					calls += len(*ran)
					if len(*ran) > 0 && (!allowed || (*ran)[0] != name || status != 200) {
						t.Errorf("%s, Mcp-Name: %q, %s, %q: %d, the SDK ran %q: %s", version, field, scope, name, status, *ran, answer)
					}
					if field == name && version == "2026-07-28" && allowed && len(*ran) != 1 && name == "list" {
						t.Errorf("%s, %q: %d %s", version, name, status, answer)
					}
				}
			}
		}
	}
	if calls < 50 {
		t.Errorf("the SDK ran %d tools, expected more", calls)
	}
}

// differences are messages that the guard or the SDK may read in an unusual way. The token allows
// list only.
func differences(version string) map[string]string {
	list := rpc("list", version)
	in := func(old, new string) string { return strings.Replace(list, old, new, 1) }
	return map[string]string{
		"number, exponent":            in(`"id":1`, `"id":1e400`),
		"number, many digits":         in(`"id":1`, `"id":`+strings.Repeat("9", 5000)),
		"number, fraction":            in(`"id":1`, `"id":1.0`),
		"number, minus zero":          in(`"id":1`, `"id":-0`),
		"number, leading zero":        in(`"id":1`, `"id":01`),
		"number, plus":                in(`"id":1`, `"id":+1`),
		"number, hexadecimal":         in(`"id":1`, `"id":0x1`),
		"number, above an int64":      in(`"id":1`, `"id":9223372036854775808`),
		"id is an object":             in(`"id":1`, `"id":{"method":"tools/call"}`),
		"id is a list":                in(`"id":1`, `"id":[1]`),
		"id is text":                  in(`"id":1`, `"id":"\u0000"`),
		"a line comment":              in(`"id":1`, "\"id\":1//\n"),
		"a comment after it":          list + "/* " + callDelete + " */",
		"a hash comment":              "#\n" + list,
		"vertical tab":                "\v" + list,
		"form feed":                   list + "\f",
		"line separator":              list + "\u2028" + callDelete,
		"no-break space":              "\u00a0" + list,
		"zero width space in name":    in(`"list"`, "\"li\u200bst\""),
		"direction mark in name":      in(`"list"`, "\"\u202elist\""),
		"a letter of another script":  in(`"list"`, "\"l\u0456st\""),
		"raw tab in name":             in(`"list"`, "\"li\tst\""),
		"escaped lone surrogate key":  in(`"name":`, `"\ud800":1,"name":`),
		"surrogates in another order": in(`"name":`, `"\udc00\ud800":1,"name":`),
		"one key in two spellings":    in(`"name":`, `"\ud83d\ude00":1,"😀":2,"name":`),
		"duplicate in a list":         in(`"arguments":{}`, `"arguments":{"a":[{"x":1,"x":2}]}`),
		"duplicate in _meta":          in(`"_meta":{`, `"_meta":{"a":1,"\u0061":2,`),
		"duplicate _meta":             in(`"_meta":{`, `"_meta":{},"_meta":{`),
		"_Meta":                       in(`"_meta":{`, `"_Meta":{`),
		"Arguments":                   in(`"arguments"`, `"Arguments"`),
		"dotless i":                   in(`"id":1`, `"id":1,"ıd":2`),
		"dotted I":                    in(`"id":1`, `"id":1,"İD":2`),
		"dotless i in a method":       in(`"method"`, `"method":"tools/list","ＭETHOD"`),
		"full width name":             in(`"name":`, `"ｎame":"delete","name":`),
		"name with a combining mark":  in(`"name":`, `"name\u0301":"delete","name":`),
		"name with a space":           in(`"name":`, `"name ":"delete"," name":"delete","name":`),
		"a path as a key":             in(`"name":`, `"params.name":"delete","/params/name":"delete","name":`),
		"constructor":                 in(`"name":`, `"constructor":{"prototype":{"name":"delete"}},"name":`),
		"prototype beside method":     in(`"method"`, `"__proto__":{"method":"tools/call","params":{"name":"delete"}},"method"`),
		"name in _meta":               in(`"_meta":{`, `"_meta":{"name":"delete","params":{"name":"delete"},`),
		"progress token":              in(`"_meta":{`, `"_meta":{"progressToken":{"name":"delete"},`),
		"tool in the method":          in(`"tools/call"`, `"tools/call/delete"`),
		"method with a query":         in(`"tools/call"`, `"tools/call?name=delete"`),
		"method with a dot":           in(`"tools/call"`, `"./tools/call"`),
		"method with two slashes":     in(`"tools/call"`, `"tools//call"`),
		"method, percent-encoded":     in(`"tools/call"`, `"tools%2Fcall"`),
		"method, backslash":           in(`"tools/call"`, `"tools\\call"`),
		"method, soft hyphen":         in(`"tools/call"`, "\"tools/\u00adcall\""),
		"method, escaped twice":       in(`"tools/call"`, `"tools\\u002fcall"`),
		"params is null":              `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}`,
		"params is a number":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":0}`,
		"deep arguments":              in(`"arguments":{}`, `"arguments":`+strings.Repeat(`{"a":`, 900)+`1`+strings.Repeat(`}`, 900)),
		"a deep list":                 in(`"arguments":{}`, `"arguments":{"a":`+strings.Repeat(`[`, 9000)+strings.Repeat(`]`, 9000)+`}`),
		"large arguments":             in(`"arguments":{}`, `"arguments":{"a":"`+strings.Repeat("x", 3<<20)+`"}`),
		"64 KiB of spaces":            strings.Repeat(" ", 64<<10) + list,
		"a long name":                 in(`"list"`, `"`+strings.Repeat("list", 1<<16)+`"`),
		"the end of a stream":         list + "\n\n",
		"an event":                    "data: " + list + "\n\n",
		"a chunk size":                "5\r\n" + list,
		"a record of two":             list + "\r\n" + rpc("delete", version),
		"an XML entity":               in(`"list"`, `"&#100;elete"`),
		"a template":                  in(`"list"`, `"{{delete}}"`),
	}
}

// TestDifferences: with the real SDK behind the guard, none of them runs another tool than list.
func TestDifferences(t *testing.T) {
	w, ran := withSDK(t)
	for _, version := range []string{"2025-11-25", "2026-07-28"} {
		for name, body := range differences(version) {
			for _, tool := range []string{"list", "delete"} {
				status, answer, _ := w.post(t, w.token("photos.read"), body, "Mcp-Method", "tools/call", "Mcp-Name", tool, "MCP-Protocol-Version", version)
				if tool == "delete" && status == 200 {
					t.Errorf("%s, %s, Mcp-Name of another tool: %.200s", name, version, answer)
				}
			}
		}
	}
	if len(*ran) == 0 {
		t.Error("list was never run")
	}
	for _, name := range *ran {
		if name != "list" {
			t.Errorf("the SDK ran %q", name)
		}
	}
}

// TestWire: requests that no Go client sends. Only list runs.
func TestWire(t *testing.T) {
	w, ran := withSDK(t)
	list, remove, token := rpc("list", "2026-07-28"), rpc("delete", "2026-07-28"), w.token("photos.read")
	head := "POST /mcp HTTP/1.1\r\nHost: " + strings.TrimPrefix(w.origin(), "http://") + "\r\nConnection: close\r\nAuthorization: Bearer " + token +
		"\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\n"
	sized := func(body string) string { return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body) }
	chunk := func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) }
	for name, test := range map[string]struct {
		request string
		want    string // status, and " list" if it ran
	}{
		"plain":                    {head + "Mcp-Name: list\r\n" + sized(list), "200 list"},
		"another case":             {head + "mCP-nAME: list\r\n" + sized(list), "200 list"},
		"folded":                   {head + "Mcp-Name: list\r\n delete\r\n" + sized(list), "400"},
		"folded to the name":       {head + "Mcp-Name:\r\n list\r\n" + sized(list), "200 list"},
		"twice":                    {head + "Mcp-Name: list\r\nMcp-Name: delete\r\n" + sized(list), "400"},
		"twice, in two cases":      {head + "Mcp-Name: list\r\nMCP-NAME: list\r\n" + sized(list), "400"},
		"underscore":               {head + "Mcp_Name: delete\r\nMcp-Name: list\r\n" + sized(list), "200 list"},
		"space before the colon":   {head + "Mcp-Name : list\r\n" + sized(list), "400"},
		"NUL in the name":          {head + "Mcp-Name: list\x00\r\n" + sized(list), "400"},
		"chunked":                  {head + "Mcp-Name: list\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(list[:9]) + chunk(list[9:]) + "0\r\n\r\n", "200 list"},
		"name in the trailer":      {head + "Mcp-Name: list\r\nTrailer: Mcp-Name\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(list) + "0\r\nMcp-Name: delete\r\n\r\n", "200 list"},
		"chunks after the end":     {head + "Mcp-Name: list\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(list) + "0\r\n\r\n" + chunk(remove) + "0\r\n\r\n", "200 list"},
		"chunked and a length":     {head + "Mcp-Name: list\r\nTransfer-Encoding: chunked\r\n" + sized(chunk(list)+"0\r\n\r\n"), "200 list"},
		"chunked twice":            {head + "Mcp-Name: list\r\nTransfer-Encoding: chunked, chunked\r\n\r\n" + chunk(list) + "0\r\n\r\n", "501"},
		"compressed in transfer":   {head + "Mcp-Name: list\r\nTransfer-Encoding: gzip, chunked\r\n\r\n" + chunk(list) + "0\r\n\r\n", "501"},
		"two lengths":              {head + fmt.Sprintf("Mcp-Name: list\r\nContent-Length: %d\r\n", len(remove)) + sized(list), "400"},
		"a short length":           {head + fmt.Sprintf("Mcp-Name: list\r\nContent-Length: %d\r\n\r\n%s", len(list)-1, list), "400"},
		"two types":                {head + "Content-Type: text/plain\r\nMcp-Name: list\r\n" + sized(list), "415"},
		"override by a header":     {head + "X-HTTP-Method-Override: GET\r\nX-Method-Override: DELETE\r\nMcp-Name: list\r\n" + sized(remove), "400"},
		"an event to resume after": {head + "Last-Event-ID: 0_0\r\nMcp-Name: delete\r\n" + sized(remove), "403"},
		"in the query":             {strings.Replace(head, "/mcp", "/mcp?method=tools/call&name=delete&_method=GET", 1) + "Mcp-Name: list\r\n" + sized(list), "200 list"},
		"lower case method":        {strings.Replace(head, "POST", "post", 1) + "Mcp-Name: delete\r\n" + sized(remove), "405"},
		"an unknown method":        {strings.Replace(head, "POST", "QUERY", 1) + "Mcp-Name: delete\r\n" + sized(remove), "405"},
		"HTTP/1.0":                 {strings.Replace(head, "HTTP/1.1", "HTTP/1.0", 1) + "Mcp-Name: delete\r\n" + sized(remove), "403"},
		"a request after it":       {strings.Replace(head, "Connection: close", "X: x", 1) + "Mcp-Name: list\r\n" + sized(list) + head + "Mcp-Name: delete\r\n" + sized(remove), "200 list"},
	} {
		*ran = nil
		status := w.wire(t, test.request)
		got := fmt.Sprint(status)
		for _, tool := range *ran {
			got += " " + tool
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// wire sends bytes, and returns the status of the first response after the connection ended.
func (w *world) wire(t *testing.T, request string) int {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.origin(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(c)
	resp, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil { // until the server closes the connection
		_, err = reader.ReadByte()
	}
	return resp.StatusCode
}

// TestTokensOfOneUser: a user's tokens are exchanged within one session. Each request has the
// rights of the token that it contains, not of the token that opened the session.
func TestTokensOfOneUser(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.stateful = true
	read, write := w.token("photos.read"), w.token("photos.read", "photos.write")
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	for _, opened := range []string{read, write} {
		_, _, h := w.post(t, opened, initialize)
		session := []string{"Mcp-Session-Id", h.Get("Mcp-Session-Id")}
		w.post(t, opened, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, session...)
		before := w.called.Load()
		if status, _, _ := w.post(t, read, callDelete, session...); status != 403 || w.called.Load() != before {
			t.Errorf("a token without the scope: %d", status)
		}
		if status, answer, _ := w.post(t, write, callDelete, session...); status != 200 || !strings.Contains(answer, "photos.write") || w.called.Load() != before+1 {
			t.Errorf("a token with the scope: %d %s", status, answer)
		}
		if status, _, _ := w.post(t, "", callList, session...); status != 401 {
			t.Errorf("no token: %d", status)
		}
		if status, _, _ := w.post(t, strings.TrimSuffix(write, write[len(write)-4:])+"AAAA", callList, session...); status != 401 {
			t.Errorf("another signature: %d", status)
		}
		other := w.issuer.AccessToken(issuertest.AccessToken{Scopes: []string{"photos.write"}, Audience: []string{w.origin() + "/other"}})
		if status, _, _ := w.post(t, other, callDelete, session...); status != 401 || w.called.Load() != before+1 {
			t.Errorf("a token for another resource: %d", status)
		}
	}
}
