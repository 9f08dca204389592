package mcpauth_test

import (
	"encoding/json"
	"testing"

	"github.com/countersign/countersign/mcpauth"
)

// FuzzMessage: encoding/json ignores the case of letters, and uses the last of two members. It
// must read each message that Tools accepts as the same call.
func FuzzMessage(f *testing.F) {
	for _, bodies := range []map[string]string{bypasses, sneaky} {
		for _, body := range bodies {
			if len(body) < 1<<12 {
				f.Add([]byte(body))
			}
		}
	}
	f.Add([]byte(callList))
	f.Add([]byte(callDelete))
	f.Fuzz(func(t *testing.T, body []byte) {
		method, tool, err := mcpauth.ParseMessage(body)
		if err != nil {
			return
		}
		var other struct {
			Method string
			Params json.RawMessage
		}
		var params struct{ Name string }
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatal(err)
		}
		if other.Method != method {
			t.Errorf("method %q, and %q", method, other.Method)
		}
		if json.Unmarshal(other.Params, &params); method == "tools/call" && params.Name != tool {
			t.Errorf("tool %q, and %q", tool, params.Name)
		}
	})
}
