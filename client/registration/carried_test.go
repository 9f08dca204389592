package registration_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/client"
	"github.com/countersign/countersign/client/auth"
	"github.com/countersign/countersign/client/registration"
	"github.com/countersign/countersign/discovery"
	"github.com/countersign/countersign/internal/optest"
)

// TestConfigCarries: the registered values about requests are in the client's configuration.
func TestConfigCarries(t *testing.T) {
	keys := auth.SigningKey{KeyID: "k", Alg: "RS256", Key: optest.NewKey("k", "RS256").Private}
	server := &discovery.Provider{Issuer: "https://as.example"}
	for name, test := range map[string]struct {
		edit func(*registration.Metadata)
		ok   func(client.Config) bool
	}{
		"code among others": {func(m *registration.Metadata) { m.ResponseTypes = []string{"id_token", "code"} }, func(c client.Config) bool { return c.ResponseType == "" }},
		"code id_token alone": {func(m *registration.Metadata) { m.ResponseTypes = []string{"id_token code"} }, func(c client.Config) bool {
			return c.ResponseType == client.ResponseCodeIDToken
		}},
		"id_token alone": {func(m *registration.Metadata) { m.ResponseTypes = []string{"id_token"} }, func(c client.Config) bool { return c.ResponseType == client.ResponseIDToken }},
		"request objects by PS256": {func(m *registration.Metadata) { m.RequestObjectSigningAlg = "PS256" }, func(c client.Config) bool {
			return c.RequestObject != nil && c.RequestObject.Keys.Current().Alg == "PS256"
		}},
		"encrypted ones": {func(m *registration.Metadata) {
			m.RequestObjectSigningAlg, m.RequestObjectEncryptionAlg, m.RequestObjectEncryptionEnc = "PS256", "RSA-OAEP-256", "A256GCM"
		}, func(c client.Config) bool {
			return c.RequestObject.EncryptionAlg == "RSA-OAEP-256" && c.RequestObject.EncryptionEnc == "A256GCM"
		}},
		"required ones": {func(m *registration.Metadata) { m.RequireSignedRequestObject = true }, func(c client.Config) bool {
			return c.RequestObject != nil && c.RequestObject.Keys.Current().Alg == "RS256"
		}},
		"none": {func(m *registration.Metadata) { m.RequestObjectSigningAlg = "none" }, func(c client.Config) bool { return c.RequestObject == nil }},
		"PAR":  {func(m *registration.Metadata) { m.RequirePushedAuthorizationRequests = true }, func(c client.Config) bool { return c.PAR == client.PARRequired }},
		"not a word": {func(*registration.Metadata) {}, func(c client.Config) bool {
			return c.ResponseType == "" && c.RequestObject == nil && c.PAR == client.PARAuto
		}},
		"UserInfo in plain JSON": {func(m *registration.Metadata) { m.UserInfoSignedResponseAlg = "none" }, func(c client.Config) bool {
			return c.UserInfoAlgs == nil
		}},
		"UserInfo signed by PS256": {func(m *registration.Metadata) { m.UserInfoSignedResponseAlg = "PS256" }, func(c client.Config) bool {
			return slices.Equal(c.UserInfoAlgs, []string{"PS256"})
		}},
		"CIBA's own": {func(m *registration.Metadata) { m.RedirectURIs, m.BackchannelRequestSigningAlg = nil, "PS256" }, func(c client.Config) bool {
			return c.RequestObject != nil && c.RequestObject.Keys.Current().Alg == "PS256"
		}},
	} {
		metadata := registration.Metadata{RedirectURIs: []string{"https://rp.example/cb"}, TokenEndpointAuthMethod: "none"}
		test.edit(&metadata)
		config := (&registration.Registered{ClientID: "rp", Metadata: metadata}).Config(server, keys)
		if _, err := client.New(config); err != nil || !test.ok(config) {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := (&registration.Registered{ClientID: "rp", Metadata: registration.Metadata{ResponseTypes: []string{"code token"}, RedirectURIs: []string{"https://rp.example/cb"}, TokenEndpointAuthMethod: "none"}}).Config(server, nil)
	if _, err := client.New(config); err == nil || !strings.Contains(err.Error(), "ResponseType") {
		t.Errorf("a response type that is not supported: %v", err)
	}
}

// TestSecretThatNobodyAskedFor: a secret that was not requested may lack an expiry. A requested
// one without expiry is an error, and the registration is returned, so that the client can be
// deleted. RFC 7591 §3.2.1.
func TestSecretThatNobodyAskedFor(t *testing.T) {
	for method, ok := range map[string]bool{"": false, "client_secret_basic": false, "client_secret_post": false, "none": true, "private_key_jwt": true, "tls_client_auth": true} {
		s := optest.New(t)
		s.Registration = func(out map[string]any) {
			out["client_secret"] = "canary-unasked"
			delete(out, "client_secret_expires_at")
		}
		r := registrar(s)
		got, err := r.Register(t.Context(), registration.Metadata{TokenEndpointAuthMethod: method, RedirectURIs: []string{optest.RedirectURL}})
		if (err == nil) != ok || got == nil || got.ClientSecret != "canary-unasked" || !got.SecretExpiry.IsZero() {
			t.Errorf("%q: %v, %v", method, got, err)
			continue
		}
		if err != nil && !strings.Contains(err.Error(), "MissingSecretExpiry") {
			t.Errorf("%q: the error names no remedy: %v", method, err)
		}
		if _, err := r.Read(t.Context(), got); (err == nil) != ok {
			t.Errorf("%q: read: %v", method, err)
		}
		if err := r.Delete(t.Context(), got); err != nil {
			t.Errorf("%q: the client stays: %v", method, err)
		}
	}
}

// TestUnusableRegistration: if the response is wrong but the client can be deleted, the
// registration is returned with the error.
func TestUnusableRegistration(t *testing.T) {
	for name, test := range map[string]struct {
		edit      map[string]any
		deletable bool
	}{
		"an end of another type":   {m{"client_secret_expires_at": "0"}, true},
		"an end before 1970":       {m{"client_secret_expires_at": -1}, true},
		"a secret of another type": {m{"client_secret": 1}, true},
		"a secret that is no text": {m{"client_secret": "canary\n"}, true},
		"a token that is no text":  {m{"registration_access_token": "canary\n"}, false},
		"a token of another type":  {m{"registration_access_token": 1}, false},
		"no client_id":             {m{"client_id": ""}, false},
	} {
		s := optest.New(t)
		s.Registration = func(out map[string]any) {
			for name, value := range test.edit {
				out[name] = value
			}
		}
		r := registrar(s)
		got, err := r.Register(t.Context(), app())
		if err == nil || (got != nil) != test.deletable {
			t.Errorf("%s: %v, %v", name, got, err)
			continue
		}
		if got != nil {
			if err := r.Delete(t.Context(), got); err != nil {
				t.Errorf("%s: the client stays: %v", name, err)
			}
		}
	}
}
