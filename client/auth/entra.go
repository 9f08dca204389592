package auth

import "crypto/x509"

// EntraAssertion returns the client assertion that Microsoft Entra ID documents: for the token
// endpoint, with the certificate's thumbprint.
func EntraAssertion(tenantID string, certificate *x509.Certificate) Assertion {
	return Assertion{Audience: "https://login.microsoftonline.com/" + tenantID + "/oauth2/v2.0/token", Typ: "JWT", Certificate: certificate}
}
