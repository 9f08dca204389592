package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/discovery"
)

// commandFlow is a row of the table of the command.
type commandFlow struct {
	feature
	lacks func(*server) string // why a server does not have the flow; "" if it has
}

// commandFlows are the rows in order.
var commandFlows []*commandFlow

func newCommandFlow(name string, lacks func(*server) string) *commandFlow {
	f := &commandFlow{feature: feature{name: name, ended: map[string]outcome{}}, lacks: lacks}
	commandFlows = append(commandFlows, f)
	return f
}

func everywhere(*server) string { return "" }

// without is for a flow that a server has if f says so.
func without(f func(*server) bool, reason string) func(*server) string {
	return func(s *server) string {
		if f(s) {
			return ""
		}
		return "not applicable: " + reason
	}
}

var (
	runDoctor      = newCommandFlow("`doctor`: no false alarm, and each wrong registration is named", everywhere)
	runLogin       = newCommandFlow("`login`, `userinfo`, `refresh`", everywhere)
	runToken       = newCommandFlow("`token -fetch` with the tokens of a login", everywhere)
	runPAR         = newCommandFlow("`login -par required`", without(says(pushes), "no `pushed_authorization_request_endpoint`"))
	runJAR         = newCommandFlow("`login -jar`", without(says(takesObjects), "no `request_parameter_supported`"))
	runJARM        = newCommandFlow("`login -jarm`", without(lists(responseModes, "query.jwt"), "no `query.jwt` in `response_modes_supported`"))
	runDPoP        = newCommandFlow("`login -dpop`, `userinfo`, `refresh`", without(says(bindsToKeys), "no `dpop_signing_alg_values_supported`"))
	runKey         = newCommandFlow("`login -key`: `private_key_jwt`", without(lists(authMethods, "private_key_jwt"), "no `private_key_jwt`"))
	runTLS         = newCommandFlow("`login -cert`: `tls_client_auth`, and tokens bound to the certificate", without(says(bindsToCertificates), "no `tls_client_certificate_bound_access_tokens`"))
	runSelfSigned  = newCommandFlow("`login -cert`: `self_signed_tls_client_auth`", without(lists(authMethods, "self_signed_tls_client_auth"), "no `self_signed_tls_client_auth`"))
	runOAuth21     = newCommandFlow("`login -profile oauth-2.1`", everywhere)
	runFAPI2       = newCommandFlow("`login -profile fapi2-security`", without(says(bindsToKeys), "no `dpop_signing_alg_values_supported`"))
	runFAPI2Signed = newCommandFlow("`login -profile fapi2-message-signing`", without(says(bindsToKeys), "no `dpop_signing_alg_values_supported`"))
	runFAPI1       = newCommandFlow("`login -profile fapi1-advanced`", without(says(bindsToCertificates), "no `tls_client_certificate_bound_access_tokens`"))
	runDevice      = newCommandFlow("`device`", without(lists(grantTypes, "urn:ietf:params:oauth:grant-type:device_code"), "no device grant in `grant_types_supported`"))
	runCIBA        = newCommandFlow("`ciba`", without(lists(deliveryModes, "poll"), "no `backchannel_authentication_endpoint`"))
	runCIBASigned  = newCommandFlow("`ciba -jar`", without(lists(signsBackchannel, "PS256"), "no `backchannel_authentication_endpoint`"))
	runCredentials = newCommandFlow("`credentials`", everywhere)
	runJWTBearer   = newCommandFlow("`jwt-bearer`", without(at("keycloak", "hydra"), "that server has no JWT bearer grant"))
	runExchange    = newCommandFlow("`exchange`", without(lists(grantTypes, "urn:ietf:params:oauth:grant-type:token-exchange"), "no token exchange in `grant_types_supported`"))
	runIntrospect  = newCommandFlow("`introspect`", without(at("oidc-provider", "keycloak"), "the endpoint is at the administrators' address, and not in the metadata"))
	runRevoke      = newCommandFlow("`revoke`", everywhere)
	runLogout      = newCommandFlow("`logout`", everywhere)
)

func signsBackchannel(m *discovery.Metadata) []string {
	return m.BackchannelAuthRequestSigningAlgsSupported
}

// each runs a test with every server that has the flow, and records the result.
func (f *commandFlow) each(t *testing.T, test func(*testing.T, *server)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) { f.with(t, s, test) })
}

// eachTLS is like each, over https.
func (f *commandFlow) eachTLS(t *testing.T, test func(*testing.T, *server)) {
	t.Helper()
	eachServer(t, func(t *testing.T, s *server) { f.with(t, s.overTLS(t, ""), test) })
}

func (f *commandFlow) with(t *testing.T, s *server, test func(*testing.T, *server)) {
	t.Helper()
	if reason := f.lacks(s); reason != "" {
		f.end(s.name, outcome(reason))
		t.Logf("%s: %s", f.name, reason)
		return
	}
	note(t, s, &f.feature)
	test(t, s)
}

const commandHeading = "\n## The command\n"

// commandTable returns the part of the page about the command.
func commandTable() string {
	var b strings.Builder
	b.WriteString(commandHeading + `
Each line is a command line of [countersign](../cmd/countersign/README.md) that the run executes as a user would: it
builds the command, and a visitor opens the addresses that it prints. Its output is searched for the tokens and secrets.

| |`)
	for _, name := range columns {
		fmt.Fprintf(&b, " %s |", name)
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, f := range commandFlows {
		fmt.Fprintf(&b, "| %s |", f.name)
		for _, name := range columns {
			fmt.Fprintf(&b, " %s |", f.ended[name])
		}
		b.WriteString("\n")
	}
	return b.String()
}
