package client_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/optest"
)

// noCanary fails if text contains a secret. Secrets in these tests begin with canary, and JWTs
// with eyJ.
func noCanary(t *testing.T, text string) {
	t.Helper()
	for _, secret := range []string{"canary", "eyJ"} {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("a secret is in %.200q", text[max(0, i-50):])
		}
	}
}

// TestNothingPrintsASecret prints every value of the package with every verb. LOG-01.
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
	for _, v := range []any{tokens.IDToken, tokens.Report, info, introspected} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		noCanary(t, string(b))
	}
}

// TestGrantsPrintNoSecret does the same with the parameters and results of grants. LOG-01.
func TestGrantsPrintNoSecret(t *testing.T) {
	s := optest.New(t)
	cfg := daemon(s)
	cfg.DPoP = &client.DPoP{InsecureAllowBearer: true}
	c := newClient(t, cfg)
	d, err := grant.BeginDevice(t.Context(), c, client.TokenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice", Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	d.DPoPKey, b.DPoPKey, b.NotificationToken = "canary", "canary", "canary"
	exchange := grant.ExchangeRequest{SubjectToken: "canary", ActorToken: "canary"}
	assertion := grant.AssertionRequest{Assertion: "canary"}
	backchannel := grant.BackchannelRequest{LoginHintToken: "canary", IDTokenHint: "canary", UserCode: "canary"}
	tokens, err := grant.TokenExchange(t.Context(), c, exchange)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(`{"auth_req_id":"canary"}`))
	r.Header.Set("Authorization", "Bearer canary")
	r.Header.Set("Content-Type", "application/json")
	ping, err := grant.ReadPing(r)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	redacting := []any{exchange, &exchange, assertion, &assertion, backchannel, &backchannel, ping, *ping}
	for _, v := range append(redacting, tokens, d, *d, b, *b) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			noCanary(t, fmt.Sprintf(verb, v))
		}
		logger.Info("x", "v", v)
	}
	noCanary(t, log.String())
	for _, v := range redacting {
		b, err := json.Marshal(v)
		if err == nil || !strings.Contains(err.Error(), "is not encoded, because it holds secrets") {
			t.Errorf("%s, %v", b, err)
		}
		noCanary(t, string(b)+fmt.Sprint(err))
	}
}

// TestTokensAreNotEncoded: encoding/json returns an error for Tokens, because the output could
// not be decoded. The error contains the method to use, and no secret. LOG-01.
func TestTokensAreNotEncoded(t *testing.T) {
	issued := client.Tokens{Token: &oauth2.Token{AccessToken: "canary-access", RefreshToken: "canary-refresh"}, IDTokenHint: "canary-id-token"}
	for _, v := range []any{issued, &issued, []client.Tokens{issued}, map[string]*client.Tokens{"alice": &issued}, struct{ T client.Tokens }{issued}} {
		out, err := json.Marshal(v)
		if err == nil || len(out) > 0 || !strings.Contains(err.Error(), "tokens.ToStore") {
			t.Errorf("%T: %s, error %v", v, out, err)
		}
		noCanary(t, string(out)+fmt.Sprint(err))
	}
	if _, err := issued.MarshalText(); err == nil {
		t.Error("encoded as text")
	}
}
