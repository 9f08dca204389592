package internal_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// foreignTexts are texts of docs/troubleshooting.md that are written by servers or by Go.
var foreignTexts = []string{"invalid_client", "unauthorized_client", "invalid_request", "certificate signed by unknown authority", "connection refused",
	"bad_client_secret", "bad_verification_code", "invalid_resource", "insufficient_scope: add openid",
}

// troubleshooting are the texts of docs/troubleshooting.md.
func troubleshooting(t *testing.T) (texts []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/troubleshooting.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`").FindAllStringSubmatch(string(page), -1) {
		texts = append(texts, row[1])
	}
	if len(texts) < 20 {
		t.Fatalf("%d texts", len(texts))
	}
	return texts
}

// TestTroubleshooting: every text of the page is in the code.
func TestTroubleshooting(t *testing.T) {
	code := programCode(t)
	for _, text := range troubleshooting(t) {
		for _, part := range strings.Split(text, "…") {
			part = strings.Trim(part, " :")
			if part != "" && !slices.Contains(foreignTexts, part) && !strings.Contains(code, part) {
				t.Errorf("nothing writes %q of %q", part, text)
			}
		}
	}
}

// isExplained reports whether docs/troubleshooting.md has a text of this log.
func isExplained(t *testing.T, log string) bool {
	t.Helper()
	return slices.ContainsFunc(troubleshooting(t), func(text string) bool {
		parts := strings.Split(text, "…")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		return regexp.MustCompile(strings.Join(parts, ".*")).MatchString(log)
	})
}

// programCode is the code of the module without tests.
func programCode(t *testing.T) string {
	var b strings.Builder
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		raw, err := os.ReadFile(path)
		b.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}
