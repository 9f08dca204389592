package interop

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
)

// scopes of a login, as the command's argument.
func (p *terminal) scopes() string {
	return strings.Join(slices.Concat([]string{"openid", "email", "photos.read"}, p.server.scopes), " ")
}

// login signs in, and uses and refreshes the tokens.
func (p *terminal) login(clientID string, args, texts []string) {
	p.t.Helper()
	p.works(clientID, append([]string{"login", "-scope", p.scopes()}, args...), append(texts, "sub ", "stored as"))
	credentials := keep(args, "-key", "-kid", "-alg", "-cert", "-cert-key", "-auth", "-assertion-audience", "-id-token-alg")
	p.works(clientID, append([]string{"userinfo"}, credentials...), []string{`"sub":`, `"email": "` + user + `@example.com"`})
	p.works(clientID, append([]string{"refresh"}, credentials...), []string{"grant_type=refresh_token", "stored as"})
	p.works(clientID, append([]string{"userinfo"}, credentials...), []string{`"sub":`})
}

// keep returns the named flags with their values.
func keep(args []string, names ...string) (out []string) {
	for i, a := range args {
		if slices.Contains(names, a) && i+1 < len(args) {
			out = append(out, a, args[i+1])
		}
	}
	return out
}

// signs returns the flags for the clients' key.
func signs() []string { return []string{"-key", keyPath("sign.key"), "-kid", "sign", "-alg", "PS256"} }

// shows returns the flags for a client certificate.
func shows(name string) []string {
	return []string{"-cert", keyPath(name + ".crt"), "-cert-key", keyPath(name + ".key")}
}

// also joins lists of flags.
func also(lists ...[]string) []string { return slices.Concat(lists...) }

func TestCommandLogin(t *testing.T) {
	runLogin.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("basic"), nil, []string{"grant_type=authorization_code", "code=‹code 1›", "code_verifier=‹code_verifier 1›"})
	})
}

func TestCommandPAR(t *testing.T) {
	runPAR.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("par"), []string{"-par", "required"}, []string{"request_uri="})
	})
}

func TestCommandJAR(t *testing.T) {
	runJAR.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := also([]string{"-jar", "-secret-env", "INTEROP_SECRET", "-auth", "client_secret_basic"}, signs())
		p.works(p.client("jar"), also([]string{"login", "-scope", p.scopes()}, args), []string{"request=‹request 1›", "stored as"})
	})
}

func TestCommandJARM(t *testing.T) {
	runJARM.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("jarm"), []string{"-jarm", "-id-token-alg", "PS256 RS256"}, []string{"response_mode=query.jwt"})
	})
}

func TestCommandDPoP(t *testing.T) {
	runDPoP.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("dpop"), []string{"-dpop"}, []string{"Dpop: ‹dpop 1›", "token_type     DPoP"})
	})
}

func TestCommandKey(t *testing.T) {
	runKey.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := signs()
		if audience := s.assertion().Audience; audience != "" {
			args = append(args, "-assertion-audience", audience)
		}
		p.login(p.client("private-key-jwt"), args, []string{"client_assertion=‹client_assertion 1›"})
	})
}

func TestCommandTLS(t *testing.T) {
	runTLS.eachTLS(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("tls"), append(shows("client"), "-auth", "tls_client_auth"), []string{"stored as"})
	})
}

func TestCommandSelfSigned(t *testing.T) {
	runSelfSigned.eachTLS(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("self-signed"), append(shows("self"), "-auth", "self_signed_tls_client_auth"), []string{"stored as"})
	})
}

func TestCommandProfiles(t *testing.T) {
	runOAuth21.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.login(p.client("basic"), []string{"-profile", "oauth-2.1"}, nil)
	})
}

func TestCommandFAPI2(t *testing.T) {
	runFAPI2.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := also([]string{"-profile", "fapi2-security", "-dpop", "-auth", "private_key_jwt", "-id-token-alg", "PS256"}, signs())
		p.login(p.client("fapi2"), args, []string{"request_uri=", "client_assertion=‹client_assertion 1›"})
	})
}

func TestCommandFAPI2Signed(t *testing.T) {
	runFAPI2Signed.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := also([]string{"-profile", "fapi2-message-signing", "-dpop", "-jar", "-jarm", "-auth", "private_key_jwt", "-id-token-alg", "PS256"}, signs())
		p.login(p.client("fapi2-signing"), args, []string{"request=‹request 1›"})
	})
}

func TestCommandFAPI1(t *testing.T) {
	runFAPI1.eachTLS(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := also([]string{"-profile", "fapi1-advanced", "-jar", "-jarm", "-auth", "tls_client_auth", "-id-token-alg", "PS256"}, signs(), shows("client"))
		p.login(p.client("fapi1"), args, []string{"request=‹request 1›"})
	})
}

func TestCommandDevice(t *testing.T) {
	runDevice.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.works("device", []string{"device", "-scope", "openid email"}, []string{"enter the code", "device_code=‹device_code 1›", "stored as"})
		p.works("device", []string{"userinfo"}, []string{`"sub":`})
	})
}

func TestCommandCIBA(t *testing.T) {
	runCIBA.each(t, func(t *testing.T, s *server) {
		theElsewhere(t)
		p := newTerminal(t, s)
		p.works("ciba", []string{"ciba", "-scope", "openid email", "-login-hint", user, "-binding-message", "W4SCT"}, []string{"binding_message=W4SCT", "auth_req_id=‹auth_req_id 1›", "stored as"})
		p.works("ciba", []string{"userinfo"}, []string{`"sub":`})
		if out, status := p.run("ciba", "ciba", "-login-hint", user, "-binding-message", "deny"); status != 1 || !strings.Contains(out, "access_denied") {
			t.Errorf("the user denies it: status %d\n%s", status, out)
		}
	})
}

func TestCommandCIBASigned(t *testing.T) {
	runCIBASigned.each(t, func(t *testing.T, s *server) {
		theElsewhere(t)
		p := newTerminal(t, s)
		args := also([]string{"ciba", "-jar", "-login-hint", user, "-secret-env", "INTEROP_SECRET", "-auth", "client_secret_basic"}, signs())
		p.works("ciba-signed", args, []string{"request=‹request 1›", "stored as"})
	})
}

func TestCommandCredentials(t *testing.T) {
	runCredentials.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.works("daemon", []string{"credentials", "-scope", "photos.read"}, []string{"grant_type=client_credentials", "stored as"})
		p.works("daemon", []string{"credentials", "-curl"}, []string{"curl -i -X POST"})
		if bindsToKeys(s.metadata) {
			p.works("daemon", []string{"credentials", "-dpop"}, []string{"token_type     DPoP"})
		}
		p.refused("daemon", []string{"credentials", "-secret-env", "PATH"}, "invalid_client", "unauthorized_client")
	})
}

// refused runs a flow that must fail with one of the codes.
func (p *terminal) refused(clientID string, args []string, codes ...string) {
	p.t.Helper()
	out, status := p.run(clientID, args...)
	if status != 1 || !slices.ContainsFunc(codes, func(code string) bool { return strings.Contains(out, code) }) {
		p.t.Errorf("%q: status %d, expected 1 with one of %q\n%s", args, status, codes, out)
	}
}

func TestCommandJWTBearer(t *testing.T) {
	runJWTBearer.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		args := also([]string{"jwt-bearer", "-secret-env", "INTEROP_SECRET", "-auth", "client_secret_basic", "-assertion-issuer", "https://assertions.example", "-scope", "openid photos.read"}, signs())
		if audience := s.assertion().Audience; audience != "" {
			args = append(args, "-assertion-audience", audience)
		}
		p.works("assertions", append(args, "-subject", "alice at work"), []string{"assertion=‹assertion 1›", "stored as"})
		p.refused("assertions", append(args, "-subject", "mallory at work"), "invalid_grant")
	})
}

func TestCommandExchange(t *testing.T) {
	runExchange.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.works(p.client("basic"), []string{"login", "-scope", p.scopes()}, []string{"stored as"})
		p.works(apiID, []string{"exchange", "-scope", "photos.read", "-requested-token-type", "access_token"}, []string{"subject_token=‹access_token 1›", "tokens exchanged"})
		p.refused("daemon", []string{"exchange"}, "invalid_request", "unauthorized_client", "access_denied")
	})
}

func TestCommandIntrospect(t *testing.T) {
	runIntrospect.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		p.works(p.client("basic"), []string{"login", "-scope", p.scopes()}, []string{"stored as"})
		asks := introspector[s.name]
		if asks == "basic" {
			asks = p.client(asks)
		}
		p.works(asks, []string{"introspect"}, []string{"token=‹access_token 1›", "active         true"})
	})
}

func TestCommandRevoke(t *testing.T) {
	runRevoke.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		id := p.client("basic")
		p.works(id, []string{"login", "-scope", p.scopes()}, []string{"stored as"})
		old, err := p.stored().Tokens()
		if err != nil {
			t.Fatal(err)
		}
		p.works(id, []string{"revoke"}, []string{"token=‹refresh_token 1›", "the server revoked the tokens"})
		if p.stored() != nil {
			t.Error("the tokens are still stored")
		}
		_, err = newClient(t, s.config(id)).Refresh(t.Context(), old)
		checkStep(t, err, client.StepToken, "invalid_grant")
	})
}

// TestCommandLogout signs out: after that the server does not know the visitor.
func TestCommandLogout(t *testing.T) {
	runLogout.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		id := p.client("basic")
		p.works(id, []string{"login", "-scope", p.scopes()}, []string{"stored as"})
		p.works(id, []string{"logout"}, []string{"the tokens are deleted here"})
		if p.stored() != nil {
			t.Error("the tokens are still stored")
		}
		p.refused(id, []string{"login", "-scope", p.scopes(), "-prompt", "none"}, "login_required")
	})
}

// TestCommandToken shows the ID token and the access token of a login, with the server's keys.
func TestCommandToken(t *testing.T) {
	runToken.each(t, func(t *testing.T, s *server) {
		p := newTerminal(t, s)
		id := p.client("basic")
		login := []string{"login", "-scope", p.scopes()}
		if resource := s.tokens[0].resource; resource != "" {
			login = append(login, "-resource", resource)
		}
		p.works(id, login, []string{"stored as"})
		fetch := []string{"token", "-fetch", "-issuer", s.issuer}
		if out, status := p.execute(p.stored().IDToken, append(fetch, "-audience", id)...); status != 0 || !strings.Contains(out, "Signature verifies") {
			t.Errorf("ID token: status %d\n%s", status, out)
		}
		access := append(fetch, "-audience", apiID)
		if s.name != oidcProvider.name {
			access = append(access, "-typ", "JWT")
		}
		if out, status := p.execute(p.stored().AccessToken, access...); status != 0 || !strings.Contains(out, "RFC 9068") {
			t.Errorf("access token: status %d\n%s", status, out)
		}
	})
}
