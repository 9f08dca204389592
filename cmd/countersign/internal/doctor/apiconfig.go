package doctor

import (
	"fmt"
	"strings"
)

// apiConfig returns the Go source that protects an API. Without keys no JWT can be verified.
func (x *examination) apiConfig(d *document) string {
	if x.metadata.JWKSURI == "" {
		return x.apiSource(d, x.introspection())
	}
	return x.apiSource(d, x.jwt())
}

// verifier is the Go source of one verifier.
type verifier struct {
	imports, text string
}

// apiSource returns the source of the server and the verifier.
func (x *examination) apiSource(d *document, v verifier) string {
	fields := fmt.Sprintf("Issuer: %q", x.Issuer)
	if x.elsewhere(d) {
		fields += fmt.Sprintf(", URL: %q", d.url)
	}
	if x.InsecureHTTP {
		fields += ", InsecureHTTP: true"
	}
	imports, before := v.imports+module+"discovery, "+module+"rs", ""
	if x.RootCAs != nil {
		fields += ", HTTP: trusting"
		imports += ", net/http"
		before = "var trusting *http.Client // with the authority of -ca in the RootCAs of its Transport\n"
	}
	return "// import: " + imports + "\n" + before + x.presetNote() + "server := &discovery.Provider{" + fields + "}\n" + v.text
}

const apiAudience = "\tAudience: \"https://api.example\", // the identifier of this API at the server\n"

func (x *examination) jwt() verifier {
	algs, other := "", ""
	if all := x.idTokenAlgs(); all != nil {
		why := "as for ID tokens; a server may sign access tokens by another one"
		if !x.listsAlgs() {
			why = "for these the server has keys"
		}
		algs = fmt.Sprintf("\tAlgs: %s, // %s\n", goList(all), why)
	}
	if x.metadata.IntrospectionEndpoint != "" {
		other = "// If the access tokens are not JWTs, use rs.Introspection with the same Server, Issuer and Audience.\n"
	}
	return verifier{text: other + "api := &rs.JWT{\n\tIssuer: server.Issuer,\n" + apiAudience + "\tKeys: server.Keys(),\n" + algs + "}"}
}

func (x *examination) introspection() verifier {
	at := "\tServer: server,\n"
	if x.metadata.IntrospectionEndpoint == "" {
		at = "\tURL: \"https://as.example/introspect\", // the metadata names no introspection_endpoint: ask the operator of the server for the address\n"
	}
	if x.RootCAs != nil {
		at += "\tHTTP: trusting,\n"
	}
	credentials := "\tAuth: auth.SecretBasic(os.Getenv(\"API_SECRET\")).For(\"your-api-id\", server.Issuer), // how the server knows this API\n"
	return verifier{
		imports: module + "client/auth, os, ",
		text:    "api := &rs.Introspection{\n" + at + "\tIssuer: server.Issuer,\n" + apiAudience + credentials + "}",
	}
}

// presetNote is for servers whose access tokens do not follow RFC 9068. The preset has the
// differences.
func (x *examination) presetNote() string {
	base, realm, ok := strings.Cut(x.Issuer, "/realms/")
	if !ok || strings.Contains(realm, "/") || !strings.Contains(x.metadata.TokenEndpoint, "/protocol/openid-connect/") {
		return ""
	}
	return fmt.Sprintf("// Keycloak: unless the client writes typ at+jwt, use api := rs.Keycloak(%q, %q), and set its Audience.\n", base, realm)
}
