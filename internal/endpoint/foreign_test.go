package endpoint_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/endpoint"
)

// TestForeignErrors: the error contains what a server says in another format than OAuth's, without
// a secret of the request and without tokens.
func TestForeignErrors(t *testing.T) {
	const secret = "canary secret+/"
	long := strings.Repeat("canary", 10)
	for name, test := range map[string]struct {
		status     int
		kind, body string
		says       string // "": nothing of the body
	}{
		"Facebook":        {400, "application/json", `{"error":{"message":"Error validating client secret.","type":"OAuthException","code":1,"fbtrace_id":"x"}}`, "1, OAuthException, Error validating client secret."},
		"Google":          {400, "application/json", `{"error":{"code":400,"status":"INVALID_ARGUMENT","errors":[{"message":"Invalid Value","reason":"invalid"}]}}`, "Invalid Value, invalid, 400"},
		"array":           {400, "application/json", `[{"errorCode":"INVALID_SESSION_ID","message":"Session expired or invalid"}]`, "INVALID_SESSION_ID, Session expired or invalid"},
		"errors":          {422, "application/json", `{"errors":["client_id is unknown","grant_type is bad"]}`, "client_id is unknown, grant_type is bad"},
		"Okta":            {401, "application/json", `{"errorCode":"E0000011","errorSummary":"Invalid token provided"}`, "E0000011, Invalid token provided"},
		"problem+json":    {400, "application/problem+json", `{"type":"about:blank","title":"Bad Request","detail":"Unknown client","status":400}`, "about:blank, Bad Request, Unknown client"},
		"Apigee":          {401, "application/json", `{"fault":{"faultstring":"Invalid API call","detail":{"errorcode":"oauth.v2.InvalidClient"}}}`, "oauth.v2.InvalidClient, Invalid API call"},
		"numbers":         {400, "application/json", `{"error":7,"error_description":"bad client"}`, "7, bad client"},
		"text":            {400, "text/plain", "redirect_uri\n is   not registered", "redirect_uri is not registered"},
		"JSON as text":    {400, "text/plain", `{"message":"no such client"}`, "no such client"},
		"HTML":            {403, "text/html", `<!doctype html><html><head><title>Access &amp; denied</title><style>p{}</style></head><body><script>var x</script><p>Blocked by WAF</p></body></html>`, "Access & denied Blocked by WAF"},
		"XML":             {400, "application/xml", `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>No client</Message></Error>`, "AccessDenied No client"},
		"empty":           {400, "text/html", "", ""},
		"cut JSON":        {400, "application/json", `{"error":{`, ""},
		"binary":          {400, "application/octet-stream", "\x00\x01", ""},
		"nesting":         {400, "application/json", strings.Repeat(`{"error":`, 50) + `"x"` + strings.Repeat("}", 50), ""},
		"nested token":    {200, "application/json", `{"data":{"access_token":"canary-token"},"token":"canary-token"}`, ""},
		"WeChat":          {200, "application/json", `{"errcode":40029,"errmsg":"invalid code"}`, "40029, invalid code"},
		"a page with 200": {200, "text/html", `<p>Please sign in</p>`, ""},
		"success":         {201, "application/json", `{"access_token":"x","message":"canary-token"}`, ""},
		"secret":          {400, "application/json", `{"message":"bad secret canary secret+/ here"}`, "bad secret [redacted] here"},
		"encoded":         {400, "text/plain", "bad client_secret=" + url.QueryEscape(secret), "bad client_secret=[redacted]"},
		"escaped":         {400, "text/html", "<p>bad canary secret&#43;/</p>", "bad [redacted]"},
		"token":           {400, "application/json", `{"message":"bad token ` + long + `"}`, "bad token [redacted]"},
		"500 characters":  {400, "text/plain", strings.Repeat("ab ", 400), strings.TrimSpace(strings.Repeat("ab ", 166))},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", test.kind)
			w.WriteHeader(test.status)
			w.Write([]byte(test.body))
		}))
		resp, err := endpoint.Client{}.PostForm(t.Context(), server.URL, nil, url.Values{"client_secret": {secret}}, "application/json")
		server.Close()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		e := resp.Failure("the cause")
		if text := e.Error(); strings.Contains(text, "canary") || (test.says == "") == strings.Contains(text, "the server says") || !strings.Contains(text, test.says) || e.Code != "" || len(text) > 700 {
			t.Errorf("%s: %s, expected %q", name, text, test.says)
		}
	}
}
