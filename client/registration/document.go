package registration

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
)

// Document is a client ID metadata document: a client whose client_id is the address at
// which it says who it is, so that it need not be registered
// (draft-ietf-oauth-client-id-metadata-document). It is an http.Handler to mount there.
// A server that takes such clients says so in its metadata
// (ClientIDMetadataDocumentSupported).
//
// The client authenticates with a key of its own (private_key_jwt, with JWKSURI or JWKS;
// or a certificate) or not at all (none); nobody shares a secret with it.
type Document struct {
	// ClientID is the address: https, with a path, and without query, fragment, user info
	// and dot segments. Servers compare it character by character.
	ClientID string

	// Metadata is what the document says. TokenEndpointAuthMethod must be set.
	Metadata Metadata
}

var errClientID = errors.New("registration: Document.ClientID is no https URL with a path, and without query, fragment, user info and dot segments")

// sharedSecrets are the authentication methods that such a client cannot have.
var sharedSecrets = []string{"", "client_secret_basic", "client_secret_post", "client_secret_jwt"}

// JSON is the document, or an error that says what is wrong with it.
func (d *Document) JSON() ([]byte, error) {
	if err := CheckClientID(d.ClientID); err != nil {
		return nil, err
	}
	if slices.Contains(sharedSecrets, d.Metadata.TokenEndpointAuthMethod) {
		return nil, errors.New("registration: Document.Metadata.TokenEndpointAuthMethod must be none, or a method without a shared secret")
	}
	if d.Metadata.TokenEndpointAuthMethod == "private_key_jwt" && d.Metadata.JWKSURI == "" && len(d.Metadata.JWKS) == 0 {
		return nil, errors.New("registration: Document.Metadata has neither JWKSURI nor JWKS, for private_key_jwt")
	}
	members, err := d.Metadata.members()
	if err != nil {
		return nil, wrap(err)
	}
	members["client_id"] = quoted(d.ClientID)
	return json.Marshal(members)
}

// Config is the configuration of the client at a server, as that of [Registered.Config].
func (d *Document) Config(server *discovery.Provider, keys auth.KeySource) client.Config {
	return (&Registered{ClientID: d.ClientID, Metadata: d.Metadata}).Config(server, keys)
}

// ServeHTTP implements http.Handler. A document that would not be valid is not served.
func (d *Document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	document, err := d.JSON()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("X-Content-Type-Options", "nosniff")
	w.Write(document)
}

// CheckClientID reports an error unless id can be the address of a [Document].
func CheckClientID(id string) error {
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Scheme != "https" || !strings.HasPrefix(id, "https://") || u.Hostname() == "" || u.User != nil:
		return errClientID
	case u.Path == "" || strings.ContainsAny(id, "?#\\") || !printable(id, '!'):
		return errClientID
	}
	for _, segment := range strings.Split(u.Path, "/") { // decoded: %2e is a dot
		if segment == "." || segment == ".." {
			return errClientID
		}
	}
	return nil
}
