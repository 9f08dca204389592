package jose_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/countersign/countersign/internal/jose"
)

// TestMLDSANeedsGo127: with an older release ML-DSA is rejected, with the reason.
func TestMLDSANeedsGo127(t *testing.T) {
	err := jose.CheckAlgs([]string{"ML-DSA-44"})
	if strings.HasPrefix(runtime.Version(), "go1.26") {
		if err == nil || !strings.Contains(err.Error(), "Go 1.27") {
			t.Errorf("error %v, expected one that names Go 1.27", err)
		}
		_, err := jose.ParseKey([]byte(`{"kty":"AKP","alg":"ML-DSA-44","kid":"a","pub":"AAAA"}`))
		if err == nil || !strings.Contains(err.Error(), "Go 1.27") {
			t.Errorf("error %v, expected one that names Go 1.27", err)
		}
		return
	}
	if err != nil {
		t.Error(err)
	}
	if jose.CheckAlgs([]string{"ML-DSA-45"}) == nil {
		t.Error("an unknown parameter set was accepted")
	}
}
