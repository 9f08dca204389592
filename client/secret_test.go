package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/internal/optest"
)

// noCanary fails if text holds a secret: everything secret in these tests begins
// with canary, and JWTs begin with eyJ.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in %.200q", text[max(0, i-50):])
		}
	}
}

// TestNothingPrintsASecret prints every value of the package in every way. LOG-01.
func TestNothingPrintsASecret(t *testing.T) {
	s := optest.New(t)
	cfg := config(s)
	c := newClient(t, cfg)
	redirect, pending, err := c.Begin(t.Context(), client.Request{})
	if err != nil {
		t.Fatal(err)
	}
	pending.State, pending.Nonce, pending.CodeVerifier = "canary"+pending.State, "canary", "canary"
	_ = redirect
	tokens, err := login(t, s, c)
	if err != nil {
		t.Fatal(err)
	}
	info, err := c.UserInfo(t.Context(), tokens)
	if err != nil {
		t.Fatal(err)
	}
	introspected, err := c.Introspect(t.Context(), "canary-opaque", "")
	if err != nil {
		t.Fatal(err)
	}
	logout := client.Logout{IDTokenHint: "canary-id-token"}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	for _, v := range []any{cfg, &cfg, cfg.Auth, c, *pending, pending, tokens, *tokens, tokens.IDToken, tokens.Report, info, introspected, logout, &logout} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			noCanary(t, fmt.Sprintf(verb, v))
		}
		logger.Info("x", "v", v)
	}
	noCanary(t, log.String())
	for _, v := range []any{tokens, *tokens, tokens.IDToken, tokens.Report, info, introspected, logout} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		noCanary(t, string(b))
	}
}
