package registration

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
)

// Conversion of a registration's metadata to settings of client.Config.

// responseType returns the registered response type to use: code if it is registered. The words
// of a response type have no order (RFC 6749 §3.1.1).
func responseType(registered []string) string {
	var types []string
	for _, t := range registered {
		words := strings.Fields(t)
		slices.Sort(words)
		types = append(types, strings.Join(words, " "))
	}
	if len(types) == 0 || slices.Contains(types, client.ResponseCode) {
		return ""
	}
	for _, t := range []string{client.ResponseCodeIDToken, client.ResponseIDToken} {
		if slices.Contains(types, t) {
			return t
		}
	}
	return types[0]
}

// requestObject returns the settings of request objects, or nil if they are not registered.
func (m *Metadata) requestObject(keys auth.KeySource) *client.RequestObject {
	alg := m.RequestObjectSigningAlg
	if len(m.RedirectURIs) == 0 {
		alg = cmp.Or(alg, m.BackchannelRequestSigningAlg)
	}
	if (alg == "" || alg == "none") && !m.RequireSignedRequestObject {
		return nil
	}
	return &client.RequestObject{Keys: by(alg, keys), EncryptionAlg: m.RequestObjectEncryptionAlg, EncryptionEnc: m.RequestObjectEncryptionEnc}
}

// by returns a key source that signs with the registered algorithm.
func by(alg string, keys auth.KeySource) auth.KeySource {
	if alg == "" || alg == "none" || keys == nil {
		return keys
	}
	return byAlg{alg, keys}
}

type byAlg struct {
	alg  string
	keys auth.KeySource
}

// Current implements auth.KeySource.
func (b byAlg) Current() auth.SigningKey {
	key := b.keys.Current()
	key.Alg = b.alg
	return key
}

var errNoSecretExpiry = errors.New("client_secret_expires_at is missing: delete the client, or set Registrar.MissingSecretExpiry")

// usesSecret reports whether an authentication method needs a secret. "" is client_secret_basic
// (RFC 7591 §2).
func usesSecret(method string) bool {
	return method == "" || strings.HasPrefix(method, "client_secret_")
}

// unusable returns what is needed to delete a registration that cannot be used. It returns nil
// if that is missing or malformed too.
func unusable(members map[string]jsontext.Value) *Registered {
	var out Registered
	for name, field := range map[string]*string{
		"client_id": &out.ClientID, "registration_access_token": &out.AccessToken, "registration_client_uri": &out.URI,
	} {
		if json.Unmarshal(members[name], field) != nil || *field == "" || !printable(*field, '!') {
			return nil
		}
	}
	return &out
}
