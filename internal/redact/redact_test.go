package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/countersign/countersign/internal/redact"
)

type (
	all[T any]    = redact.All[T]
	output[T any] = redact.Output[T]
)

type sent struct {
	all[sent]
	Code string
	bare string
}

type stored struct {
	output[stored]
	Code string `json:"code"`
}

type outer struct {
	Sent    sent
	Pointer *sent
	List    []sent
	Stored  stored
}

// TestPrint: neither fmt nor log/slog prints a secret, at any depth. LOG-01.
func TestPrint(t *testing.T) {
	s := sent{Code: "canary-code", bare: "canary-bare"}
	for _, v := range []any{s, &s, []sent{s}, stored{Code: "canary-code"}, outer{s, &s, []sent{s}, stored{Code: "canary"}}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%10.3v"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, "canary") || strings.Contains(got, fmt.Sprintf("%x", "canary")) {
				t.Errorf("%s: %s", verb, got)
			}
		}
	}
	for _, v := range []any{s, &s, stored{Code: "canary-code"}} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		if strings.Contains(log.String(), "canary") {
			t.Errorf("log: %s", &log)
		}
	}
	if got := fmt.Sprint(s); got != "[redact_test.sent]" {
		t.Errorf("printed as %s", got)
	}
}

// TestEncode: encoders reject All, and the error names its fields. Output encodes what an application stores.
func TestEncode(t *testing.T) {
	for name, marshal := range map[string]func(any) ([]byte, error){
		"v1": json.Marshal, "v2": func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
	} {
		if b, err := marshal(sent{Code: "canary-code"}); err == nil || !strings.Contains(err.Error(), "a redact_test.sent is not encoded") || !strings.Contains(err.Error(), "(Code)") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %s, %v", name, b, err)
		}
		if b, err := marshal(stored{Code: "canary-code"}); err != nil || string(b) != `{"code":"canary-code"}` {
			t.Errorf("%s: %s, %v", name, b, err)
		}
	}
	var back stored
	if err := json.Unmarshal([]byte(`{"code":"canary-code"}`), &back); err != nil || back.Code != "canary-code" {
		t.Errorf("read back: %v", err)
	}
	if err := jsonv2.Unmarshal([]byte(`{"code":"canary-code"}`), &back); err != nil || back.Code != "canary-code" {
		t.Errorf("read back: %v", err)
	}
}
