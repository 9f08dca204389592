package issuertest

import "net/url"

// Edit changes responses in ways for which there is no [Fault]. Each function receives the
// complete response before it is sent, and changes it in place. The functions may call Now,
// Key and SignJWT, but no other method of the issuer. A nil function changes nothing.
type Edit struct {
	Metadata      func(map[string]any) // the server's metadata
	AccessToken   func(map[string]any) // the claims of a JWT access token before it is signed
	IDToken       func(map[string]any) // the claims of an ID token before it is signed
	Callback      func(url.Values)     // the authorization response, before JARM signs it
	Token         func(map[string]any) // the token response
	UserInfo      func(map[string]any) // the claims of a UserInfo response
	Introspection func(map[string]any) // the introspection response, before it is signed (RFC 9701 §5)
	Device        func(map[string]any) // the device authorization response; the issuer uses the codes in it
	Backchannel   func(map[string]any) // the CIBA response; the issuer uses the auth_req_id in it
	Registration  func(map[string]any) // the client information response, RFC 7591 §3.2.1
}

func edited(f func(map[string]any), m map[string]any) map[string]any {
	if f != nil {
		f(m)
	}
	return m
}
