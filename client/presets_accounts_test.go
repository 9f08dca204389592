package client_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/internal/optest"
)

// socialServers are the servers of the presets for existing accounts.
func socialServers() []deployed {
	return []deployed{
		{
			name: "GitLab", preset: client.GitLab("https://gitlab.com"), issuer: "https://gitlab.com", endpoints: "https://gitlab.com/oauth",
			token: m{"refresh_token": "rt", "scope": "openid", "created_at": 1764100000}, claims: m{"sub_legacy": "x", "groups_direct": []string{}, "auth_time": 1},
			refused: map[string]func(*turn){"another GitLab": claim("iss", "https://gitlab.example")},
		},
		{
			name: "LinkedIn", preset: client.LinkedIn(), issuer: "https://www.linkedin.com/oauth", endpoints: "https://www.linkedin.com/oauth/v2", auth: auth.SecretPost("canary-secret"),
			token: m{"expires_in": 5183999, "scope": "email,openid,profile"}, claims: m{"nonce": nil, "email_verified": "true", "locale": "en_US"},
			refused: map[string]func(*turn){
				"a nonce of another request": claim("nonce", "x"), "another issuer": claim("iss", "https://linkedin.com"),
				"a server that rejects PKCE": func(u *turn) {
					u.serve = func(m) http.HandlerFunc {
						return func(w http.ResponseWriter, _ *http.Request) { optest.JSON(w, 401, m{"error": "invalid_client"}) }
					}
				},
			},
		},
		{
			name: "LinkedIn, the issuer of older applications", preset: client.LinkedIn(), issuer: "https://www.linkedin.com/oauth", claims: m{"nonce": nil, "iss": "https://www.linkedin.com"},
		},
		{
			name: "Twitch", preset: client.Twitch(), issuer: "https://id.twitch.tv/oauth2", auth: auth.SecretPost("canary-secret"),
			token: m{"scope": []string{"openid", "user:read:email"}, "token_type": "bearer", "refresh_token": "rt"}, claims: m{"azp": optest.ClientID, "preferred_username": "alice"},
			check: func(t *testing.T, _ *wire, tokens *client.Tokens) {
				if strings.Join(tokens.Scopes, " ") != "openid user:read:email" {
					t.Errorf("scopes %q", tokens.Scopes)
				}
			},
			refused: map[string]func(*turn){"a scope that is neither": answered("scope", 7)},
		},
		{
			name: "Slack", preset: client.Slack(), issuer: "https://slack.com", endpoints: "https://slack.com/api",
			token: m{"ok": true, "scope": nil}, claims: m{"https://slack.com/team_id": "T0", "https://slack.com/user_id": "U0", "auth_time": 1},
			refused: map[string]func(*turn){"an error with status 200": func(u *turn) { u.token["ok"], u.token["error"] = false, "invalid_code" }},
		},
	}
}

// TestSocialPresets signs in at each server as its documentation describes it.
func TestSocialPresets(t *testing.T) {
	for _, d := range socialServers() {
		t.Run(d.name, func(t *testing.T) {
			tokens, w, err := d.signIn(t, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d.check != nil {
				d.check(t, w, tokens)
			}
			for name, edit := range d.refused {
				tokens, _, err := d.signIn(t, edit)
				if err == nil || tokens != nil {
					t.Errorf("%s: %v, %v", name, tokens, err)
					continue
				}
				noCanary(t, err.Error())
				if name == "a server that rejects PKCE" && !strings.Contains(err.Error(), "enable PKCE") {
					t.Errorf("%s: the error names no remedy: %v", name, err)
				}
			}
		})
	}
}

// TestPlainOAuthPresets: GitHub and Discord issue no ID token, and need no discovery.
func TestPlainOAuthPresets(t *testing.T) {
	for _, test := range []struct {
		name, token, front string
		preset             client.Config
		answer             any
		ok                 bool
	}{
		{"GitHub", "https://github.com/login/oauth/access_token", "https://github.com/login/oauth/authorize?", client.GitHub(), m{"access_token": "gho_x", "scope": "read:user", "token_type": "bearer"}, true},
		{"GitHub, an error with status 200", "https://github.com/login/oauth/access_token", "https://github.com/login/oauth/authorize?", client.GitHub(), m{"error": "bad_verification_code", "error_description": "The code passed is incorrect or expired."}, false},
		{"Discord", "https://discord.com/api/oauth2/token", "https://discord.com/oauth2/authorize?", client.Discord(), m{"access_token": "x", "token_type": "Bearer", "expires_in": 604800, "refresh_token": "y", "scope": "identify"}, true},
		{"Discord, an error", "https://discord.com/api/oauth2/token", "https://discord.com/oauth2/authorize?", client.Discord(), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			optest.JSON(w, 400, m{"error": "invalid_grant"})
		}), false},
	} {
		w := newWire(t, map[string]any{test.token: test.answer})
		cfg := test.preset
		cfg.ClientID, cfg.Auth, cfg.RedirectURL, cfg.HTTP = optest.ClientID, auth.SecretPost("canary-secret"), "https://rp.example/cb", &http.Client{Transport: w}
		c := newClient(t, cfg)
		redirect, pending, err := c.Begin(t.Context(), client.Request{})
		if err != nil || !strings.HasPrefix(redirect, test.front) {
			t.Fatalf("%s: %s, %v", test.name, redirect, err)
		}
		tokens, err := c.Finish(t.Context(), pending, values("code", "c", "state", pending.State))
		if (err == nil) != test.ok || test.ok && (tokens.IDToken != nil || tokens.TokenType != "Bearer") {
			t.Errorf("%s: %v, %v", test.name, tokens, err)
		}
		if form := w.posted[test.token]; form.Get("code_verifier") == "" {
			t.Errorf("%s: without PKCE", test.name)
		}
	}
}
