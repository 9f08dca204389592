package doctor_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/countersign/countersign/cmd/countersign/internal/doctor"
	"github.com/countersign/countersign/discovery/issuertest"
)

// TestHostileSize: for a document of the maximum size, the doctor is fast and the report is short.
func TestHostileSize(t *testing.T) {
	var keys []string
	for n := range 50_000 {
		keys = append(keys, fmt.Sprintf(`{"kid":"%05d"}`, n))
	}
	members := map[string]any{}
	for n := range 20_000 {
		members[fmt.Sprintf("%05d_endpoint", n)] = "https://a.example"
	}
	large, _ := json.Marshal(members)
	other := bytes.ReplaceAll(large, []byte("a.example"), []byte("b.example"))
	for name, answers := range map[string]map[string]http.HandlerFunc{
		"keys":      {"/jwks": writes(200, "application/json", `{"keys":[`+strings.Join(keys, ",")+`]}`)},
		"documents": {metadata: writes(200, "application/json", string(large)), oauth: writes(200, "application/json", string(other))},
	} {
		issuer, pool := start(t, issuertest.Config{Metadata: map[string]any{"dpop_signing_alg_values_supported": slices.Repeat([]string{"none"}, 5000)}}, answers)
		begun := time.Now()
		report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
		var out bytes.Buffer
		report.Print(&out)
		if took := time.Since(begun); took > time.Minute || len(report.Findings) > 1000 {
			t.Errorf("%s: %v, %d findings, %d bytes", name, took, len(report.Findings), out.Len())
		}
	}
}

// TestHostileTexts: the report has no control characters from the document's lists of algorithms
// and methods, in both forms of output.
func TestHostileTexts(t *testing.T) {
	const hostile = "\x1b]0;x\a\u009b2J\u202e\"}\nx"
	issuer, pool := start(t, issuertest.Config{Metadata: map[string]any{
		"id_token_signing_alg_values_supported": []string{hostile, "RS256"}, "token_endpoint_auth_methods_supported": []string{hostile},
		"scopes_supported": []string{hostile}, "code_challenge_methods_supported": []string{hostile}, "response_modes_supported": []string{hostile},
		"token_endpoint_auth_signing_alg_values_supported": []string{hostile}, "dpop_signing_alg_values_supported": []string{hostile},
		"request_object_signing_alg_values_supported": []string{hostile}, "backchannel_token_delivery_modes_supported": []string{hostile}, "acr_values_supported": []string{hostile},
		"authorization_signing_alg_values_supported": []string{hostile},
	}}, nil)
	report := doctor.Examine(t.Context(), doctor.Options{Issuer: issuer, RootCAs: pool})
	var out bytes.Buffer
	report.Print(&out)
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.Encode(report)
	if at := strings.IndexFunc(out.String(), func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); at >= 0 {
		t.Errorf("%q", out.String()[max(0, at-100):at+20])
	}
}
