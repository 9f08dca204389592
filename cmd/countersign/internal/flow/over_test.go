package flow

import (
	"bytes"
	"testing"
)

// TestShowAfterTheEnd: package loopback calls show in a goroutine, perhaps after the login has
// ended. Then show prints nothing.
func TestShowAfterTheEnd(t *testing.T) {
	var out, prompts bytes.Buffer
	s := &session{out: &out, err: &prompts}
	if err := s.show(t.Context(), "https://as.example/authorize"); err != nil || prompts.Len() == 0 || out.Len() == 0 {
		t.Fatalf("%v, %q, %q", err, &out, &prompts)
	}
	s.finish(&Outcome{})
	prompts.Reset()
	out.Reset()
	if err := s.show(t.Context(), "https://as.example/authorize"); err == nil || prompts.Len() > 0 || out.Len() > 0 {
		t.Errorf("after the end: %v, %q, %q", err, &out, &prompts)
	}
}
