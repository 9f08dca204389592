package interop

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/par"
	"github.com/countersign/countersign/pkce"
)

// checkStep: err must be a client.Error of that step, with one of the codes.
func checkStep(t *testing.T, err error, step client.Step, codes ...string) {
	t.Helper()
	var e *client.Error
	if !errors.As(err, &e) || e.Step != step || !slices.Contains(codes, e.Code) {
		t.Fatalf("error %v, want step %q with one of %q", err, step, codes)
	}
	works(t, "%v", err)
}

// checkDenied: the server's error must have come through the browser, with the state and iss of
// this login.
func checkDenied(t *testing.T, s *server, c *client.Client, l *landing, code string) {
	t.Helper()
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	checkStep(t, err, client.StepCallback, code)
	var e *client.CallbackError
	if !errors.As(err, &e) || e.Code != code || e.Description != l.callback.Get("error_description") {
		t.Errorf("error %v; want a CallbackError %s with the server's description", err, code)
	}
	if l.callback.Get("state") != l.pending.State || l.callback.Get("iss") != s.iss() {
		t.Errorf("callback has state %q, iss %q", l.callback.Get("state"), l.callback.Get("iss"))
	}
}

// checkPush: the server must have rejected the pushed request with one of the codes.
func checkPush(t *testing.T, err error, codes ...string) {
	t.Helper()
	checkStep(t, err, client.StepPush, codes...)
	var e *par.Error
	if !errors.As(err, &e) || !slices.Contains(codes, e.Code) || e.Status/100 != 4 {
		t.Errorf("error %v; want a par.Error of %q", err, codes)
	}
}

// checkToken: the token endpoint must have rejected the request with one of the codes.
func checkToken(t *testing.T, err error, codes ...string) {
	t.Helper()
	checkStep(t, err, client.StepToken, codes...)
	var e *client.TokenError
	if !errors.As(err, &e) || !slices.Contains(codes, e.Code) || e.Status/100 != 4 {
		t.Errorf("error %v; want a TokenError of %q", err, codes)
	}
}

func TestVisitorRefuses(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		l := authorize(t, c, client.Request{Prompt: []string{"consent"}}, true)
		checkDenied(t, s, c, l, "access_denied")
	})
}

// TestPromptNone signs in with prompt=none and without a session. The server rejects it.
func TestPromptNone(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		l := authorize(t, c, client.Request{Prompt: []string{"none"}}, false)
		checkDenied(t, s, c, l, "login_required")
	})
}

// TestPushDemanded sends a plain request although the registration requires a pushed one.
func TestPushDemanded(t *testing.T) {
	eachPushing(t, func(t *testing.T, s *server) {
		config := s.config("par")
		config.PAR = client.PAROff
		c := newClient(t, config)
		checkDenied(t, s, c, authorize(t, c, client.Request{}, false), "invalid_request")
	})
}

// TestWrongSecret authenticates with a wrong secret. The push fails, or without a push the code
// exchange.
func TestWrongSecret(t *testing.T) {
	const wrong = "wrong-secret-of-basic"
	eachServer(t, func(t *testing.T, s *server) {
		for _, auth := range []auth.Method{auth.SecretBasic(wrong), auth.SecretPost(wrong)} {
			config := s.config("basic")
			config.Auth = auth
			if pushes(s.metadata) {
				_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
				checkPush(t, err, "invalid_client", "invalid_request") // Keycloak sends invalid_request
				checkSecret(t, err, wrong)
			}

			config.PAR = client.PAROff
			c := newClient(t, config)
			l := authorize(t, c, client.Request{}, false)
			_, err := c.Finish(t.Context(), l.pending, l.callback)
			checkToken(t, err, "invalid_client", "unauthorized_client") // Keycloak sends unauthorized_client
			checkSecret(t, err, wrong)
		}
	})
}

// checkSecret searches the texts of an error and of its causes for a secret.
func checkSecret(t *testing.T, err error, secret string) {
	t.Helper()
	header := base64.StdEncoding.EncodeToString([]byte("basic:" + secret))
	for e := err; e != nil; e = errors.Unwrap(e) {
		text := fmt.Sprintf("%v %+v %#v", e, e, e)
		if strings.Contains(text, secret) || strings.Contains(text, header) {
			t.Errorf("the secret is in %s", text)
		}
	}
}

// TestReplayedCode sends a code a second time with another client, because the first client does
// not send it again.
func TestReplayedCode(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		l := authorize(t, c, client.Request{}, false)
		if _, err := c.Finish(t.Context(), l.pending, l.callback); err != nil {
			t.Fatal(err)
		}
		_, err := newClient(t, s.config("basic")).Finish(t.Context(), l.pending, l.callback)
		checkToken(t, err, "invalid_grant")
	})
}

// TestOtherVerifier exchanges a code with the wrong code_verifier.
func TestOtherVerifier(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("public"))
		l := authorize(t, c, client.Request{}, false)
		l.pending.CodeVerifier = string(pkce.New())
		_, err := c.Finish(t.Context(), l.pending, l.callback)
		checkToken(t, err, "invalid_grant")
	})
}

// TestPlain uses PKCE's method plain. oidc-provider does not support it, Keycloak's registration
// decides, and hydra announces and rejects it.
func TestPlain(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		config.PKCE = pkce.Plain
		if pushes(s.metadata) {
			_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
			checkPush(t, err, "invalid_request")
		} else {
			c := newClient(t, config)
			checkDenied(t, s, c, authorize(t, c, client.Request{}, false), "invalid_request")
		}
		challengePlain.with(t, s, func(t *testing.T, s *server) {
			config.ClientID = "plain"
			logIn(t, newClient(t, config), client.Request{})
			works(t, "plain where it is registered")
		})
	})
}

// TestWrongIssuer configures an issuer that the server does not have.
func TestWrongIssuer(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		for _, issuer := range []string{s.issuer + "/", s.issuer + "/nowhere"} {
			config := s.config("basic")
			config.Issuer = issuer
			_, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
			checkStep(t, err, client.StepDiscovery, "login_failed")
			var e *discovery.Error
			if !errors.As(err, &e) {
				t.Errorf("error %v; want a discovery.Error", err)
			}
		}
	})
}

// TestWrongRedirectURL requests a redirect to an address that is not registered. Where the request
// is not pushed, the server does not send the browser there.
func TestWrongRedirectURL(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		config.RedirectURL = appURL + "/elsewhere"
		redirect, _, err := newClient(t, config).Begin(t.Context(), client.Request{})
		if pushes(s.metadata) {
			checkPush(t, err, "invalid_request")
			return
		}
		if p, visited := newVisitor(t, &landing{}).visit(redirect); err != nil || visited == nil {
			t.Errorf("the browser is at %v, %v", p, err)
		}
	})
}

// TestWrongRefreshToken refreshes with a token that the server did not issue.
func TestWrongRefreshToken(t *testing.T) {
	eachServer(t, func(t *testing.T, s *server) {
		c := newClient(t, s.config("basic"))
		l := authorize(t, c, client.Request{}, false)
		tokens, err := c.Finish(t.Context(), l.pending, l.callback)
		if err != nil {
			t.Fatal(err)
		}
		tokens.RefreshToken += "x"
		_, err = c.Refresh(t.Context(), tokens)
		checkToken(t, err, "invalid_grant")
	})
}
