package interop

import (
	"net/url"
	"testing"

	"github.com/countersign/countersign/client"
)

// checkMode logs in, and checks that the response came in this mode.
func checkMode(t *testing.T, config client.Config, mode string) {
	t.Helper()
	c := newClient(t, config)
	l := authorize(t, c, client.Request{}, false)
	if l.mode != mode {
		t.Errorf("the response came by %s, want %s", l.mode, mode)
	}
	if config.ResponseMode == mode+".jwt" && (len(l.callback) != 1 || !l.callback.Has("response")) {
		t.Errorf("the response is %v, want a JWT alone", l.callback)
	}
	finish(t, c, l)
	works(t, "a response of type %q by %s %s", config.ResponseType, mode, config.ResponseMode)
}

func TestFormPost(t *testing.T) {
	formPost.each(t, func(t *testing.T, s *server) {
		config := s.config("basic")
		config.ResponseMode = "form_post"
		checkMode(t, config, "form_post")
	})
}

// TestHybrid accepts code and ID token from the browser, and rejects the code of another login.
func TestHybrid(t *testing.T) {
	hybrid.each(t, func(t *testing.T, s *server) {
		config := s.config("hybrid")
		config.ResponseType = client.ResponseCodeIDToken
		checkMode(t, config, "fragment")
		config.ResponseMode = "form_post"
		checkMode(t, config, "form_post")

		c := newClient(t, config)
		l, other := authorize(t, c, client.Request{}, false), authorize(t, c, client.Request{}, false)
		l.callback.Set("code", other.callback.Get("code"))
		_, err := c.Finish(t.Context(), l.pending, l.callback)
		checkStep(t, err, client.StepIDToken, "login_failed")
	})
}

func TestResponseSigned(t *testing.T) {
	responseSigned.each(t, func(t *testing.T, s *server) {
		config := s.config("jarm")
		config.ResponseAlgs = []string{"PS256"}
		for _, mode := range []string{"query", "fragment", "form_post"} {
			config.ResponseMode = mode + ".jwt"
			checkMode(t, config, mode)
		}
		config.ResponseMode = "jwt"
		checkMode(t, config, "query")
		checkPlainRefused(t, config)
		checkDefaults(t, s)
	})
}

// issuerTwice is the text of the page about Keycloak, which writes iss of JARM and iss of RFC 9207
// into one object. The module rejects JSON with a duplicate member.
const issuerTwice outcome = "works, if the client's `exclude.issuer.from.auth.response` is on"

// checkDefaults logs in as a client that is not registered for these response modes.
func checkDefaults(t *testing.T, s *server) {
	t.Helper()
	config := s.config("basic")
	config.ResponseMode = "query.jwt"
	c := newClient(t, config)
	l := authorize(t, c, client.Request{}, false)
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	switch {
	case err == nil:
		works(t, "a signed response with the server's defaults")
	case s.name == keycloak.name:
		t.Logf("with the server's defaults: %v", err)
		responseSigned.end(s.name, issuerTwice)
		responseEncrypted.end(s.name, issuerTwice)
	default:
		t.Error(err)
	}
}

// checkPlainRefused has the server send an unsigned response to a client that requires signed ones.
func checkPlainRefused(t *testing.T, config client.Config) {
	t.Helper()
	config.PAR = client.PAROff
	c := newClient(t, config)
	l := authorizeAs(t, newVisitor(t, nil), c, client.Request{}, func(q url.Values) { q.Set("response_mode", "query") })
	if !l.callback.Has("code") {
		t.Fatalf("the server does not answer plainly: %v", l.callback)
	}
	_, err := c.Finish(t.Context(), l.pending, l.callback)
	checkStep(t, err, client.StepCallback, "login_failed")
}

func TestResponseEncrypted(t *testing.T) {
	responseEncrypted.each(t, func(t *testing.T, s *server) {
		config := s.config("jarm-encrypted")
		config.ResponseAlgs, config.ResponseMode = []string{"PS256"}, "query.jwt"
		config.DecryptionKeys, config.ResponseDecryptionKeys = decryptionKeys(t), decryptionKeys(t)
		checkMode(t, config, "query")

		config.ResponseDecryptionKeys = nil
		c := newClient(t, config)
		l := authorize(t, c, client.Request{}, false)
		_, err := c.Finish(t.Context(), l.pending, l.callback)
		checkStep(t, err, client.StepCallback, "login_failed")
	})
}
