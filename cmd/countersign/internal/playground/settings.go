package playground

import (
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// setting is a field of client.Config that switches set, with its value in Go. The page and the
// application use the same row.
type setting struct {
	name, value string
	when        func(map[string]bool) bool
	apply       func(*lab, *client.Config) // nil if the lab's transport does it
}

var settings = []setting{
	{"Profile", "client.OAuth21", profile("oauth21"), func(_ *lab, c *client.Config) { c.Profile = client.OAuth21 }},
	{"Profile", "client.FAPI2Security", profile("fapi2"), func(_ *lab, c *client.Config) { c.Profile = client.FAPI2Security }},
	{"Profile", "client.FAPI2MessageSigning", profile("signing"), func(_ *lab, c *client.Config) { c.Profile = client.FAPI2MessageSigning }},
	{"PAR", "client.PARRequired", func(on map[string]bool) bool { return on["par"] || fapi(on) }, func(_ *lab, c *client.Config) { c.PAR = client.PARRequired }},
	{"Auth", "auth.PrivateKeyJWT(key, auth.Assertion{})", fapi, func(l *lab, c *client.Config) { c.Auth = auth.PrivateKeyJWT(l.signingKey(), auth.Assertion{}) }},
	{"RequestObject", "&client.RequestObject{Keys: key}", anyOf("jar", "signing"), func(l *lab, c *client.Config) { c.RequestObject = &client.RequestObject{Keys: l.signingKey()} }},
	{"ResponseMode", `"form_post"`, func(on map[string]bool) bool { return on["formpost"] && !jarm(on) }, func(_ *lab, c *client.Config) { c.ResponseMode = "form_post" }},
	{"ResponseMode", `"form_post.jwt"`, func(on map[string]bool) bool { return on["formpost"] && jarm(on) }, func(_ *lab, c *client.Config) { c.ResponseMode = "form_post.jwt" }},
	{"ResponseMode", `"query.jwt"`, func(on map[string]bool) bool { return !on["formpost"] && jarm(on) }, func(_ *lab, c *client.Config) { c.ResponseMode = "query.jwt" }},
	{"ResponseAlgs", `[]string{"ES256"}`, jarm, func(_ *lab, c *client.Config) { c.ResponseAlgs = []string{"ES256"} }},
	{"DPoP", "&client.DPoP{}", bound, func(_ *lab, c *client.Config) { c.DPoP = &client.DPoP{} }},
	{"CertificateBound", "true", anyOf("mtls"), func(_ *lab, c *client.Config) { c.CertificateBound = true }},
	{"HTTP", "&http.Client{Transport: &http.Transport{\n\t\tTLSClientConfig: &tls.Config{Certificates: []tls.Certificate{certificate}},\n\t}}", anyOf("mtls"), nil},
	{"DecryptionKeys", `[]idtoken.DecryptionKey{{KeyID: "print-shop-enc", Key: privateKey}}`, anyOf("encryption"), func(l *lab, c *client.Config) { c.DecryptionKeys = decryptionKeys(l.key) }},
	{"Scopes", `[]string{"openid", "profile", "photos", "offline_access"}`, anyOf("refresh"), func(_ *lab, c *client.Config) { c.Scopes = append(c.Scopes, "offline_access") }},
}

func anyOf(ids ...string) func(map[string]bool) bool {
	return func(on map[string]bool) bool {
		for _, id := range ids {
			if on[id] {
				return true
			}
		}
		return false
	}
}

func fapi(on map[string]bool) bool { return on["fapi2"] || on["signing"] }
func jarm(on map[string]bool) bool { return on["jarm"] || on["signing"] }

// bound reports that tokens are bound to a key by DPoP: FAPI 2.0 needs that or a certificate.
func bound(on map[string]bool) bool { return on["dpop"] || fapi(on) && !on["mtls"] }

// profile returns the condition of a switch: the switch is on, and no stricter profile is on.
func profile(id string) func(map[string]bool) bool {
	return func(on map[string]bool) bool {
		strictest := ""
		for _, p := range []string{"oauth21", "fapi2", "signing"} {
			if on[p] {
				strictest = p
			}
		}
		return id == strictest
	}
}

// GoLines returns the Go lines that the switches change, ready to copy.
func GoLines(on map[string]bool) string {
	var fields [][2]string
	for _, s := range settings {
		if s.when(on) {
			fields = append(fields, [2]string{s.name, s.value})
		}
	}
	parts := []string{literal("client.Config", fields)}
	if on["refresh"] {
		parts = append(parts, literal("login.Config", [][2]string{{"KeepTokens", "true"}}))
	}
	if bound(on) {
		parts = append(parts, literal("rs.Protection", [][2]string{{"DPoP", `&rs.DPoP{BaseURL: "https://api.example"}`}}))
	}
	if on["opaque"] || on["introspection"] {
		parts = append(parts, literal("rs.Introspection", [][2]string{
			{"Server", "provider"}, {"Issuer", "provider.Issuer"}, {"Audience", `"https://api.example"`},
			{"Auth", `auth.SecretBasic(secret).For("photo-album", provider.Issuer)`},
		}))
	}
	for _, s := range Switches {
		if on[s.ID] {
			parts = append(parts, s.calls)
		}
	}
	return strings.TrimSpace(strings.Join(compact(parts), "\n\n"))
}

func compact(parts []string) (kept []string) {
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// literal aligns the values as gofmt does. A value of several lines is not aligned with others.
func literal(typ string, fields [][2]string) string {
	if len(fields) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString(typ + "{\n")
	for i, f := range fields {
		b.WriteString("\t" + f[0] + ":" + strings.Repeat(" ", width(fields, i)-len(f[0])+1) + f[1] + ",\n")
	}
	b.WriteString("}")
	return b.String()
}

// width returns the width of the longest name beside fields[i].
func width(fields [][2]string, i int) int {
	long := func(n int) bool { return strings.Contains(fields[n][1], "\n") }
	longest := len(fields[i][0])
	if long(i) {
		return longest
	}
	for n := i - 1; n >= 0 && !long(n); n-- {
		longest = max(longest, len(fields[n][0]))
	}
	for n := i + 1; n < len(fields) && !long(n); n++ {
		longest = max(longest, len(fields[n][0]))
	}
	return longest
}
