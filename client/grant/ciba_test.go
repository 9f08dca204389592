package grant_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/grant"
	"github.com/countersign/countersign/internal/jose"
	"github.com/countersign/countersign/internal/optest"
)

func TestBackchannel(t *testing.T) {
	s := optest.New(t)
	s.Waits = []string{"authorization_pending", "slow_down"}
	s.EditID = func(claims map[string]any) {
		claims["acr"], claims["urn:openid:params:jwt:claim:auth_req_id"] = "silver", optest.AuthReqID
	}
	c, k := polling(t, s, daemon(s))
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{
		LoginHint: "alice", BindingMessage: "W4SCT", UserCode: "canary-user-code", RequestedExpiry: 2 * time.Minute, ACRValues: []string{"gold", "silver"},
		TokenRequest: client.TokenRequest{Extra: url.Values{"audience": {"photos"}}},
	})
	if err != nil || b.NotificationToken != "" || b.Interval != 2*time.Second || !b.Expiry.Equal(k.now.Add(2*time.Minute)) {
		t.Fatalf("%v, %v", b, err)
	}
	same(t, "backchannel request", sent(s, "/backchannel"), values("scope", "openid", "login_hint", "alice", "binding_message", "W4SCT",
		"user_code", "canary-user-code", "requested_expiry", "120", "acr_values", "gold silver", "audience", "photos"))
	stored, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var back grant.Backchannel
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	tokens, err := grant.FinishBackchannel(t.Context(), c, &back)
	if err != nil || tokens.IDToken.Subject != optest.Subject || tokens.IDToken.ACR != "silver" {
		t.Fatalf("%v, %v", tokens, err)
	}
	same(t, "token request", sent(s, "/token"), values("grant_type", "urn:openid:params:grant-type:ciba", "auth_req_id", optest.AuthReqID))
	if !slices.Equal(k.waited, seconds(2, 2, 7)) {
		t.Errorf("waited %v", k.waited)
	}
}

// TestBackchannelNotified: after a ping the client requests the tokens without waiting.
func TestBackchannelNotified(t *testing.T) {
	s := optest.New(t)
	c, k := polling(t, s, daemon(s))
	b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice", Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	if token := s.Form("/backchannel").Get("client_notification_token"); token != b.NotificationToken || len(token) < 43 {
		t.Errorf("client_notification_token %q", token)
	}
	b.Notified = true
	s.Waits = []string{"authorization_pending"}
	if tokens, err := grant.FinishBackchannel(t.Context(), c, b); err != nil || !slices.Equal(k.waited, seconds(0, 2)) {
		t.Errorf("%v, %v after %v", tokens, err, k.waited)
	}
}

// TestBackchannelSigned: a signed request has all parameters in the JWT, and none in the form.
func TestBackchannelSigned(t *testing.T) {
	s := optest.New(t)
	key := optest.NewKey("k1", "ES256")
	cfg := daemon(s)
	cfg.RequestObject = &client.RequestObject{Keys: auth.SigningKey{KeyID: "k1", Key: key.Private}}
	b, err := grant.BeginBackchannel(t.Context(), newClient(t, cfg), grant.BackchannelRequest{IDTokenHint: "e.y.J", Ping: true})
	if err != nil {
		t.Fatal(err)
	}
	form := sent(s, "/backchannel")
	set, err := jose.ParseSet(optest.JWKS(key))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := set.VerifySignature(t.Context(), form.Get("request"))
	if err != nil || len(form) != 2 || form.Get("client_id") != optest.ClientID {
		t.Fatalf("%v, %v", form, err)
	}
	var claims m
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims["iss"] != optest.ClientID || claims["aud"] != s.URL || claims["scope"] != "openid" || claims["id_token_hint"] != "e.y.J" || claims["client_notification_token"] != b.NotificationToken {
		t.Errorf("claims %v", claims)
	}
	for _, name := range []string{"exp", "iat", "nbf", "jti"} {
		if claims[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestBackchannelRefused(t *testing.T) {
	s := optest.New(t)
	for name, test := range map[string]struct {
		edit func(*client.Config)
		req  grant.BackchannelRequest
	}{
		"no hint":                {},
		"two hints":              {req: grant.BackchannelRequest{LoginHint: "alice", IDTokenHint: "canary"}},
		"three hints":            {req: grant.BackchannelRequest{LoginHint: "alice", IDTokenHint: "canary", LoginHintToken: "canary"}},
		"no openid":              {req: grant.BackchannelRequest{LoginHint: "alice", TokenRequest: client.TokenRequest{Scopes: []string{"photos.read"}}}},
		"a negative expiry":      {req: grant.BackchannelRequest{LoginHint: "alice", RequestedExpiry: -time.Second}},
		"half a second":          {req: grant.BackchannelRequest{LoginHint: "alice", RequestedExpiry: time.Second / 2}},
		"a parameter of ours":    {req: grant.BackchannelRequest{LoginHint: "alice", TokenRequest: client.TokenRequest{Extra: url.Values{"user_code": {"x"}}}}},
		"a public client":        {func(c *client.Config) { c.ClientID, c.Auth = optest.PublicID, auth.Public() }, grant.BackchannelRequest{LoginHint: "alice"}},
		"no scope by the config": {func(c *client.Config) { c.Scopes = []string{} }, grant.BackchannelRequest{LoginHint: "alice"}},
	} {
		cfg := daemon(s)
		if test.edit != nil {
			test.edit(&cfg)
		}
		if b, err := grant.BeginBackchannel(t.Context(), newClient(t, cfg), test.req); b != nil || stepOf(err) != grant.StepBackchannel {
			t.Errorf("%s: %v, %v", name, b, err)
		}
	}
	if s.Hits("/backchannel") != 0 {
		t.Error("a request was sent")
	}
	for name, h := range map[string]http.HandlerFunc{
		"HTML": answer(200, "text/html", "<html>"), "no ID": answer(200, "application/json", `{"expires_in":60}`),
		"an ID with a line break": answer(200, "application/json", `{"auth_req_id":"a\nb","expires_in":60}`), "no expiry": answer(200, "application/json", `{"auth_req_id":"canary"}`),
		"a refusal": answer(400, "application/json", `{"error":"unknown_user_id"}`), "an error with 200": answer(200, "application/json", `{"auth_req_id":"canary","expires_in":60,"error":"x"}`),
	} {
		s.Replace("/backchannel", h)
		b, err := grant.BeginBackchannel(t.Context(), newClient(t, daemon(s)), grant.BackchannelRequest{LoginHint: "alice"})
		if b != nil || stepOf(err) != grant.StepBackchannel {
			t.Errorf("%s: %v, %v", name, b, err)
			continue
		}
		noCanary(t, err.Error())
	}
}

func TestFinishBackchannelRefused(t *testing.T) {
	s := optest.New(t)
	c, _ := polling(t, s, daemon(s))
	begin := func() *grant.Backchannel {
		b, err := grant.BeginBackchannel(t.Context(), c, grant.BackchannelRequest{LoginHint: "alice", ACRValues: []string{"gold"}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, edit := range map[string]func(*grant.Backchannel){
		"another server": func(b *grant.Backchannel) { b.Issuer = "https://other.example" },
		"another client": func(b *grant.Backchannel) { b.ClientID = "other" },
		"no ID":          func(b *grant.Backchannel) { b.AuthReqID = "" },
		"no openid":      func(b *grant.Backchannel) { b.Scopes = nil },
		"no expiry":      func(b *grant.Backchannel) { b.Expiry = time.Time{} },
	} {
		b := begin()
		edit(b)
		if tokens, err := grant.FinishBackchannel(t.Context(), c, b); tokens != nil || stepOf(err) == "" {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	if _, err := grant.FinishBackchannel(t.Context(), c, nil); err == nil || s.Hits("/token") != 0 {
		t.Errorf("a token request was sent, or nothing was a login: %v", err)
	}
	for name, edit := range map[string]func(map[string]any){
		"a weaker class": func(claims map[string]any) { claims["acr"] = "silver" },
		"no class":       func(map[string]any) {},
		"another auth_req_id": func(claims map[string]any) {
			claims["acr"], claims["urn:openid:params:jwt:claim:auth_req_id"] = "gold", "other"
		},
		"one that is no ID": func(claims map[string]any) {
			claims["acr"], claims["urn:openid:params:jwt:claim:auth_req_id"] = "gold", 7
		},
		"an empty one": func(claims map[string]any) {
			claims["acr"], claims["urn:openid:params:jwt:claim:auth_req_id"] = "gold", ""
		},
	} {
		s.EditID = edit
		if tokens, err := grant.FinishBackchannel(t.Context(), c, begin()); tokens != nil || stepOf(err) != client.StepIDToken {
			t.Errorf("%s: %v, %v", name, tokens, err)
		}
	}
	s.EditID = func(claims map[string]any) { claims["acr"] = "gold" }
	if tokens, err := grant.FinishBackchannel(t.Context(), c, begin()); err != nil {
		t.Errorf("without the claim: %v, %v", tokens, err)
	}
}
