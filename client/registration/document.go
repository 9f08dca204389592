package registration

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/discovery"
)

// Document is a client ID metadata document (draft-ietf-oauth-client-id-metadata-document). The
// client_id is the URL of the document, so the client needs no registration. Document is an
// http.Handler: mount it at that URL. A server that supports such clients announces it in its
// metadata (ClientIDMetadataDocumentSupported). It is safe for concurrent use after the fields are
// set.
//
// The client authenticates with its own key (private_key_jwt, with JWKSURI or JWKS; or a
// certificate) or does not authenticate (none). A shared secret is not possible.
type Document struct {
	// ClientID is the URL of the document. It must be https, with a path, and without query,
	// fragment, user info and dot segments. Servers compare it character by character. It is
	// required.
	ClientID string

	// Metadata is the content of the document. TokenEndpointAuthMethod must be set.
	Metadata Metadata
}

var errClientID = errors.New("registration: Document.ClientID must be an https URL with a path, without query, fragment, user info and dot segments")

// sharedSecrets are the authentication methods that such a client cannot use.
var sharedSecrets = []string{"", "client_secret_basic", "client_secret_post", "client_secret_jwt"}

// JSON returns the document, or an error that names the field that would make it invalid. The error
// need not be an [*Error].
func (d *Document) JSON() ([]byte, error) {
	if err := CheckClientID(d.ClientID); err != nil {
		return nil, err
	}
	if slices.Contains(sharedSecrets, d.Metadata.TokenEndpointAuthMethod) {
		return nil, fmt.Errorf("registration: Document.Metadata.TokenEndpointAuthMethod is %q, expected none or a method without a shared secret", d.Metadata.TokenEndpointAuthMethod)
	}
	if d.Metadata.TokenEndpointAuthMethod == "private_key_jwt" && d.Metadata.JWKSURI == "" && len(d.Metadata.JWKS) == 0 {
		return nil, errors.New("registration: Document.Metadata has neither JWKSURI nor JWKS: set one of them for private_key_jwt")
	}
	members, err := d.Metadata.members()
	if err != nil {
		return nil, wrap(err)
	}
	members["client_id"] = quoted(d.ClientID)
	return json.Marshal(members)
}

// Config returns the configuration of the client at a server, like [Registered.Config].
func (d *Document) Config(server *discovery.Provider, keys auth.KeySource) client.Config {
	return (&Registered{ClientID: d.ClientID, Metadata: d.Metadata}).Config(server, keys)
}

// ServeHTTP implements http.Handler. It does not serve an invalid document: it answers 500, and
// [Document.JSON] returns the reason.
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

// CheckClientID reports an error if id cannot be the URL of a [Document].
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
