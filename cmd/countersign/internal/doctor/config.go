package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
)

// configuration returns the Go source to paste.
func (x *examination) configuration(d *document) {
	x.isOpenID = !x.elsewhere(d)
	x.report.ClientConfig, x.report.APIConfig = x.clientConfig(d), x.apiConfig(d)
}

// source is Go source that grows.
type source struct {
	imports, before, fields []string
}

func (s *source) field(format string, args ...any) {
	s.fields = append(s.fields, "\t"+fmt.Sprintf(format, args...)+",\n")
}

func (s *source) uses(imports ...string) { s.imports = append(s.imports, imports...) }

// declare adds a variable that the person has to fill.
func (s *source) declare(line string, imports ...string) {
	if !slices.Contains(s.before, line+"\n") {
		s.before = append(s.before, line+"\n")
		s.uses(imports...)
	}
}

const module = "github.com/countersign/countersign/"

func (s *source) String() string {
	slices.Sort(s.imports)
	return "// import: " + strings.Join(slices.Compact(s.imports), ", ") + "\n" +
		strings.Join(s.before, "") + "config := client.Config{\n" + strings.Join(s.fields, "") + "}"
}

func (x *examination) clientConfig(d *document) string {
	s := &source{}
	s.uses(module+"client", module+"client/auth")
	s.field("Issuer: %q", x.Issuer)
	if x.elsewhere(d) {
		s.field("DiscoveryURL: %q", d.url)
	}
	s.field("ClientID: %q", or(x.ClientID, "your-client-id"))
	x.authField(s)
	if x.Profile != client.FAPICIBA {
		s.field("RedirectURL: %q", or(x.RedirectURL, "https://app.example/callback"))
	}
	s.field("Scopes: %s", goList(x.scopes()))
	if algs := x.idTokenAlgs(); algs != nil && x.openID() {
		s.field("IDTokenAlgs: %s", goList(algs))
	}
	x.serverFields(s)
	x.profileFields(s)
	if x.RootCAs != nil {
		s.declare("var hc *http.Client // with the authority of -ca in the RootCAs of its Transport", "net/http")
	}
	if slices.ContainsFunc(s.before, func(line string) bool { return strings.HasPrefix(line, "var hc ") }) {
		s.field("HTTP: hc")
	}
	return s.String()
}

// serverFields are the settings that the metadata requires.
func (x *examination) serverFields(s *source) {
	if x.metadata.AuthorizationResponseIssParameterSupported && x.Profile != client.FAPICIBA {
		s.field("RequireIss: true")
	}
	if methods := x.metadata.CodeChallengeMethodsSupported; len(methods) > 0 && !slices.Contains(methods, "S256") {
		s.uses(module + "pkce")
		s.field("PKCE: pkce.Plain")
	}
	if mode := x.responseMode(); mode != "" && !signsRequests(x.Profile) && x.Profile != client.FAPICIBA {
		s.field("ResponseMode: %q", mode)
		if strings.HasSuffix(mode, "jwt") {
			s.field("ResponseAlgs: %s", goList(x.responseAlgs()))
		}
	}
	if x.metadata.RequireSignedRequestObject && !signsRequests(x.Profile) {
		x.keysVariable(s)
		s.field("RequestObject: &client.RequestObject{Keys: keys}")
	}
	if x.InsecureHTTP && x.Profile == client.NoProfile {
		s.field("InsecureHTTP: true")
	}
}

var profileNames = map[client.Profile]string{
	client.OIDCBasic: "OIDCBasic", client.OAuth21: "OAuth21", client.FAPI1Advanced: "FAPI1Advanced",
	client.FAPI2Security: "FAPI2Security", client.FAPI2MessageSigning: "FAPI2MessageSigning", client.FAPICIBA: "FAPICIBA",
}

func isFAPI(p client.Profile) bool { return strings.HasPrefix(string(p), "FAPI") }

func signsRequests(p client.Profile) bool {
	return p == client.FAPI1Advanced || p == client.FAPI2MessageSigning
}

// profileFields are what the profile requires of the configuration.
func (x *examination) profileFields(s *source) {
	p := x.Profile
	if p == client.NoProfile {
		return
	}
	s.field("Profile: client.%s", profileNames[p])
	if signsRequests(p) {
		x.keysVariable(s)
		s.field("RequestObject: &client.RequestObject{Keys: keys}")
		s.field("ResponseMode: %q", "jwt")
		s.field("ResponseAlgs: %s", goList(x.idTokenAlgs()))
	}
	switch {
	case !isFAPI(p):
	case p == client.FAPI1Advanced || x.bindsCertificates():
		x.certificateVariable(s)
		s.field("CertificateBound: true")
	default:
		s.field("DPoP: &client.DPoP{}")
	}
}

func (x *examination) keysVariable(s *source) {
	s.declare("var keys auth.KeySource // your private key, as an auth.SigningKey; the server has the public key")
}

func (x *examination) certificateVariable(s *source) {
	s.declare("var hc *http.Client // presents the client certificate: tls.Config.Certificates of its Transport", "net/http")
}

// authField is how the client authenticates: as it was tested, or as the server allows.
func (x *examination) authField(s *source) {
	method := x.authMethod()
	switch method {
	case "none":
		s.field("Auth: auth.Public()")
	case "private_key_jwt":
		x.keysVariable(s)
		s.field("Auth: auth.PrivateKeyJWT(keys, auth.Assertion{})")
	case "tls_client_auth", "self_signed_tls_client_auth":
		x.certificateVariable(s)
		s.field("Auth: %s", map[string]string{"tls_client_auth": "auth.TLS()", "self_signed_tls_client_auth": "auth.SelfSignedTLS()"}[method])
	default:
		s.uses("os")
		call := map[string]string{"client_secret_post": "SecretPost(%s)", "client_secret_jwt": "SecretJWT(%s, auth.Assertion{})"}[method]
		s.field("Auth: auth."+or(call, "Secret(%s)"), `os.Getenv("CLIENT_SECRET")`)
	}
}

func (x *examination) authMethod() string {
	methods := x.metadata.TokenEndpointAuthMethodsSupported
	switch {
	case x.ClientID != "":
		return x.Auth.Name()
	case isFAPI(x.Profile):
		return x.strongMethod()
	case len(methods) == 0, slices.ContainsFunc(methods, func(m string) bool { return m == "client_secret_basic" || m == "client_secret_post" }):
		return "secret"
	}
	for _, m := range []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "client_secret_jwt", "none"} {
		if slices.Contains(methods, m) {
			return m
		}
	}
	return "secret"
}

// strongMethods are the methods that FAPI allows.
var strongMethods = []string{"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"}

func (x *examination) strongMethod() string {
	for _, m := range strongMethods {
		if slices.Contains(x.metadata.TokenEndpointAuthMethodsSupported, m) {
			return m
		}
	}
	return strongMethods[0]
}

// scopes: a server that is not an OpenID provider does not know openid.
func (x *examination) scopes() (all []string) {
	for _, s := range []string{"openid", "profile", "email"} {
		if s == "openid" && x.openID() || slices.Contains(x.metadata.ScopesSupported, s) && x.openID() {
			all = append(all, s)
		}
	}
	return all
}

// openID reports whether the metadata is at the address of OpenID providers, or has a member that
// only they have.
func (x *examination) openID() bool {
	return x.isOpenID || len(x.metadata.IDTokenSigningAlgValuesSupported) > 0 || x.metadata.UserInfoEndpoint != "" || slices.Contains(x.metadata.ScopesSupported, "openid") ||
		x.raw["subject_types_supported"] != nil
}

// fapiAlgs are what all FAPI profiles allow.
var fapiAlgs = []string{"PS256", "ES256"}

// idTokenAlgs is nil where RS256, the default, is right.
func (x *examination) idTokenAlgs() []string {
	usable := asymmetric(x.metadata.IDTokenSigningAlgValuesSupported)
	if !x.listsAlgs() {
		usable = x.keyAlgs
	}
	if isFAPI(x.Profile) {
		for _, alg := range fapiAlgs {
			if slices.Contains(usable, alg) {
				return []string{alg}
			}
		}
		return fapiAlgs[:1]
	}
	if len(usable) == 0 || slices.Contains(usable, "RS256") {
		return nil
	}
	return usable[:1]
}

// responseAlgs returns the algorithms of signed responses.
func (x *examination) responseAlgs() []string {
	if algs := asymmetric(x.list("authorization_signing_alg_values_supported")); len(algs) > 0 && !slices.Contains(algs, "RS256") {
		return algs[:1]
	}
	return []string{"RS256"}
}

// listsAlgs reports whether the metadata must list the algorithms of ID tokens. Only OpenID
// providers must list them.
func (x *examination) listsAlgs() bool { return len(x.metadata.IDTokenSigningAlgValuesSupported) > 0 }

// elsewhere: the metadata is not where OpenID Connect Discovery puts it.
func (x *examination) elsewhere(d *document) bool { return d.url != x.locations()[0] }

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
