package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
)

// configuration gives the Go source to paste.
func (x *examination) configuration(d *document) {
	x.report.ClientConfig, x.report.APIConfig = x.clientConfig(d), x.apiConfig(d)
}

func (x *examination) clientConfig(d *document) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\t"+format+",\n", args...) }
	b.WriteString("client.Config{\n")
	line("Issuer: %q", x.Issuer)
	if x.elsewhere(d) {
		line("DiscoveryURL: %q", d.url)
	}
	line("ClientID: %q", or(x.ClientID, "…"))
	line("Auth: %s", x.authMethod())
	line("RedirectURL: %q", or(x.RedirectURL, "https://…/callback"))
	line("Scopes: %s", x.scopes())
	if algs := x.idTokenAlgs(); algs != nil {
		line("IDTokenAlgs: %s", goList(algs))
	}
	if x.metadata.AuthorizationResponseIssParameterSupported {
		line("RequireIss: true")
	}
	if methods := x.metadata.CodeChallengeMethodsSupported; len(methods) > 0 && !slices.Contains(methods, "S256") {
		line("PKCE: pkce.Plain")
	}
	if x.Profile != client.NoProfile {
		line("Profile: client.%s", profileNames[x.Profile])
	}
	return b.String() + "}"
}

var profileNames = map[client.Profile]string{
	client.OIDCBasic: "OIDCBasic", client.OAuth21: "OAuth21", client.FAPI1Advanced: "FAPI1Advanced",
	client.FAPI2Security: "FAPI2Security", client.FAPI2MessageSigning: "FAPI2MessageSigning", client.FAPICIBA: "FAPICIBA",
}

// elsewhere: the metadata is not where OpenID Connect Discovery puts it.
func (x *examination) elsewhere(d *document) bool { return d.url != x.locations()[0] }

func (x *examination) authMethod() string {
	methods := x.metadata.TokenEndpointAuthMethodsSupported
	switch {
	case x.Auth.Name() != "":
		return "…, // " + x.Auth.Name()
	case slices.Contains(methods, "private_key_jwt"):
		return "auth.PrivateKeyJWT(keys, auth.Assertion{})"
	case len(methods) == 1 && methods[0] == "none":
		return "auth.Public()"
	}
	return `auth.Secret(os.Getenv("CLIENT_SECRET"))`
}

func (x *examination) scopes() string {
	var all []string
	for _, s := range []string{"openid", "profile", "email"} {
		if s == "openid" || slices.Contains(x.metadata.ScopesSupported, s) {
			all = append(all, s)
		}
	}
	return goList(all)
}

// idTokenAlgs is nil where RS256, the default, is right.
func (x *examination) idTokenAlgs() []string {
	usable := asymmetric(x.metadata.IDTokenSigningAlgValuesSupported)
	if len(usable) == 0 || slices.Contains(usable, "RS256") {
		return nil
	}
	return usable[:1]
}

func (x *examination) apiConfig(d *document) string {
	var b strings.Builder
	provider := fmt.Sprintf("&discovery.Provider{Issuer: %q", x.Issuer)
	if x.elsewhere(d) {
		provider += fmt.Sprintf(", URL: %q", d.url)
	}
	fmt.Fprintf(&b, "server := %s}\n&rs.JWT{\n\tIssuer: server.Issuer,\n\tAudience: \"…\", // this API's identifier at the server\n\tKeys: server.Keys(),\n", provider)
	if algs := x.idTokenAlgs(); algs != nil {
		fmt.Fprintf(&b, "\tAlgs: %s,\n", goList(algs))
	}
	return b.String() + "}"
}

func goList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return "[]string{" + strings.Join(quoted, ", ") + "}"
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
