package rs

import (
	"net/http"
	"strings"
)

// ForwardIdentity sets header fields that tell a server behind this one who sent a request:
//
//	rs.ForwardIdentity(out.Header, map[string]string{"X-User": who.Subject, "X-Client": who.ClientID})
//
// It removes first what the client sent under these names, in every spelling that somebody
// may take for them: in another case, or with _ for - (CGI, RFC 3875). A field
// whose value is "" is removed alone.
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
