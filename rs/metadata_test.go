package rs_test

import (
	"encoding/json"
	"net/http/httptest"
	"testing"

	"github.com/countersign/countersign/rs"
)

// TestMetadata: RFC 9728 §2, §3.1, §3.2. RS-16.
func TestMetadata(t *testing.T) {
	const at = "/.well-known/oauth-protected-resource"
	for resource, want := range map[string]string{
		"https://api.example":         "https://api.example" + at,
		"https://api.example/":        "https://api.example" + at,
		"https://api.example:8443/v1": "https://api.example:8443" + at + "/v1",
		"https://api.example/v1/":     "https://api.example" + at + "/v1/",
		"https://api.example/a%2Fb":   "https://api.example" + at + "/a%2Fb",
		"https://api.example/?t=1":    "https://api.example" + at + "?t=1",
		"":                            "",
		"api.example":                 "",
		"http://api.example/":         "",
		"https://api.example/#x":      "",
		"https://u@api.example/":      "",
	} {
		meta := &rs.Metadata{Resource: resource, AuthorizationServers: []string{"https://as.example"}}
		if got := meta.URL(); got != want {
			t.Errorf("%q: %q, want %q", resource, got, want)
		}
		w := httptest.NewRecorder()
		meta.ServeHTTP(w, httptest.NewRequest("GET", meta.Path(), nil))
		if want == "" {
			if w.Code != 500 {
				t.Errorf("%q: %d", resource, w.Code)
			}
			continue
		}
		var doc map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || doc["resource"] != resource || len(doc) != 2 {
			t.Errorf("%q: %s, %v", resource, w.Body, err)
		}
		if h := w.Header(); h.Get("Content-Type") != "application/json" || h.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%v", h)
		}
	}
	w := httptest.NewRecorder()
	(&rs.Metadata{Resource: "https://api.example"}).ServeHTTP(w, httptest.NewRequest("POST", at, nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}

	// MCP clients in a browser send MCP-Protocol-Version, which needs a preflight request.
	r := httptest.NewRequest("OPTIONS", at, nil)
	r.Header.Set("Origin", "https://app.example")
	r.Header.Set("Access-Control-Request-Method", "GET")
	r.Header.Set("Access-Control-Request-Headers", "mcp-protocol-version")
	w = httptest.NewRecorder()
	(&rs.Metadata{Resource: "https://api.example"}).ServeHTTP(w, r)
	if h := w.Header(); w.Code != 204 || h.Get("Access-Control-Allow-Origin") != "*" || h.Get("Access-Control-Allow-Headers") != "*" ||
		h.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight: %d %v", w.Code, h)
	}
}
