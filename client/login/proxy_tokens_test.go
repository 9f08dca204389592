package login_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/client"
)

// TestProxyRefreshes: after an API rejects a token, the same body is sent again with a new token.
// If the login has ended, the page gets login_required. SPA-04.
func TestProxyRefreshes(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		all := false
		s := startSPA(t, set, []string{"POST /photos"}, func(w http.ResponseWriter, r *http.Request) {
			if all || r.Header.Get("Authorization") != "Bearer canary-access-1" {
				w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
				w.WriteHeader(401)
				return
			}
			io.Copy(w, r.Body)
		})
		s.as.Token = func(m map[string]any) { m["refresh_token"] = "canary-refresh-0" }
		b := s.browser(t)
		b.signIn(s.app)
		s.as.RotateRefreshTokens()
		s.clock.turn(time.Minute)
		b.want(b.fetch(s, "POST", "/api/photos", "the body", nil), 200, "the body")
		b.want(b.fetch(s, "POST", "/api/photos", "the body", nil), 200, "the body")
		all = true
		b.want(b.fetch(s, "POST", "/api/photos", "the body", nil), 401, `"login_required"`)
	})
}

// TestProxyStepUp: the page gets the requirements and the address of the login. The login
// requests them. A forged address is rejected. SPA-05.
func TestProxyStepUp(t *testing.T) {
	bothKinds(t, func(t *testing.T, set setting) {
		challenge := `Bearer error="insufficient_user_authentication", acr_values="gold", max_age="60"`
		set.client = func(c *client.Config) { c.PAR = client.PAROff }
		s := startSPA(t, set, []string{"GET /money"}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("WWW-Authenticate", challenge)
			w.WriteHeader(401)
		})
		b := s.browser(t)
		b.signIn(s.app)
		p := b.fetch(s, "GET", "/api/money", "", nil)
		var got struct {
			Error     string `json:"error"`
			ACRValues string `json:"acr_values"`
			MaxAge    int    `json:"max_age"`
			Login     string `json:"login"`
		}
		json.Unmarshal([]byte(p.body), &got)
		if p.status != 401 || got.Error != "insufficient_user_authentication" || got.ACRValues != "gold" || got.MaxAge != 60 {
			t.Fatalf("%d %s", p.status, p.body)
		}
		to := b.still().get(s.URL + got.Login + "&return_to=/page")
		at, _ := url.Parse(to.header.Get("Location"))
		if to.status != 303 || at.Query().Get("acr_values") != "gold" || at.Query().Get("max_age") != "60" {
			t.Errorf("%d to %s", to.status, at)
		}
		b.want(b.still().get(s.URL+"/login?step_up=forged"), 400, "invalid_request")
		s.clock.turn(11 * time.Minute)
		b.want(b.still().get(s.URL+got.Login), 400, "invalid_request")
		challenge = `Bearer error="insufficient_scope", scope="transfer"`
		b.want(b.fetch(s, "GET", "/api/money", "", nil), 403, `"scope":"transfer"`)
	})
}

// TestProxyDPoP: each request has a proof for the API's URL.
func TestProxyDPoP(t *testing.T) {
	proofs := make(chan string, 2)
	set := setting{client: func(c *client.Config) { c.DPoP = &client.DPoP{} }}
	s := startSPA(t, set, []string{"POST /x"}, func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "DPoP ") {
			t.Error("the token is not sent as DPoP")
		}
		proofs <- r.Header.Get("DPoP")
	})
	s.as.Token = func(m map[string]any) { m["token_type"] = "DPoP" }
	b := s.browser(t)
	b.signIn(s.app)
	b.want(b.fetch(s, "POST", "/api/x", "body", map[string]string{"DPoP": "forged"}), 200, "")
	if proof := <-proofs; strings.Count(proof, ".") != 2 {
		t.Errorf("the proof is %q", proof)
	}
}
