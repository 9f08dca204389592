package rs

import (
	"net/http"
	"strings"
)

// ForwardIdentity sets header fields with the user and the client, for a request that the API
// forwards to another server:
//
//	rs.ForwardIdentity(out.Header, map[string]string{"X-User": who.Subject, "X-Client": who.ClientID})
//
// It first removes the fields that the client sent under these names. It also removes other
// spellings that a server may treat as the same name: another case, or _ for - (CGI, RFC 3875).
// A field with the value "" is only removed.
func ForwardIdentity(h http.Header, fields map[string]string) {
	for sent := range h {
		for name := range fields {
			if spelling(sent) == spelling(name) {
				delete(h, sent)
			}
		}
	}
	for name, value := range fields {
		if value != "" {
			h.Set(name, value)
		}
	}
}

func spelling(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }
