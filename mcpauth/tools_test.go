package mcpauth_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/countersign/countersign/discovery/issuertest"
	"github.com/countersign/countersign/mcpauth"
)

const (
	callList   = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{}}}`
	callDelete = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete","arguments":{}}}`
)

// guarded is a server that answers each request that the guard accepts.
func guarded(t *testing.T) (*world, *[]string) {
	w, bodies := newWorld(t, issuertest.Config{}), &[]string{}
	w.replace(w.api.Handler(mcpauth.Tools(w.tools)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		buffer := make([]byte, 1<<12)
		n, _ := r.Body.Read(buffer)
		*bodies = append(*bodies, string(buffer[:n]))
	}))))
	return w, bodies
}

// TestTools: the scopes of each tool, and the challenge that contains them.
func TestTools(t *testing.T) {
	w, bodies := guarded(t)
	if status, _, _ := w.post(t, w.token("photos.read"), callList); status != 200 {
		t.Errorf("list: %d", status)
	}
	if status, _, _ := w.post(t, w.token("photos.write"), callDelete); status != 200 {
		t.Errorf("delete: %d", status)
	}
	if len(*bodies) != 2 || (*bodies)[0] != callList || (*bodies)[1] != callDelete {
		t.Errorf("the next handler read %q", *bodies)
	}
	status, _, h := w.post(t, w.token("photos.read"), callDelete)
	challenge := h.Get("WWW-Authenticate")
	for _, want := range []string{`error="insufficient_scope"`, `scope="photos.write"`, `resource_metadata="` + w.meta.URL() + `"`} {
		if status != 403 || !strings.Contains(challenge, want) {
			t.Errorf("%d %s, expected %s", status, challenge, want)
		}
	}
	for name, body := range map[string]string{
		"unknown":  strings.Replace(callList, `"list"`, `"drop"`, 1),
		"case":     strings.Replace(callList, `"list"`, `"List"`, 1),
		"space":    strings.Replace(callList, `"list"`, `"list "`, 1),
		"nul":      strings.Replace(callList, `"list"`, `"list\u0000"`, 1),
		"fullword": strings.Replace(callList, `"list"`, `"ｌist"`, 1),
	} {
		if status, _, _ := w.post(t, w.token("photos.read", "photos.write"), body); status != 403 {
			t.Errorf("%s: %d", name, status)
		}
	}
	if status, _, _ := w.post(t, "", callList); status != 401 {
		t.Errorf("without a token: %d", status)
	}
	if len(*bodies) != 2 {
		t.Errorf("%d requests were let through", len(*bodies))
	}
}

// bypasses are messages that one parser reads as a call of list, and another one as a call of
// delete.
var bypasses = map[string]string{
	"another case of name":        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","Name":"delete"}}`,
	"another case first":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"NAME":"delete","name":"list"}}`,
	"only another case":           `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"Name":"delete"}}`,
	"name twice":                  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","name":"delete"}}`,
	"name twice, escaped":         `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","na\u006de":"delete"}}`,
	"params twice":                `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"params":{"name":"delete"}}`,
	"Params":                      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"Params":{"name":"delete"}}`,
	"long s in params":            `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list"},"paramſ":{"name":"delete"}}`,
	"method twice":                `{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"delete"}}`,
	"Method":                      `{"jsonrpc":"2.0","id":1,"method":"tools/list","Method":"tools/call","params":{"name":"delete"}}`,
	"only Method":                 `{"jsonrpc":"2.0","id":1,"Method":"tools/call","params":{"name":"delete"}}`,
	"METHOD value in capitals":    `{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"delete"}}`,
	"method with a space":         `{"jsonrpc":"2.0","id":1,"method":"tools/call ","params":{"name":"delete"}}`,
	"batch":                       `[` + callList + `,` + callDelete + `]`,
	"batch of one":                `[` + callDelete + `]`,
	"two messages":                callList + callDelete,
	"two lines":                   callList + "\n" + callDelete,
	"text after it":               callList + "x",
	"byte order mark":             "\ufeff" + callDelete,
	"a comment":                   `{/*` + `*/"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}`,
	"not UTF-8":                   strings.Replace(callList, "list", "li\xffst", 1),
	"lone surrogate":              strings.Replace(callList, "list", `li\ud800st`, 1),
	"name is an array":            `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete"]}}`,
	"name is null":                `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":null}}`,
	"name is empty":               `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":""}}`,
	"no name":                     `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`,
	"no params":                   `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`,
	"params by position":          `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["delete"]}`,
	"params as text":              `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"{\"name\":\"delete\"}"}`,
	"method is an array":          `{"jsonrpc":"2.0","id":1,"method":["tools/call"],"params":{"name":"delete"}}`,
	"two spellings of an unknown": `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","x":1,"X":2}}`,
	"duplicate in the arguments":  `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list","arguments":{"a":1,"a":2}}}`,
	"empty":                       ``,
	"text":                        `"tools/call"`,
	"form":                        `method=tools/call&name=delete`,
	"many members":                `{"jsonrpc":"2.0","method":"tools/call","params":{"name":"list"` + manyMembers() + `}}`,
}

func manyMembers() string {
	var b strings.Builder
	for i := range 100 {
		b.WriteString(`,"m` + strings.Repeat("x", i) + `":1`)
	}
	return b.String()
}

// TestBypasses: none of them reaches the server with a token that may call list only.
func TestBypasses(t *testing.T) {
	w, bodies := guarded(t)
	token := w.token("photos.read")
	for name, body := range bypasses {
		if status, answer, _ := w.post(t, token, body); status != 400 {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	for name, header := range map[string][]string{
		"another tool":        {"Mcp-Name", "delete"},
		"another method":      {"Mcp-Method", "tools/list"},
		"another case":        {"Mcp-Name", "List"},
		"two tools":           {"Mcp-Name", "list", "Mcp-Name", "delete"},
		"the same tool twice": {"Mcp-Name", "list", "Mcp-Name", "list"},
	} {
		if status, answer, _ := w.post(t, token, callList, header...); status != 400 {
			t.Errorf("header, %s: %d %s", name, status, answer)
		}
	}
	if status, _, _ := w.post(t, token, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`, "Mcp-Method", "tools/call"); status != 400 {
		t.Errorf("header, tools/call for tools/list: %d", status)
	}
	large := strings.Replace(callList, "{}", `{"a":"`+strings.Repeat("x", 4<<20)+`"}`, 1)
	if status, _, _ := w.post(t, token, large); status != http.StatusRequestEntityTooLarge {
		t.Errorf("large: %d", status)
	}
	if len(*bodies) != 0 {
		t.Errorf("let through: %q", *bodies)
	}
	if status, _, _ := w.post(t, token, callList, "Mcp-Name", "list", "Mcp-Method", "tools/call"); status != 200 {
		t.Errorf("the right header fields: %d", status)
	}
	for _, body := range []string{`{"jsonrpc":"2.0","id":1,"result":{}}`, `{"jsonrpc":"2.0","method":"notifications/initialized"}`} {
		if status, _, _ := w.post(t, token, body); status != 200 {
			t.Errorf("%s: %d", body, status)
		}
	}
}

// TestNoProtection: without an rs.Protection every request is rejected.
func TestNoProtection(t *testing.T) {
	for _, next := range []http.Handler{mcpauth.Tools(map[string][]string{"list": {}})(http.NotFoundHandler()), mcpauth.Identify(http.NotFoundHandler())} {
		for _, method := range []string{"POST", "GET", "DELETE"} {
			r := httptest.NewRequest(method, "/mcp", strings.NewReader(callList))
			recorder := httptest.NewRecorder()
			next.ServeHTTP(recorder, r)
			if recorder.Code != http.StatusServiceUnavailable {
				t.Errorf("%s: %d", method, recorder.Code)
			}
		}
	}
}

// TestTokenlessThroughOptional: Protection.Optional accepts a request without a token, and the
// guards of this package reject it.
func TestTokenlessThroughOptional(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.api.Optional = true
	for _, body := range []string{callList, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`} {
		if status, _, _ := w.post(t, "", body); status != 401 {
			t.Errorf("%d", status)
		}
	}
}

// TestSessions: with sessions and without, a tool gets its caller, and a session can be used only
// by its user.
func TestSessions(t *testing.T) {
	for _, stateful := range []bool{false, true} {
		w := newWorld(t, issuertest.Config{Users: []issuertest.User{{Subject: "alice"}, {Subject: "mallory"}}})
		w.stateful = stateful
		session := connect(t, w, newHandler(t, w.config()))
		mustCall(t, session, "list", "list for alice with photos.read offline_access")
		mustCall(t, session, "delete", "delete for alice with photos.read photos.write offline_access")
		if !stateful {
			if session.ID() != "" {
				t.Errorf("session %q", session.ID())
			}
			continue
		}
		mallory := w.issuer.AccessToken(issuertest.AccessToken{Subject: "mallory", Scopes: []string{"photos.read", "photos.write"}, Audience: []string{w.url}})
		for _, method := range []string{"POST", "GET", "DELETE"} {
			body := ""
			if method == "POST" {
				body = callDelete
			}
			before := w.called.Load()
			status, _, _ := w.send(t, method, mallory, body, "Mcp-Session-Id", session.ID())
			if status != http.StatusForbidden || w.called.Load() != before {
				t.Errorf("%s in the session of another user: %d", method, status)
			}
		}
		mustCall(t, session, "list", "list for alice with photos.read photos.write offline_access")
	}
}

// TestClientSession: a session of a client without a user is bound to the client.
func TestClientSession(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	w.stateful = true
	token := func(clientID string) string {
		return w.issuer.AccessToken(issuertest.AccessToken{Audience: []string{w.url}, Claims: map[string]any{"sub": clientID, "client_id": clientID}})
	}
	const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}}`
	status, _, h := w.post(t, token("one"), initialize)
	id := h.Get("Mcp-Session-Id")
	if status != 200 || id == "" {
		t.Fatalf("%d, session %q", status, id)
	}
	if status, _, _ := w.post(t, token("two"), callList, "Mcp-Session-Id", id); status != http.StatusForbidden {
		t.Errorf("another client: %d", status)
	}
}

// TestCallerMissing: without Identify a tool gets no caller.
func TestCallerMissing(t *testing.T) {
	for _, extra := range []*mcp.RequestExtra{nil, {}} {
		if _, err := mcpauth.Caller(extra); err == nil || !strings.Contains(err.Error(), "mcpauth.Identify") {
			t.Error(err)
		}
	}
}

// TestScopesAreCopied: a change of the map after Tools changes nothing.
func TestScopesAreCopied(t *testing.T) {
	scopes := map[string][]string{"delete": {"photos.write"}}
	w := newWorld(t, issuertest.Config{})
	w.replace(w.api.Handler(mcpauth.Tools(scopes)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))))
	w.post(t, w.token(), callDelete)
	scopes["delete"][0] = "photos.read"
	scopes["list"] = nil
	if status, _, _ := w.post(t, w.token("photos.read"), callDelete); status != 403 {
		t.Errorf("%d", status)
	}
	if status, _, _ := w.post(t, w.token("photos.read"), callList); status != 403 {
		t.Errorf("%d", status)
	}
}

// TestMetadataForBrowsers: a client in a browser reads the metadata after a preflight.
func TestMetadataForBrowsers(t *testing.T) {
	w := newWorld(t, issuertest.Config{})
	for method, want := range map[string]int{"OPTIONS": 204, "GET": 200} {
		r, _ := http.NewRequestWithContext(t.Context(), method, w.meta.URL(), nil)
		r.Header.Set("Origin", "https://agent.example")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v", method, resp.StatusCode, resp.Header)
		}
	}
}
